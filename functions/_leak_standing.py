"""How a secret that leaked stands now, by what rotation's own steps recorded of it."""

from collections.abc import Callable
from typing import Literal

from events.leak import Exposure
from events.references import PathRef, Version
from functions._leak_mapping import Found
from functions._leaks import Leak
from functions._ports import Ports
from functions._rotation_naming import began_from
from functions._rotations import Record

Stands = Literal["held", "rotating", "failed", "aborted", "revoked", "attested", "owner", "ignored"]


def about(record: Record | None, version: Version) -> bool:
    """Whether a rotation replaces this version (its base may have moved since it was asked for)."""
    return record is not None and (record.base == version or began_from(record, version))


def decided(found: Found, ports: Ports) -> Literal["revoked", "owner"] | None:
    """How it stands whatever its leak policy says; None where that decides."""
    if found.standing == "revoked":
        return "revoked"
    rotation = ports.wiring.rotation_of_path(found.path)
    if rotation is None or ports.wiring.problem(rotation.ref) or found.standing == "former":
        return "owner"
    return None


def stopped(leak: Leak, read: Callable[[PathRef], Record | None]) -> tuple[tuple[Exposure, Record], ...]:
    """What was asked to be rotated for it and is rotated no more: it failed, or an operator gave it up.

    `read` gives the record of a path's rotation.
    """
    found = []
    for one in leak.exposures:
        record = read(one.path) if one.standing == "rotating" else None
        if record is None or record.phase not in ("failed", "aborted") or not about(record, one.version):
            continue
        if record.attempt >= leak.attempts.get(str(one.path), 1):
            found.append((one, record))
    return tuple(found)


def stands(exposure: Exposure, leak: Leak, ports: Ports) -> Stands:
    """As people are told (ROTATION_READ, INDEX_READ)."""
    if exposure.standing in ("held", "ignored", "revoked"):
        return exposure.standing
    if leak.state == "contained":
        return "attested" if leak.attested_by and exposure.standing == "owner" else "revoked"
    indexed = ports.index.read(exposure.path)
    held = indexed.held(exposure.version) if indexed is not None else None
    if held is not None and held.revoked:
        return "revoked"
    if exposure.standing == "owner":
        return "attested" if leak.attested_by else "owner"
    record = ports.rotations.read(exposure.path)
    if record is None or not about(record, exposure.version):
        return "rotating"
    if record.phase == "completed":
        return "revoked"
    return record.phase if record.phase in ("failed", "aborted") else "rotating"
