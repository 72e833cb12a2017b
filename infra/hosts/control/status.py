"""GET status: every wired secret, and what is around them."""

from datetime import UTC, datetime

from events.references import PathRef
from infra.broker.records import Said
from infra.hosts.control import surroundings
from infra.hosts.control.arguments import lookups, lookups_of_all, optional_text, selections
from infra.hosts.control.documents import Document, instant, trouble, version
from infra.hosts.control.request import Arguments
from infra.hosts.local.instance import Parts
from infra.hosts.views.pipeline import ConsumerState, PathState
from infra.hosts.views.selection import everything, states
from infra.hosts.views.trouble import Troubles, moment

_STEP = "step:"


def status(parts: Parts, arguments: Arguments, by: str) -> Document:
    """`names` and `namespace` narrow it; `inStep` speaks of what is shown."""
    namespace = optional_text(arguments, "namespace")
    found = _found(parts, arguments, namespace)
    troubles = Troubles(parts.evidence)
    wired = surroundings.wiring(parts, namespace)
    named = bool(arguments.get("names"))
    broken = [] if named else [*wired["problems"], *(one for one in wired["findings"] if one["severity"] == "error")]
    return {
        "at": instant(datetime.now(UTC)),
        "root": str(parts.root),
        "inStep": not broken and all(state.in_step for state in found),
        "secrets": [secret(parts, state, troubles) for state in found],
        "authority": surroundings.authority(parts),
        "access": surroundings.access(parts),
        "broker": surroundings.broker(parts),
        "ledger": surroundings.ledger(parts),
        "suspensions": surroundings.suspensions(parts),
        "tombstones": surroundings.tombstones(parts),
        "wiring": wired,
        "notices": list(parts.notices),
    }


def _found(parts: Parts, arguments: Arguments, namespace: str | None) -> tuple[PathState, ...]:
    if not arguments.get("names"):
        return everything(namespace, lookups_of_all(parts))
    chosen = selections(arguments, parts)
    asked = lookups(parts)
    return tuple({state.path: state for one in chosen for state in states(one, asked)}.values())


def secret(parts: Parts, state: PathState, troubles: Troubles) -> Document:
    """One path with its consumers."""
    subjects = [state.path.subject, *(each.target.subject for each in state.consumers)]
    said = parts.evidence.whereabouts.newest(subjects, by=_STEP)
    newest = max(said.values(), key=lambda one: one.sequence, default=None)
    return {
        "path": str(state.path),
        "class": state.classification,
        "origin": state.origin,
        "sources": [str(ref) for ref in state.sources],
        "version": version(state.version),
        "inStep": state.in_step,
        "wrong": _wrong(state, troubles),
        "suspended": state.suspended,
        "trouble": trouble(troubles.of_path(state)) if state.wrong else None,
        "lastStep": last_step(newest),
        "consumers": [_consumer(each, state.path, said.get(each.target.subject), troubles) for each in state.consumers],
    }


def _wrong(state: PathState, troubles: Troubles) -> str:
    if not state.wrong:
        return ""
    if state.suspended:
        return f"{state.wrong} (suspended: {state.suspended})"
    conflict = troubles.conflict(state.path)
    return f"{state.wrong}: {conflict}" if conflict else state.wrong


def _consumer(state: ConsumerState, path: PathRef, said: Said | None, troubles: Troubles) -> Document:
    wrong = state.wrong
    if wrong and state.suspended:
        wrong = f"{wrong} (suspended: {state.suspended})"
    return {
        "secret": str(state.target),
        "manifest": str(state.manifest),
        "version": version(state.version),
        "inStep": state.in_step,
        "wrong": wrong,
        "suspended": state.suspended,
        "trouble": trouble(troubles.of_consumer(path, state)) if state.wrong else None,
        "lastStep": last_step(said),
    }


def last_step(said: Said | None) -> Document | None:
    """The newest thing that a step said of it."""
    if said is None:
        return None
    return {
        "step": said.principal.removeprefix(_STEP),
        "event": said.type.removeprefix("dev.lockstep."),
        "at": instant(moment(said.at)),
    }
