"""GET status: every wired secret, and what is around them."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from events.references import ManifestRef, PathRef
from functions._standing import Standing
from infra.broker.records import Said
from infra.hosts.control import surroundings
from infra.hosts.control.arguments import choice_if_any, known_of_all, optional_text, ports_of, records_of
from infra.hosts.control.documents import Document, instant, trouble, version
from infra.hosts.control.request import Arguments
from infra.hosts.local.instance import Parts
from infra.hosts.views.choice import Choice
from infra.hosts.views.explaining import KnownTroubles
from infra.hosts.views.pipeline import ConsumerState, PathState
from infra.hosts.views.place import Place
from infra.hosts.views.rotations import RotationState, of_path
from infra.hosts.views.standing import Standings, says, standings_of
from infra.hosts.views.trouble import Troubles, moment

_STEP = "step:"


class Saying(Protocol):
    """What was last said of a subject (infra.hosts.evidence.Whereabouts)."""

    def newest(self, subjects: Iterable[str], types: Sequence[str] = (), by: str = "") -> dict[str, Said]: ...


class Explained(KnownTroubles, Protocol):
    """What the broker could not deliver, and who else claims a path (views.trouble)."""

    def conflict(self, path: PathRef, producer: ManifestRef | None) -> str: ...


def status(parts: Parts, arguments: Arguments, by: str) -> Document:
    """`names` and `namespace` narrow it; `inStep` speaks of what is shown. Workloads are asked for where it is
    narrowed, or where `wide`."""
    namespace = optional_text(arguments, "namespace")
    found = choice_if_any(arguments, parts, known_of_all)
    troubles = Troubles(parts.evidence)
    wired = surroundings.wiring(parts.wiring, parts.publications.read, namespace, found.hindrances)
    named = bool(arguments.get("names"))
    asked = bool(named or namespace or arguments.get("wide"))
    workloads = standings_of(parts.platform, ports_of(parts)) if asked else None
    rotating = _rotating(parts)
    access = surroundings.access(parts.access, Place.of(parts.platform, parts.root))
    return {
        "at": instant(datetime.now(UTC)),
        "root": str(parts.root),
        "platform": parts.platform.title,
        "unknown": found.unknown,
        "inStep": in_step(found, [] if named else [*wired["problems"], access["problem"]]),
        "secrets": [
            {**secret(parts.evidence.whereabouts, state, troubles, workloads), "rotation": rotating(state.path)}
            for state in found.states()
        ],
        "authority": surroundings.authority(parts),
        "access": access,
        "broker": surroundings.broker(parts),
        "ledger": surroundings.ledger(parts),
        "suspensions": surroundings.suspensions(parts.suspensions),
        "tombstones": surroundings.tombstones(parts),
        "wiring": wired,
        "notices": list(parts.notices),
    }


def _rotating(parts: Parts) -> Callable[[PathRef], Document | None]:
    """How the rotation of a path stands, in short; its records are not asked for while the authority is away."""
    records = records_of(parts) if parts.authority.gate.ready() else None

    def rotating(path: PathRef) -> Document | None:
        return rotation_in_short(of_path(path, parts.lookups, records) if records is not None else None)

    return rotating


def rotation_in_short(state: RotationState | None) -> Document | None:
    """How a rotation stands; null where there is none, or nothing is known of it."""
    if state is None:
        return None
    return {
        "name": f"{state.manifest.namespace}/{state.manifest.name}", "phase": state.phase,
        "underWay": state.under_way, "due": instant(state.due), "trouble": state.trouble,
    }  # fmt: skip


def in_step(found: Choice, wrong: Sequence[object]) -> bool:
    """Whether all of it is, nothing hinders it, and nothing else that is shown beside it is `wrong`."""
    return not (found.unknown or found.hindrances or any(wrong)) and all(state.in_step for state in found.states())


def secret(said_of: Saying, state: PathState, troubles: Explained, workloads: Standings | None) -> Document:
    """One path with its consumers, and their workloads where those are asked for."""
    subjects = [state.path.subject, *(each.target.subject for each in state.consumers)]
    said = said_of.newest(subjects, by=_STEP)
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
        "consumers": [
            {**_consumer(each, state.path, said.get(each.target.subject), troubles), **_workloads(each, workloads)}
            for each in state.consumers
        ],
    }


def _wrong(state: PathState, troubles: Explained) -> str:
    if not state.wrong:
        return ""
    if state.suspended:
        return f"{state.wrong} (suspended: {state.suspended})"
    conflict = troubles.conflict(state.path, state.producer)
    return f"{state.wrong}: {conflict}" if conflict else state.wrong


def _consumer(state: ConsumerState, path: PathRef, said: Said | None, troubles: Explained) -> Document:
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


def _workloads(state: ConsumerState, asked: Standings | None) -> Document:
    """`workloads` is null where they were not asked for, or could not be told (`workloadsUnknown`)."""
    stood = asked.of(state.target) if asked is not None and state.version is not None else None
    if stood is None or stood.unknown:
        return {"workloads": None, "workloadsUnknown": stood.unknown if stood else ""}
    return {"workloads": [_workload(one) for one in stood.workloads], "workloadsUnknown": ""}


def _workload(one: Standing) -> Document:
    return {
        "workload": str(one.workload),
        "state": one.state,
        "evidence": one.evidence,
        "reason": one.reason,
        "says": says(one),
        "uses": list(one.uses),
        "pods": one.pods,
        "older": one.older,
        "restarts": one.restarts,
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
