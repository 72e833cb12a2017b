"""GET rotations, GET rotation: where rotations stand."""

from functions._rotations import Holder, Record
from infra.hosts.control.arguments import lookups_of_all, optional_text, records_of, text
from infra.hosts.control.documents import Document, instant, version
from infra.hosts.control.request import Arguments, ControlError
from infra.hosts.local.instance import Parts
from infra.hosts.views.feeding import instead
from infra.hosts.views.rotations import RotationState, UnknownRotation, rotation_states, select_rotation


def rotations(parts: Parts, arguments: Arguments, by: str) -> Document:
    """Every rotation, or those of a `namespace`."""
    namespace = optional_text(arguments, "namespace")
    records = records_of(parts)
    found = rotation_states(lookups_of_all(parts), records)
    return {"rotations": [shown(one) for one in found if namespace in (None, one.manifest.namespace)]}


def rotation(parts: Parts, arguments: Arguments, by: str) -> Document:
    """One, by the name of its manifest or its path."""
    return shown(chosen(parts, arguments))


def chosen(parts: Parts, arguments: Arguments) -> RotationState:
    """What `name` (and `namespace`) stands for. Raises ControlError 404."""
    name, namespace = text(arguments, "name"), optional_text(arguments, "namespace")
    try:
        return select_rotation(name, namespace, parts.lookups, records_of(parts))
    except UnknownRotation as unknown:
        raise ControlError(404, instead(name, namespace, parts.lookups) or str(unknown)) from None


def shown(state: RotationState) -> Document:
    """One rotation: names, versions and times, never a value."""
    manifest, rotation = state.manifest, state.rotation
    return {
        "name": f"{manifest.namespace}/{manifest.name}",
        "path": str(state.path) if state.path else None,
        "wired": rotation is not None,
        "target": rotation.spec.target.name if rotation else (state.record.terms.target if state.record else None),
        "strategy": rotation.spec.strategy if rotation else (state.record.terms.strategy if state.record else None),
        "accounts": list(rotation.spec.target.names) if rotation else [],
        "version": version(state.version),
        "due": instant(state.due),
        "phase": state.phase,
        "underWay": state.under_way,
        "holds": state.holds,
        "trouble": state.trouble,
        "suspended": state.suspended,
        "record": _record(state.record) if state.record else None,
    }


def _record(record: Record) -> Document:
    trouble, following = record.trouble, record.following
    return {
        "id": record.id,
        "attempt": record.attempt,
        "policy": record.policy,
        "by": record.by,
        "began": instant(record.began),
        "entered": instant(record.entered),
        "base": version(record.base),
        "promoted": version(record.promoted),
        "old": _holder(record.old),
        "new": _holder(record.new),
        "conflicts": record.conflicts,
        "regenerated": record.regenerated,
        "revokedFirst": record.revoked_first,
        "trouble": {
            "reason": trouble.reason, "since": instant(trouble.since), "tries": trouble.tries, "told": trouble.told,
            "detail": trouble.detail,
        } if trouble else None,
        "orphans": [_holder(one) for one in record.orphans],
        "following": {"policy": following.policy, "by": following.by} if following else None,
        "ending": record.ending,
        "evidence": record.evidence,
        "evidencedSince": instant(record.evidenced),
        "proof": record.proof,
        "nextLook": instant(record.due),
    }  # fmt: skip


def _holder(holder: Holder | None) -> Document | None:
    if holder is None:
        return None
    return {"account": holder.account, "id": holder.id, "version": version(holder.version)}
