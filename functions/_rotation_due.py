"""Rotations that are due by schedule or age, and those that nobody looks at any more."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from events.event import Event
from events.references import PathRef, Version
from events.rotation import RotationRequested
from events.schedule import ScheduleTicked
from functions._failures import Reject, Retry
from functions._manifests.rotation import Rotation
from functions._orders import expiry
from functions._ports import PathHead, Ports
from functions._rotation_foreign import foreign_write
from functions._rotation_naming import attempt_after
from functions._rotation_records import SOON, ask
from functions._rotations import ENDED, Record
from functions._schedules import due
from functions._shards import in_shard

SCHEDULED = "schedule"  # who asks
_NOT_LOOKED_AT: Mapping[PathRef, PathHead | None] = {}
_QUIET = timedelta(minutes=10)  # after which a rotation that waits for nothing is looked at again
_LOST = "what was said of it before the start may be lost"
_LONGEST = timedelta(days=1)  # between tries of what failed


def renewed(record: Record, ports: Ports) -> Iterator[Event]:
    """What the reminder of a rotation that ended asks: the next one, if it is due."""
    rotation = ports.wiring.rotation(record.manifest)
    if rotation is not None:
        yield from _due(rotation, record.path, record, record.promoted or record.base, ports)


def rotations_due(
    event: ScheduleTicked, ports: Ports, heads: Mapping[PathRef, PathHead | None] = _NOT_LOOKED_AT
) -> Iterator[Event]:
    """The sweep's part: every Rotation of the shard, and on the first shard the records that no manifest names.

    `heads` are of paths that this sweep looked at already.
    """
    wired: set[PathRef] = set()
    for rotation in ports.wiring.rotations():
        try:
            path = rotation.path(ports.wiring.mount)
        except Reject:
            continue  # lint and `status` name it
        wired.add(path)
        if in_shard(path, event):
            yield from _alone(_swept(rotation, path, heads, ports))
    if event.shard == 0:
        for path in ports.rotations.paths():
            if path not in wired:
                yield from _alone(_unwired(path, ports))


def unsaid(ports: Ports) -> Iterator[Event]:
    """After a start: whoever moved a rotation may have died before it was durable that they had said so."""
    for path in ports.rotations.paths():
        try:
            record = ports.rotations.read(path)
        except Reject:
            continue  # somebody spoilt it; `status` says so
        if record is None or (record.phase in ENDED and record.told):
            continue
        if record.phase in ("promoted", "completed"):
            yield ask(record, ports, "promote", reason=_LOST)  # consumers hear of it from nobody else
        yield ask(record, ports, reason=_LOST)


def _unwired(path: PathRef, ports: Ports) -> Iterator[Event]:
    record = ports.rotations.read(path)
    if record is not None and (record.phase not in ENDED or not record.told):
        yield from _settled(record, ports)


def _alone(found: Iterator[Event]) -> Iterator[Event]:
    """One path that cannot be looked at now holds up no other; its own record says why."""
    try:
        yield from found
    except (Retry, Reject):
        return


def _swept(
    rotation: Rotation, path: PathRef, heads: Mapping[PathRef, PathHead | None], ports: Ports
) -> Iterator[Event]:
    """What a manifest's path lacks: a rotation that is due, a look at one that nobody moves. What somebody else wrote
    there is named."""
    if ports.wiring.problem(rotation.ref):
        return
    head = heads.get(path)
    record = ports.rotations.read(path)
    if record is not None and (record.phase not in ENDED or not record.told):
        yield from _settled(record, ports)
        if path in heads:
            yield from foreign_write(rotation, path, head, ports, lambda _: record)
        return
    if path not in heads:
        head = ports.authority.head(path)
    yield from foreign_write(rotation, path, head, ports, ports.rotations.read)
    yield from _due(rotation, path, record, head.version if head is not None else None, ports)


def _settled(record: Record, ports: Ports) -> Iterator[Event]:
    """A look at a rotation that is under way, or whose end nobody knows, where none is on its way."""
    now = ports.clock.now()
    waits = record.phase not in ENDED and record.due is not None and now < record.due + _QUIET
    if not waits and now >= record.entered + _QUIET:
        yield ask(record, ports, reason="nobody moved it on")


def next_due(rotation: Rotation | None, path: PathRef, version: Version | None) -> datetime | None:
    """When a version is to be replaced; None: never by itself."""
    return due(rotation, path, version.created) if rotation is not None and version is not None else None


def _due(
    rotation: Rotation, path: PathRef, record: Record | None, base: Version | None, ports: Ports
) -> Iterator[RotationRequested]:
    """By schedule, and after a pause that grows for what failed. What was given up by order waits its full time."""
    if ports.suspensions.reason(path, rotation.ref) or _unfit(rotation, path, ports):
        return
    attempt = attempt_after(record, base)
    failed = record if attempt > 1 else None
    moment = _moment(rotation, path, failed, base, ports)
    if moment is None or moment > ports.clock.now():
        return
    leaked = failed is not None and failed.phase == "failed" and failed.policy == "leak"
    yield RotationRequested(
        path=path, policy="leak" if leaked else "planned", base=base, attempt=attempt, by=SCHEDULED,
        expires=expiry(ports), reason="it failed, and is tried again" if failed else "it is due by schedule or age",
    )  # fmt: skip


def _unfit(rotation: Rotation, path: PathRef, ports: Ports) -> bool:
    """Whether `create` would refuse it: said by lint and `status`, not by a dead letter with every tick."""
    refused = ports.wiring.problem(rotation.ref) or not ports.access.may_publish(rotation.namespace, path)
    return bool(refused) or bool(ports.wiring.producers_of_path(path))


def _moment(
    rotation: Rotation, path: PathRef, failed: Record | None, base: Version | None, ports: Ports
) -> datetime | None:
    scheduled = rotation.spec.schedule is not None or rotation.spec.maximum_age is not None
    if failed is None:
        since = base.created if base is not None else None
        return due(rotation, path, since) if since is not None else ports.clock.now() if scheduled else None
    if failed.phase == "aborted":
        return due(rotation, path, failed.entered)
    if not scheduled and failed.policy == "planned":
        return None  # somebody ordered it once, and is told that it failed
    doubled: int = 1 << min(failed.attempt - 1, 10)
    return failed.entered + min(10 * SOON * doubled, _LONGEST)
