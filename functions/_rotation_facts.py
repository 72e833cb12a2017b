"""What is told of a rotation, made from its record alone: a repetition is the same fact."""

from typing import Any, Literal, cast

from events.event import Event
from events.rotated import (
    RotationApplied,
    RotationCompleted,
    RotationFailed,
    RotationPromoted,
    RotationRevoked,
    RotationStaged,
    RotationVerified,
)
from events.rotation import StepName
from functions._rotations import ENDED, Phase, Record

Holds = Literal["old", "new", "both", "unknown"]

TOLD = frozenset(
    {
        "target-unavailable", "target-refused", "admin-refused", "not-accepted", "conflict", "claim-lost",
        "staged-lost", "no-evidence", "still-accepted", "suspended", "not-allowed", "aborted", "overdue",
        "revoked-value",
    }
)  # fmt: skip
"""The reasons that somebody is told of; a window, a budget and a breaker are waited for in silence."""

MOST_DETAIL = 300  # characters of what a step says of its trouble

_TURNS: dict[Phase, StepName] = {
    "requested": "create",
    "staged": "apply",
    "applied": "verify",
    "verified": "promote",
    "promoting": "promote",
    "promoted": "revoke",
    "aborting": "apply",
    "withdrawing": "revoke",
}
_HOLDS: dict[Holds, str] = {
    "old": "the old credential works",
    "new": "the new credential works",
    "both": "the old and the new credential work",
    "unknown": "whether a credential works is not known",
}
_ADVICE: dict[str, str] = {
    "target-unavailable": "it is tried again; see whether the target is up and reachable",
    "target-refused": "the target's policy took no value; set spec.generator to what it takes, then rotate again",
    "admin-refused": "it is tried again; give the target's admin credential the rights that docs/targets.md lists",
    "not-accepted": "see whether the account may log in at the target at all, then rotate again",
    "conflict": "somebody else keeps writing the path; find them (`lockstep audit`), then rotate again",
    "claim-lost": "somebody else took the path over; remove the Rotation, or let its owner give the path up",
    "staged-lost": "somebody removed what was staged; find them, then rotate again",
    "no-evidence": "the old credential is kept until these consumers move; restart them, or correct them",
    "still-accepted": "it is tried again; end the old credential at the target by hand if it must be dead now",
    "suspended": "it goes on when it is resumed (`lockstep resume`)",
    "not-allowed": "correct the manifest or the policy that it names",
    "aborted": "rotate again when it is wanted",
    "revoked-value": "see what leaked beside the credential (`lockstep leak list`), as it is never written again",
    "overdue": "see what it waits for (`lockstep rotation show`)",
}
_ENDINGS: dict[str, str] = {
    "target-refused": "the target refused two values by its policy",
    "not-accepted": "the target was told of the new credential and does not accept it; it was taken back",
    "conflict": "the path kept changing between verification and promotion",
    "claim-lost": "the path belongs to somebody else now",
    "staged-lost": "what was staged is gone or was replaced, so nobody knows what the target was told",
    "not-allowed": "its Rotation went, names another target or account now, or does not fit what the path holds",
    "aborted": "it was given up by order",
    "revoked-value": "what was staged holds a value that was revoked meanwhile, beside the new credential",
}


def turn_of(record: Record) -> StepName:
    """Whose turn it is. Of one that ended: who looks at it next."""
    if awaits_revocation(record):
        return "revoke"
    if record.phase in ENDED:
        return "create" if record.told and not record.orphans else "revoke"
    return _TURNS[record.phase]


def awaits_revocation(record: Record) -> bool:
    """Whether the old credential is to die before anything else happens, as its owner opted in to."""
    if record.policy != "leak" or record.terms.leak.response != "revoke-first" or record.revoked_first:
        return False
    return record.phase in ("requested", "staged", "applied", "verified")


def fact(record: Record) -> Event | None:
    """What tells of the phase that the record is in; None for the phases that nobody is told of."""
    said = _said(record)
    if record.phase == "staged":
        return RotationStaged.model_validate(said)
    if record.phase == "applied":
        return RotationApplied.model_validate(said)
    if record.phase in ("verified", "promoting"):
        return RotationVerified.model_validate(said)
    if record.phase in ("promoted", "completed"):
        return RotationPromoted.model_validate({**said, "version": record.promoted})
    return None


def end(record: Record) -> tuple[Event, ...]:
    """What tells of a rotation that ended."""
    said = _said(record)
    if record.phase == "completed":
        proven = {**said, "evidence": record.evidence or "none", "proof": record.proof or "replaced"}
        old = record.old
        revoked = (RotationRevoked.model_validate({**proven, "revoked": old.version}),) if old is not None else ()
        return (*revoked, RotationCompleted.model_validate({**said, "version": record.promoted}))
    step, _, reason = record.ending.partition(":")
    return (failed(record, cast("StepName", step), reason, _ENDINGS[reason], ended=True),)


def failed(record: Record, step: StepName, reason: str, detail: str, *, ended: bool) -> RotationFailed:
    """Why a step could not do its part: which step, why, what holds now, what to do."""
    holds = holding(record)
    parts = (f"{step} of {record.path}: {detail or reason}"[:MOST_DETAIL], _HOLDS[holds], _ADVICE[reason])
    fields: dict[str, Any] = {
        **_said(record), "step": step, "reason": reason, "holds": holds, "ended": ended,
        "explanation": "; ".join(parts)[:512],
    }  # fmt: skip
    return RotationFailed.model_validate(fields)


def overwritten(record: Record) -> bool:
    """Whether the provider holds one credential of an account alone (it has no id), and made another: no way back."""
    made = record.phase in ("applied", "verified") or record.ending.startswith("verify:")
    return made and record.terms.strategy == "minted" and record.new is not None and not record.new.id


def advice(reason: str) -> str:
    """What to do about a reason; "" for those that pass by themselves."""
    return _ADVICE.get(reason, "")


def holding(record: Record) -> Holds:
    """Which credential works now, as far as the record tells."""
    holds = _holding(record)
    if record.old is not None or record.base is not None:
        return holds
    return "new" if holds in ("new", "both") else "unknown"  # a path's first rotation: there is no old one


def _holding(record: Record) -> Holds:
    if record.phase == "promoted" and record.trouble is not None and record.trouble.reason == "not-accepted":
        return "unknown" if record.terms.strategy == "single" else "old"
    if overwritten(record):
        return "unknown" if record.ending else "new"
    if record.phase in ("promoted", "completed"):
        return "new" if record.phase == "completed" or record.terms.strategy == "single" else "both"
    if record.revoked_first:
        return "unknown" if record.phase in ("requested", "staged", *ENDED) else "new"
    if record.phase in ENDED or record.new is None:
        return "old"
    if record.terms.strategy == "single":
        return "new" if record.phase in ("applied", "verified", "promoting") else "unknown"
    return "both" if record.phase in ("applied", "verified", "promoting") else "old"


def _said(record: Record) -> dict[str, Any]:
    return {
        "path": record.path, "rotation": record.id, "manifest": record.manifest, "policy": record.policy,
        "base": record.base,
    }  # fmt: skip
