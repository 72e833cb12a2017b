"""GET adoption, POST adopt, GET outcome: taking over a path from whoever holds it, seen first and on record."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from events.claim import ClaimRequested, ClaimTaken
from events.envelope import read
from events.errors import EventError
from events.references import ManifestRef, PathRef, Version
from events.secret import SecretPublished
from functions._failures import StepFailure
from functions._ports import Claim, StoredSecret
from functions._sourcing import sourced
from infra.broker.records import Trace
from infra.hosts.control.arguments import ports_of, seconds, text, whole
from infra.hosts.control.documents import Document, version
from infra.hosts.control.ordering import give
from infra.hosts.control.reconciling import LONGEST
from infra.hosts.control.request import Arguments, ControlError
from infra.hosts.local.instance import Parts
from infra.hosts.views.changes import KeyChanges, compare
from infra.hosts.views.rehearsal import Rehearsal


@dataclass(frozen=True, slots=True)
class _Asked:
    """Which path, and the PushSecret that is to have it."""

    path: PathRef
    claimant: ManifestRef


def adoption(parts: Parts, arguments: Arguments, by: str) -> Document:
    """What adopting would do: who holds the path now, which keys would differ, and whether it would be refused."""
    asked = _asked(parts, arguments)
    try:
        stored, claim, keys, source_wrong = _compared(parts, asked)
    except StepFailure as failure:
        raise ControlError(503, failure.reason) from None
    order = _order(parts, asked, claim.epoch if claim else 0, stored.version if stored else None, by)
    rehearsal = Rehearsal(ports_of(parts))
    rehearsal.tell(order)
    refusal = source_wrong or next((one.reason for one in rehearsal.blocked if one.step == "publish"), "")
    return {
        "path": str(asked.path),
        "by": str(asked.claimant),
        "owner": _owner(claim),
        "epoch": claim.epoch if claim else 0,
        "base": version(stored.version if stored else None),
        "held": bool(
            claim
            and claim.state == "active"
            and (claim.owner, claim.cluster) == (str(asked.claimant), parts.configuration.cluster)
        ),
        "keys": {
            "added": list(keys.added), "differ": list(keys.changed),
            "same": list(keys.same), "dropped": list(keys.removed),
        },
        "refused": refusal,
    }  # fmt: skip


def adopt(parts: Parts, arguments: Arguments, by: str) -> Document:
    """Order it, against the `epoch` and `base` (number and created) that were shown: what moved since refuses it."""
    asked = _asked(parts, arguments)
    base = arguments.get("base")
    try:
        seen = Version.model_validate(base) if base is not None else None
        order = _order(parts, asked, whole(arguments, "epoch"), seen, by)
    except ValidationError:
        raise ControlError(400, "`base` is {number, created} as `adoption` answered, or null") from None
    return {"sequence": give(parts, [order], by)[0]}


def outcome(parts: Parts, arguments: Arguments, by: str) -> Document:
    """What became of the order of a `sequence`; waits up to `seconds` for it."""
    sequence, budget = whole(arguments, "sequence"), seconds(arguments, "seconds", LONGEST)
    position = parts.evidence.whereabouts.position()
    found = _outcome(parts, sequence)
    if found["state"] == "pending" and budget:
        parts.evidence.timeline.follow(position, budget, limit=1)
        found = _outcome(parts, sequence)
    return found


def _outcome(parts: Parts, sequence: int) -> Document:
    trace = parts.evidence.timeline.trace(sequence)
    if trace is None:
        raise ControlError(404, f"there is no event {sequence}; `lockstep events` shows what there is")
    last = next((line for line in reversed(trace.lines) if line.route), None)
    state = "pending" if trace.open else (last.outcome if last else "delivered")
    following = _following(parts, trace) if state == "delivered" else {}
    return {
        "state": state,
        "reason": (last.reason or "") if last else "",
        "attempts": last.attempts if last else 0,
        **following,
    }


def _following(parts: Parts, trace: Trace) -> Document:
    """What the step said when it carried the order out."""
    caused = parts.evidence.timeline.traces(correlation=trace.event.correlation, limit=100)
    events = parts.evidence.whereabouts.events(one.event.sequence for one in caused)
    found: Document = {"claimed": None, "published": None, "correlation": trace.event.correlation}
    for wire in events.values():
        try:
            event = read(wire).event
        except EventError:
            continue
        if isinstance(event, ClaimTaken):
            found["claimed"] = {"owner": str(event.owner), "epoch": event.epoch, "by": event.by}
        elif isinstance(event, SecretPublished):
            found["published"] = {**(version(event.version) or {}), "outcome": event.outcome}
    return found


def _asked(parts: Parts, arguments: Arguments) -> _Asked:
    claimant = text(arguments, "by")
    namespace, _, name = claimant.partition("/")
    try:
        ref = ManifestRef(kind="PushSecret", namespace=namespace, name=name)
    except ValidationError:
        raise ControlError(400, f"{claimant[:80]} is no NAMESPACE/NAME of a PushSecret") from None
    push = parts.wiring.push_secret(ref)
    if push is None:
        raise ControlError(404, f"{ref} is not wired; write it below {parts.root}/wiring first")
    if problem := parts.wiring.problem(ref):
        raise ControlError(409, f"{ref}: {problem}")
    wanted = text(arguments, "path")
    for path in push.entries(parts.wiring.mount):
        if wanted in (str(path), path.path):
            return _Asked(path, ref)
    known = ", ".join(str(path) for path in push.entries(parts.wiring.mount))
    raise ControlError(404, f"{ref} does not publish {wanted[:200]}; it publishes {known}")


def _compared(parts: Parts, asked: _Asked) -> tuple[StoredSecret | None, Claim | None, KeyChanges, str]:
    """What the path holds, who claims it, the difference to the source by key names, and what is wrong with that."""
    ports = ports_of(parts)("publish")
    stored, claim = ports.authority.read(asked.path), ports.claims.read(asked.path)
    push = parts.wiring.push_secret(asked.claimant)
    entries = push.entries(parts.wiring.mount)[asked.path] if push else ()
    wrong, content = "", None
    try:
        source = sourced(push, asked.path, entries, ports) if push else None
        content = source.content if source else None
    except StepFailure as failure:
        wrong = failure.reason
    return stored, claim, compare(stored.data if stored else None, content or {}), wrong


def _order(parts: Parts, asked: _Asked, epoch: int, base: Version | None, by: str) -> ClaimRequested:
    return ClaimRequested(
        path=asked.path,
        claimant=asked.claimant,
        epoch=epoch,
        base=base,
        by=by,
        expires=datetime.now(UTC) + timedelta(seconds=parts.shared.settings.order_lifetime),
        reason=f"adopted by {by}",
    )


def _owner(claim: Claim | None) -> Document | None:
    if claim is None:
        return None
    return {
        "owner": claim.owner,
        "cluster": claim.cluster,
        "origin": claim.origin,
        "state": claim.state,
        "epoch": claim.epoch,
        "properties": list(claim.properties),
    }
