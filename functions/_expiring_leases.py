"""The sweep's part for leases: which that rotations hold are about to end, and which nobody needs any more.

Leases are looked up by the ids that records hold, never listed, and no more of them in one tick than a bound.
"""

from collections.abc import Iterator

from events.event import Event
from events.lease import LeaseExpiring
from events.schedule import ScheduleTicked
from events.secret import SecretRetracted
from functions._failures import Denied, Reject
from functions._lease_needs import abandoned, needed
from functions._leases import current_lease, held_leases
from functions._ports import Ports
from functions._rotations import Record
from functions._shards import in_shard

MOST = 500  # leases looked up in one tick; the next one of this shard begins with others


def expiring_leases(event: ScheduleTicked, ports: Ports) -> Iterator[Event]:
    """What is to be said of this shard's leases (ROTATION_READ, LEASE_READ, TOMBSTONE_READ, TOMBSTONE_WRITE)."""
    held = [(record, lease) for record in _records(event, ports) for lease in _ids(record)]
    start = int(event.at.timestamp()) // 60 % len(held) if len(held) > MOST else 0
    for record, lease_id in (held[start:] + held[:start])[:MOST]:
        yield from _look(record, lease_id, ports)


def _records(event: ScheduleTicked, ports: Ports) -> Iterator[Record]:
    for path in ports.rotations.paths():
        if not in_shard(path, event):
            continue
        try:
            record = ports.rotations.read(path)
        except Reject:
            continue  # a spoilt record: whoever rotates the path says so
        if record is not None:
            yield record


def _ids(record: Record) -> Iterator[str]:
    return (holder.id for holder in held_leases(record))


def _look(record: Record, lease_id: str, ports: Ports) -> Iterator[Event]:
    wanted, now = needed(record.manifest, record.path, ports), ports.clock.now()
    try:
        lease = ports.leases.read(lease_id)
    except Denied:
        # What no manifest asks for any more no policy covers. The rest is renew's to look at, and to be refused by
        # itself: neither holds up the sweep.
        if wanted and lease_id == current_lease(record):
            yield LeaseExpiring(path=record.path, lease=lease_id, expires=now)
        return
    if lease is not None and not wanted:
        yield from _notice(record, ports)
    if lease is not None and lease.due <= now:
        yield LeaseExpiring(path=record.path, lease=lease_id, expires=lease.expires)
    elif lease is None and wanted and lease_id == current_lease(record):
        yield LeaseExpiring(path=record.path, lease=lease_id, expires=now)  # it ended unseen: renew tells more


def _notice(record: Record, ports: Ports) -> Iterator[Event]:
    if not ports.wiring.complete():
        return  # what cannot be read may ask for it
    tombstone = abandoned(record, ports)
    if ports.tombstones.read(tombstone.id) is None:
        ports.tombstones.create(tombstone)
        yield SecretRetracted(
            target=record.path, manifest=record.manifest, tombstone=tombstone.id, outcome="noticed",
            explanation=f"no manifest asks for its leased credential; due at {tombstone.due:%Y-%m-%d %H:%M:%S} UTC",
        )  # fmt: skip
