"""index: keep fingerprints of current and former values, so that a leaked one is known for what it is.

It looks at metadata, and reads only versions that it has not seen. Nobody waits for it when a secret changes: it works
on its own schedule, and at once when triage knows no secret of a fingerprint. Configuration, and what could be
guessed, has no fingerprint (functions/_telling.py).
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from events.event import Event
from events.leak import IndexRequested, TriageRequested
from events.references import PathRef
from events.schedule import ScheduleTicked
from functions._capability import Capability
from functions._failures import Conflict, Reject, Retry
from functions._leaks import SCHEDULE, Indexed, IndexedVersion, Sighting
from functions._orders import expiry
from functions._ports import Ports, StoredSecret
from functions._shards import in_shard
from functions._step import Step
from functions._telling import telling
from functions._values import SecretValue

KEPT = 20  # versions of a path; fingerprints of older ones are forgotten
ATTEMPTS = 4


def handle(event: ScheduleTicked | IndexRequested, ports: Ports) -> Iterator[Event]:
    """Look at a shard's paths, or at all of them for who asked; a finding is then looked at again."""
    if isinstance(event, IndexRequested):
        newest = ports.index.round()
        if newest is None or newest < event.since:
            _round(sorted(set(_paths(ports)), key=str), ports, whole=True)
        if event.leak is not None:
            yield TriageRequested(
                leak=event.leak, decision="look", by="index", expires=expiry(ports), reason="the index is up to date"
            )
    elif event.schedule.name == SCHEDULE:
        paths = [path for path in sorted(set(_paths(ports)), key=str) if in_shard(path, event)]
        _round(paths, ports, whole=event.shards == 1)


def behind(ports: Ports) -> tuple[PathRef, ...]:
    """Paths with a version that the index has not looked at, or that cannot be looked at now, ordered."""
    return tuple(path for path in sorted(set(_paths(ports)), key=str) if _is_behind(path, ports))


def _is_behind(path: PathRef, ports: Ports) -> bool:
    try:
        head = ports.authority.head(path)
        known = ports.index.read(path) or Indexed(path)
    except Reject:
        return False  # as in a round, which it does not hold up
    except Retry:
        return True
    if head is None:
        return False
    begun_anew = head.version.number in known.versions and known.held(head.version) is None
    seen = {number for number, one in known.versions.items() if one.looked}
    return begun_anew or not seen.issuperset(head.live[-KEPT:])


def _paths(ports: Ports) -> Iterable[PathRef]:
    """Everything that the wiring names: of producers, of consumers, of rotations, and what searches find."""
    wiring = ports.wiring
    for push in wiring.push_secrets():
        if not wiring.problem(push.ref):
            yield from push.entries(wiring.mount)
    for consumer in wiring.external_secrets():
        if wiring.problem(consumer.ref):
            continue
        yield from consumer.paths(wiring.mount)
        for find in consumer.finds(wiring.mount):
            yield from (path for path in ports.authority.list(find.mount, find.prefix) if find.matches(path))
    for rotation in wiring.rotations():
        if not wiring.problem(rotation.ref):
            yield rotation.path(wiring.mount)


def _round(paths: list[PathRef], ports: Ports, *, whole: bool) -> None:
    began = ports.clock.now()
    # What nothing has: its fingerprint tells which version of the key is the newest.
    (probe,) = ports.fingerprints.of("leak", (SecretValue(b""),))
    key = probe.split(".", 1)[0]
    waiting = 0
    for path in paths:
        try:
            _bring(path, key, ports)
        except Reject:
            continue  # one spoilt path or document holds up no other; whoever reads it says so
        except Retry:
            waiting += 1  # as it is refused at the moment, or changes too fast: this round did not see everything
    if whole and not waiting:
        ports.index.rounded(began)


def _bring(path: PathRef, key: str, ports: Ports) -> None:
    for _ in range(ATTEMPTS):
        try:
            _attempt(path, key, ports)
        except Conflict:
            continue
        return
    raise Retry(f"the index of {path} changes faster than it can be compared and set")


def _attempt(path: PathRef, key: str, ports: Ports) -> None:
    head = ports.authority.head(path)
    if head is None:
        return  # gone with its metadata; what it held is known still
    known = ports.index.read(path) or Indexed(path)
    newest = known.versions.get(head.version.number)
    begun_anew = newest is not None and newest.version != head.version
    versions = {} if begun_anew else dict(known.versions)
    missing = [number for number in head.live[-KEPT:] if number not in versions or _outdated(versions[number], key)]
    for number in sorted(missing, reverse=True):
        stored = ports.authority.read_pinned(path, str(number))
        if stored is not None and stored.data is not None:
            former = versions.get(number)
            versions[number] = _looked_at(stored, former.revoked if former else False, ports)
    kept = {number: versions[number] for number in sorted(versions)[-KEPT:]}
    if kept == known.versions:
        return
    _drop({number: one for number, one in known.versions.items() if kept.get(number) != one}, kept, path, ports)
    # Last: whoever dies before this does it all again.
    ports.index.write(replace(known, versions=kept))


def _outdated(version: IndexedVersion, key: str) -> bool:
    if not version.looked or set(version.remembered) != set(version.keys):
        return True
    return any(not fingerprint.startswith(f"{key}.") for fingerprint in version.keys.values())


def _looked_at(stored: StoredSecret, revoked: bool, ports: Ports) -> IndexedVersion:
    values = telling(stored.path, stored.data or {})
    prints = ports.fingerprints.of("leak", tuple(values.values())) if values else ()
    keys = dict(zip(values, prints, strict=True))
    # Should it be revoked: whoever remembers that may come when the version is deleted.
    known_by = ports.fingerprints.of("revoked", tuple(values.values())) if values else ()
    for name, fingerprint in keys.items():
        ports.index.add(fingerprint, Sighting(stored.path, name, stored.version))
    return IndexedVersion(stored.version, keys, revoked, remembered=dict(zip(values, known_by, strict=True)))


def _drop(former: dict[int, IndexedVersion], kept: dict[int, IndexedVersion], path: PathRef, ports: Ports) -> None:
    """Forget what is too old, or was made with an older version of the key."""
    for number, one in former.items():
        now = kept.get(number)
        for name, fingerprint in one.keys.items():
            if now is None or now.keys.get(name) != fingerprint:
                ports.index.drop(fingerprint, Sighting(path, name, one.version))


STEP = Step(
    name="index",
    does="Keeps keyed fingerprints of current and former values, by which triage knows a leaked one.",
    consumes=(ScheduleTicked, IndexRequested),
    emits=(TriageRequested,),
    needs=frozenset(
        {
            Capability.AUTHORITY_READ,
            Capability.AUTHORITY_METADATA,
            Capability.AUTHORITY_LIST,
            Capability.FINGERPRINT_LEAK,
            Capability.FINGERPRINT_REVOKED,
            Capability.INDEX_READ,
            Capability.INDEX_WRITE,
        }
    ),
    handle=handle,
)
