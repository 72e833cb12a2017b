"""How rotations and their paths are named: ids that a repeated trigger finds again, and texts that budgets and
reminders hold."""

import hashlib

from pydantic import ValidationError

from events.references import PathRef, Version
from functions._rotations import Record


def rotation_id(path: PathRef, base: Version | None, attempt: int) -> str:
    """The id of the `attempt`-th rotation of a path away from a version."""
    said = f"{base.number}@{base.created.isoformat()}{base.id}" if base else "none"
    return hashlib.sha256(f"{path.subject}\n{said}\n{attempt}".encode()).hexdigest()[:32]


def began_from(record: Record, base: Version | None) -> bool:
    """Whether the rotation was asked for because of this version (its own base may have moved since)."""
    return record.id == rotation_id(record.path, base, record.attempt)


def attempt_after(record: Record | None, base: Version | None) -> int:
    """Which attempt the next rotation away from a version is."""
    return record.attempt + 1 if record is not None and began_from(record, base) else 1


def text_of(path: PathRef) -> str:
    """The path as one text that tells mount and path apart: `1/secret/platform-data/orders`."""
    return f"{path.mount.count('/') + 1}/{path}"


def path_of(text: str) -> PathRef | None:
    """Read what `text_of` writes; None for what it never wrote."""
    count, _, rest = text.partition("/")
    if not count.isascii() or not count.isdecimal() or len(count) > 3:
        return None
    segments = rest.split("/")
    try:
        return PathRef(mount="/".join(segments[: int(count)]), path="/".join(segments[int(count) :]))
    except ValidationError:
        return None
