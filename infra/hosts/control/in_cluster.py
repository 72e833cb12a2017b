"""Questions that a cluster answers without its broker: the same documents, with null for what only the broker knows."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from events.references import ManifestRef, PathRef
from infra.broker.records import Said
from infra.hosts.checks.elsewhere import view_checks
from infra.hosts.control import leaking, surroundings
from infra.hosts.control.arguments import known_choice
from infra.hosts.control.diffing import differences
from infra.hosts.control.documents import Document, instant
from infra.hosts.control.explaining import explained, rehearsing
from infra.hosts.control.reconciling import waiting_for
from infra.hosts.control.request import ControlError
from infra.hosts.control.status import in_step, rotation_in_short, secret
from infra.hosts.views.choice import Choice, named, wired
from infra.hosts.views.cluster import NO_AUTHORITY, ClusterView
from infra.hosts.views.explaining import Explainer, Setting
from infra.hosts.views.moment import at_once
from infra.hosts.views.pipeline import ConsumerState, Lookups, PathState, path_state
from infra.hosts.views.place import Place
from infra.hosts.views.rotations import RotationState, of_path
from infra.hosts.views.selection import UnknownName, select
from infra.hosts.views.standing import Standings
from infra.hosts.views.trouble import Trouble
from infra.hosts.views.written import position_in

_LOOK = 0.5  # seconds between two looks at a cluster
_ORDERS_LAST = timedelta(minutes=5)  # those that are rehearsed
Question = Callable[[ClusterView], Document]


def status(names: Sequence[str], namespace: str | None, *, wide: bool) -> Question:
    """As the running instance answers it; `authority`, `broker`, `ledger` and `tombstones` are null where unknown."""

    def answer(view: ClusterView) -> Document:
        found = _choice(view, view.lookups(), names, namespace)
        rotated = _rotated(view)
        workloads = Standings(view.ports("adopted")) if names or namespace or wide else None
        wiring = surroundings.wiring(view.wiring, view.publications.read, namespace, found.hindrances)
        access = surroundings.access(view.access, _place(view))
        return {
            "at": instant(datetime.now(UTC)),
            "root": None,
            "platform": view.title,
            "unknown": found.unknown,
            "inStep": in_step(found, [] if names else [*wiring["problems"], access["problem"]]),
            "secrets": [
                {**secret(_Unheard(), state, _Unheard(), workloads), "rotation": rotation_in_short(rotated(state.path))}
                for state in found.states()
            ],
            "authority": _authority(view),
            "access": access,
            "broker": None,
            "ledger": None,
            "suspensions": surroundings.suspensions(view.suspensions),
            "tombstones": None,
            "wiring": wiring,
            "notices": [],
        }

    return answer


def explain(name: str, namespace: str | None) -> Question:
    """As the running instance answers it, without what the broker could not deliver."""

    def answer(view: ClusterView) -> Document:
        asked = view.lookups()
        try:
            selection = select(name, namespace, asked)
        except UnknownName as unknown:
            raise ControlError(404, str(unknown)) from None
        explainer = Explainer(asked, _Unheard(), _setting(view), rehearsing(view.ports))
        return explained(name, selection, asked, explainer, probe=0.0)

    return answer


def diff(names: Sequence[str], namespace: str | None) -> Question:
    """What the steps would change, had every store been handed over: so `observe` is looked through.

    Retractions are left to the running instance. 503 where no authority is given, or it does not serve.
    """

    def answer(view: ClusterView) -> Document:
        reason = NO_AUTHORITY if view.authority is None else view.authority.gate.health().reason
        if reason:
            raise ControlError(503, f"{reason}; without it nothing can be compared")
        asked = replace(view.lookups(), wiring=view.as_if_ours())
        return differences(
            lambda name: replace(view.ports(name), wiring=asked.wiring),
            known_choice(_choice(view, asked, names, namespace)),
            lambda path: path_state(path, asked), _ORDERS_LAST, everything=False,
        )  # fmt: skip

    return answer


def check() -> Question:
    """What can be looked at without the broker; each check as the running instance makes it."""

    def answer(view: ClusterView) -> Document:
        found = list(view_checks(view))
        return {"checks": [asdict(one) for one in found], "passed": all(one.status != "fail" for one in found)}

    return answer


def wait(
    names: Sequence[str], namespace: str | None, *, version: int, timeout: float, tell: Callable[[Document], None]
) -> Question:
    """Look until what is chosen is in step, or carries at least `version`; as the instance's `wait` answers.

    `tell` hears of each look that finds something to wait for. The answer after `timeout` seconds is the last look.
    """

    def answer(view: ClusterView) -> Document:
        end = time.monotonic() + timeout
        while True:
            waiting = list(waiting_for(known_choice(_choice(view, view.lookups(), names, namespace)), version))
            found: Document = {"done": not waiting, "waitingFor": waiting, "pendingOrders": 0, "givenUp": []}
            if not waiting or time.monotonic() >= end:
                return found
            tell(found)
            time.sleep(max(0.0, min(_LOOK, end - time.monotonic())))
            view.look_again()

    return answer


def leaks(state: str | None) -> Question:
    """As the running instance lists them. 503 where no authority is given, or it does not serve."""

    def answer(view: ClusterView) -> Document:
        return leaking.listed(view.ports("triage"), state)

    return answer


def leak(named: str) -> Question:
    """One, as the running instance shows it; 503 as for `leaks`."""

    def answer(view: ClusterView) -> Document:
        return leaking.shown(view.ports("triage"), named)

    return answer


def _choice(view: ClusterView, asked: Lookups, names: Sequence[str], namespace: str | None) -> Choice:
    try:
        if names:
            return named(names, namespace, asked)
        return wired(namespace, at_once(asked, view.publications, view.suspensions))
    except UnknownName as unknown:
        raise ControlError(404, str(unknown)) from None


def _place(view: ClusterView) -> Place:
    return Place(Path(), view.api)


def _setting(view: ClusterView) -> Setting:
    seen = view.authority
    reason = NO_AUTHORITY if seen is None else seen.gate.health().reason
    revive = "give the authority, then ask again" if seen is None else f"see why {seen.settings.address} does not serve"
    return Setting(
        place=_place(view), authority=reason, revive=(revive,), expires=datetime.now(UTC) + _ORDERS_LAST,
        where=position_in(view.wiring.snapshot()), workloads=Standings(view.ports("adopted")), rotation=_rotated(view),
    )  # fmt: skip


def _rotated(view: ClusterView) -> Callable[[PathRef], RotationState | None]:
    """How the rotation of a path stands; nothing where the authority, which has the records, is not asked."""
    if view.authority is None or view.authority.gate.health().reason:
        return lambda _: None
    asked, records = view.lookups(), view.ports("sweep").rotations
    return lambda path: of_path(path, asked, records)


def _authority(view: ClusterView) -> Document | None:
    if view.authority is None:
        return None
    health = view.authority.gate.health()
    return {
        "address": view.authority.settings.address,
        "embedded": False,
        "serves": health.serves,
        "reachable": health.reachable,
        "sealed": health.sealed if health.reachable else None,
        "version": health.version,
        "developmentSeal": False,
        "reason": health.reason,
    }


class _Unheard:
    """What a broker would tell: nothing is known of it here."""

    def newest(self, subjects: Iterable[str], types: Sequence[str] = (), by: str = "") -> dict[str, Said]:
        del subjects, types, by
        return {}

    def of_path(self, state: PathState) -> Trouble | None:
        del state
        return None

    def of_consumer(self, path: PathRef, consumer: ConsumerState) -> Trouble | None:
        del path, consumer
        return None

    def conflict(self, path: PathRef, producer: ManifestRef | None) -> str:
        del path
        return ""
