"""GET leaks, GET leaks/show, POST leak/report, POST leak/decide: findings, and what operators say of them."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from events.event import Event
from events.leak import LeakReported, TriageRequested
from events.references import PathRef
from functions._leak_mapping import wired
from functions._leak_standing import stands
from functions._leaks import Leak
from functions._ports import Ports
from functions._values import SecretValue
from infra.hosts.control import fingerprinting
from infra.hosts.control.arguments import optional_text, ports_of, text
from infra.hosts.control.documents import Document, instant
from infra.hosts.control.ordering import give
from infra.hosts.control.request import Arguments, ControlError
from infra.hosts.local.instance import Parts
from infra.hosts.views.near import near
from infra.hosts.views.selection import path_named

MOST = 1000  # findings of one report
_MEMBERS = {"detector", "place", "path", "key", "version", "fingerprint", "value"}
_DECISIONS = ("confirm", "dismiss", "attest")


@dataclass(frozen=True, slots=True)
class _Said:
    """Who reports how, when, and until when that holds."""

    by: str
    via: str
    now: datetime
    lifetime: timedelta


def leaks(parts: Parts, arguments: Arguments, by: str) -> Document:
    """All findings, newest first; with `state` those in it."""
    return listed(ports_of(parts)("triage"), optional_text(arguments, "state"))


def listed(ports: Ports, state: str | None) -> Document:
    """As `leaks`, for whoever has triage's ports."""
    found = [leak for leak in _all(ports) if state in (None, leak.state)]
    return {"leaks": [_line(leak, ports) for leak in sorted(found, key=lambda leak: leak.received, reverse=True)]}


def show(parts: Parts, arguments: Arguments, by: str) -> Document:
    """One finding, whole: its timeline, what it touches, what containment waits for. Never a value."""
    return shown(ports_of(parts)("triage"), text(arguments, "leak"))


def shown(ports: Ports, named: str) -> Document:
    """As `show`, for whoever has triage's ports. Raises ControlError 404."""
    leak = _found(ports, named)
    return {
        **_line(leak, ports),
        "place": leak.place, "key": leak.key, "version": leak.version, "fingerprint": leak.fingerprint,
        "path": str(leak.path) if leak.path else None, "match": leak.match, "decidedBy": leak.decided_by,
        "attestedBy": leak.attested_by, "resolved": instant(leak.resolved),
        "exposures": [
            {
                "path": str(one.path), "key": one.key, "version": one.version.number,
                "standing": stands(one, leak, ports),
            }
            for one in leak.exposures
        ],
        "consumers": list(leak.consumers), "missing": list(leak.missing), "joined": list(leak.joined),
        "timeline": [
            {
                "at": instant(one.at), "after": (one.at - leak.received).total_seconds(), "what": one.what,
                "by": one.by, "detail": one.detail,
            }
            for one in leak.timeline
        ],
    }  # fmt: skip


def report(parts: Parts, arguments: Arguments, by: str) -> Document:
    """Report `findings`; those with a `value` (base64) are fingerprinted here, on record, and go on without it.

    A path that no manifest names is a slip of the hand unless `force` says otherwise. That is for who may list paths
    anyway: reporters from elsewhere come another way, and are answered alike.
    """
    findings = arguments.get("findings")
    if not isinstance(findings, list) or not 1 <= len(findings) <= MOST:
        raise ControlError(400, f"`findings` is no list of 1 to {MOST} findings")
    via = optional_text(arguments, "via") or "operator"
    if arguments.get("force") is not True:
        refuse_unwired(_named(findings, parts), ports_of(parts)("triage"))
    prints = _prints(parts, findings, by)
    said = _Said(by, via, datetime.now(UTC), timedelta(seconds=parts.shared.settings.order_lifetime))
    events: dict[str, Event] = {}
    skipped = 0
    for finding, made in zip(findings, prints, strict=True):
        if made is None and "value" in finding:
            skipped += 1  # guessable: it would point at half of everything
            continue
        event = _event(finding, made, said, parts)
        events.setdefault(event.leak, event)
    give(parts, events.values(), by)
    return {"leaks": list(events), "skipped": skipped}


def decide(parts: Parts, arguments: Arguments, by: str) -> Document:
    """Order triage to confirm, dismiss or attest `leak`."""
    leak = _found(ports_of(parts)("triage"), text(arguments, "leak"))
    decision, named = text(arguments, "decision"), optional_text(arguments, "path")
    if decision not in _DECISIONS:
        raise ControlError(400, f"`decision` is one of {', '.join(_DECISIONS)}")
    order = _valid(
        TriageRequested,
        leak=leak.id, decision=decision, by=by, reason=text(arguments, "reason"),
        path=_path(named, parts) if named else None, key=optional_text(arguments, "key"),
        expires=datetime.now(UTC) + timedelta(seconds=parts.shared.settings.order_lifetime),
    )  # fmt: skip
    (sequence,) = give(parts, (order,), by)
    return {"leak": leak.id, "sequence": sequence}


