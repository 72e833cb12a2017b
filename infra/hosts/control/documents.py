"""The JSON of what requests answer with. Members are added, never renamed; none is made of a value."""

from datetime import UTC, datetime
from typing import Any

from events.references import ManifestRef, PathRef, SecretRef, Version
from infra.hosts.views.changes import Blocked, Change
from infra.hosts.views.trouble import Trouble

Document = dict[str, Any]


def instant(moment: datetime | None) -> str | None:
    """RFC 3339, UTC, milliseconds."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def version(found: Version | None) -> Document | None:
    """A version at the authority, exactly: who sends it back as a base names this one and no other."""
    if found is None:
        return None
    created = found.created.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {"number": found.number, "created": created}


def place(reference: PathRef | SecretRef | ManifestRef | None) -> str | None:
    """How people name it."""
    return str(reference) if reference is not None else None


def trouble(found: Trouble | None) -> Document | None:
    """What is not through."""
    if found is None:
        return None
    return {
        "step": found.step,
        "state": found.state,
        "reason": found.reason,
        "attempts": found.attempts,
        "nextAttempt": instant(found.next_attempt),
        "deadLetter": found.dead_letter,
    }


def change(found: Change) -> Document:
    """A write that a step would make."""
    return {
        "step": found.step,
        "action": found.action,
        "target": str(found.target),
        "kind": "path" if isinstance(found.target, PathRef) else "secret",
        "base": version(found.base),
        "added": list(found.keys.added),
        "changed": list(found.keys.changed),
        "removed": list(found.keys.removed),
        "note": found.note,
    }


def blocked(found: Blocked) -> Document:
    """What a step would refuse or wait for."""
    return {"step": found.step, "about": found.about, "kind": found.kind, "reason": found.reason}
