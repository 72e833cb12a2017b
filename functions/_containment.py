"""What a leak still lacks to be contained, established from state that only the proving steps write."""

from collections.abc import Iterator

from events.leak import Exposure
from events.references import PathRef, Version
from functions._failures import Reject, Retry
from functions._leak_records import MISSING
from functions._leaks import Leak
from functions._leases import is_lease
from functions._ports import Ports
from functions._workloads import Rollout


def lacking(leak: Leak, ports: Ports) -> tuple[str, ...]:
    """What is missing, a sentence each; nothing where it is contained."""
    if leak.held:
        return ("some of it waits: see what `lockstep leak show` says is held",)
    missing: list[str] = []
    for one in leak.exposures:
        if one.standing == "ignored":
            continue
        missing += _refused(one, leak, ports)
        missing += _ended(one, ports)
        missing += _moved(one, ports)
    return tuple(dict.fromkeys(missing))[:MISSING]


def _refused(exposure: Exposure, leak: Leak, ports: Ports) -> Iterator[str]:
    """Is what leaked refused? A rotation of it that completed tried it; else somebody vouches for it."""
    path, version = exposure.path, exposure.version
    indexed = ports.index.read(path)
    held = indexed.held(version) if indexed else None
    if held is not None and held.revoked:
        return
    record = ports.rotations.read(path)
    if record is not None and record.base == version:
        if record.phase == "completed" and not record.orphans:
            return
        if not leak.attested_by or record.phase not in ("failed", "aborted"):
            yield f"{path}: the rotation of version {version} is {record.phase}, so the old credential may work still"
            if record.phase == "aborted":
                yield (
                    f"{path}: an operator gave its rotation up, and no alert begins it again: `lockstep leak confirm` "
                    "does; `leak attest` says that the old credential is refused all the same, `leak dismiss` that "
                    "it is no leak"
                )
            return
    elif not leak.attested_by:
        yield (f"{path}: nothing shows that version {version} is refused; have it refused, then `lockstep leak attest`")


def _ended(exposure: Exposure, ports: Ports) -> Iterator[str]:
    """Is every lease over that gave what leaked?"""
    record = ports.rotations.read(exposure.path)
    if record is None or record.base != exposure.version:
        return
    for holder in (record.old, *record.orphans):
        if holder is not None and is_lease(holder.id) and ports.leases.read(holder.id) is not None:
            yield f"{exposure.path}: the lease of version {exposure.version} lives still"


def _moved(exposure: Exposure, ports: Ports) -> Iterator[str]:
    """Has everybody who reads the path got a version after the one that leaked?"""
    path, version = exposure.path, exposure.version
    for consumer in ports.wiring.consumers_of_path(path):
        target = consumer.target
        if consumer.spec.target.creation_policy == "None":
            yield f"{target}: Lockstep does not write it, and cannot see which version of {path} it has"
            continue
        try:
            head = ports.targets.head(target)
        except (Retry, Reject) as failure:
            yield f"{target}: it cannot be looked at: {failure.reason}"
            continue
        carried = head.stamp.get(str(path)) if head is not None else None
        if carried is not None and not carried.surely_newer_than(version):
            yield f"{target}: it carries version {carried} of {path}"
    yield from _running(path, version, ports)


def _running(path: PathRef, version: Version, ports: Ports) -> Iterator[str]:
    """Workloads that asked to be restarted for the path and are not known to run what came after."""
    targets = {(one.target.namespace, one.target.name) for one in ports.wiring.consumers_of_path(path)}
    if not targets:
        return
    namespaces = {namespace for namespace, _ in targets}
    for ref in ports.rollouts.refs():
        record = ports.rollouts.read(ref) if ref.namespace in namespaces else None
        if record is None:
            continue
        names = [name for name in record.stamps if (ref.namespace, name) in targets]
        if names and not all(_runs(record, name, path, version) for name in names):
            yield f"{ref}: it is not known to run a version of {path} after {version} ({record.state})"


def _runs(rollout: Rollout, name: str, path: PathRef, version: Version) -> bool:
    carried = rollout.stamps[name].get(str(path))
    return rollout.state == "adopted" and (carried is None or carried.surely_newer_than(version))