def _found(ports: Ports, named: str) -> Leak:
    """The finding of this id, or of these first letters of it; of one that joined another: that one."""
    fitting = [one for one in ports.leaks.ids() if one.startswith(named)] if len(named) >= 4 else []
    if len(fitting) > 1:
        raise ControlError(404, f"{named!r} begins the ids of {len(fitting)} leaks; give more of it")
    leak = ports.leaks.read(fitting[0]) if fitting else None
    if leak is None and len(named) >= 4:
        leak = next((one for one in _all(ports) if any(each.startswith(named) for each in one.joined)), None)
    if leak is None:
        raise ControlError(404, f"there is no leak {named[:64]!r}; `lockstep leak list` shows them")
    return leak


def _all(ports: Ports) -> Iterator[Leak]:
    return (leak for leak in map(ports.leaks.read, ports.leaks.ids()) if leak is not None)


def refuse_unwired(paths: Iterable[PathRef], ports: Ports) -> None:
    """Raises ControlError 404 for a path that nothing wires, with those that are written nearly alike."""
    for path in paths:
        if not wired(path, ports):
            alike = near(path, ports.wiring)
            also = f"; near: {', '.join(alike)}" if alike else "; `lockstep status` lists what is"
            raise ControlError(404, f"nothing that is wired is called {path}{also}. --force reports it all the same")


def _named(findings: list[Any], parts: Parts) -> Iterator[PathRef]:
    return (_path(one["path"], parts) for one in findings if isinstance(one, dict) and one.get("path") is not None)


def _prints(parts: Parts, findings: list[Any], by: str) -> list[str | None]:
    if not all(isinstance(one, dict) and one.keys() <= _MEMBERS for one in findings):
        raise ControlError(400, f"a finding has {', '.join(sorted(_MEMBERS))}, and nothing else")
    values = [one["value"] for one in findings if "value" in one]
    if not values:
        return [None] * len(findings)
    decoded: list[SecretValue] = fingerprinting.decoded(values)
    fingerprinting.record(parts, by, "report", len(decoded))
    made = iter(fingerprinting.made(parts, decoded))
    return [next(made) if "value" in one else None for one in findings]


def _event(finding: dict[str, Any], made: str | None, said: _Said, parts: Parts) -> LeakReported:
    named = finding.get("path")
    members = {name: finding.get(name) for name in ("detector", "place", "key", "version", "fingerprint")}
    members["fingerprint"] = made or members["fingerprint"]
    # One value is one finding, wherever it was seen; what is named by its path alone is another one each time.
    which = f"{named} {members['key']} {members['version']}" if named is not None else ""
    about = f"{members['fingerprint']} {which}".strip() if members["fingerprint"] else f"{which} {said.now.isoformat()}"
    event: LeakReported = _valid(
        LeakReported,
        leak=hashlib.sha256(f"{said.via} {about}".encode()).hexdigest()[:32], reporter=said.by, via=said.via,
        noticed=said.now, path=_path(named, parts) if named is not None else None, expires=said.now + said.lifetime,
        reason=f"reported by {said.by}", **{name: value for name, value in members.items() if value is not None},
    )  # fmt: skip
    return event


def _path(named: object, parts: Parts) -> PathRef:
    path = path_named(named, parts.wiring) if isinstance(named, str) else None
    if path is None:
        raise ControlError(400, "a path is MOUNT/PATH, as `lockstep status` shows it")
    return path


def _valid(model: type[Any], **members: Any) -> Any:
    try:
        return model.model_validate(members)
    except ValidationError as error:
        member = ".".join(str(part) for part in error.errors(include_url=False, include_input=False)[0]["loc"])
        raise ControlError(
            400, f"`{member}` of the finding is not as it must be; see `lockstep leak report --help`"
        ) from None


def _line(leak: Leak, ports: Ports) -> Document:
    """`stopped`: how a rotation of it ended that nobody goes on with by itself: failed or aborted."""
    found = {stands(one, leak, ports) for one in leak.exposures} if leak.state == "confirmed" else set()
    stopped = next((how for how in ("aborted", "failed") if how in found), "")
    contained = (leak.contained - leak.received).total_seconds() if leak.contained else None
    return {
        "id": leak.id, "state": leak.state, "held": leak.held, "dismissed": leak.dismissed, "stopped": stopped,
        "detector": leak.detector,
        "via": leak.via, "reporters": list(leak.reporters), "noticed": instant(leak.noticed),
        "received": instant(leak.received), "paths": [str(path) for path in leak.paths],
        "contained": instant(leak.contained), "secondsToContain": contained,
    }  # fmt: skip
