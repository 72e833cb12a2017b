"""Telling what each hop does: from the state, from what the broker could not deliver, and from a rehearsal.

A rehearsal is the step itself run over ports that write nothing, so the cause that is told is the one that the step
would meet now, not the one of some earlier attempt.
"""

import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from events.event import Event
from events.orders import MaterializeRequested, PublishRequested
from events.references import ManifestRef, PathRef
from functions._failures import StepFailure
from functions._selection import source_states
from infra.hosts.located import located
from infra.hosts.views.changes import Blocked
from infra.hosts.views.hops import Branch, Hop, HopName, HopState, Way
from infra.hosts.views.pipeline import ConsumerState, Lookups, PathState, path_state, read_paths
from infra.hosts.views.place import Place
from infra.hosts.views.rotating import rotation_hop
from infra.hosts.views.rotations import RotationState
from infra.hosts.views.standing import Standings, hops
from infra.hosts.views.trouble import MATERIALIZE, PUBLISH, Trouble

_SCOPE = re.compile(r"\(scope (\S+)\)$")  # how Suspensions ends its reasons
_READY = "the authority does not serve"


class KnownTroubles(Protocol):
    """What the broker could not deliver (views.trouble)."""

    def of_path(self, state: PathState) -> Trouble | None: ...

    def of_consumer(self, path: PathRef, consumer: ConsumerState) -> Trouble | None: ...


def _not_rotated(path: PathRef) -> RotationState | None:
    del path
    return None


@dataclass(frozen=True, slots=True)
class Setting:
    """What surrounds an explanation. `authority` is why it does not serve, "" when it does; `expires` is for orders
    that are rehearsed; `where` gives file and line of a manifest; `workloads` is None where there are none; `rotation`
    tells how the rotation of a path stands."""

    place: Place
    authority: str
    revive: tuple[str, ...]
    expires: datetime
    where: Callable[[ManifestRef], tuple[str, int]]
    workloads: Standings | None = None
    rotation: Callable[[PathRef], RotationState | None] = _not_rotated


class Explainer:
    """Explains paths. `rehearse` runs an order's step without writing, and gives what blocked it."""

    def __init__(
        self,
        lookups: Lookups,
        troubles: KnownTroubles,
        setting: Setting,
        rehearse: Callable[[Event], tuple[Blocked, ...]],
    ) -> None:
        self._lookups, self._troubles, self._setting, self._rehearse = lookups, troubles, setting, rehearse

    def explain(self, state: PathState, consumers: Iterable[ConsumerState]) -> Way:
        """The way of a path to some of its consumers."""
        hops: list[Hop] = []
        if state.producer is not None:
            hops = [self._source(state), self._publish(state)]
        if (rotation := self._setting.rotation(state.path)) is not None:
            hops.append(rotation_hop(rotation))
        hops.append(self._authority(state))
        branches = tuple(
            Branch(each.manifest, (self._materialize(state, each), self._consumer(each), *self._workloads(each)))
            for each in consumers
        )
        return Way(state.path, tuple(hops), branches)

    # --- source and publish -----------------------------------------------------------------------------------------

    def _source(self, state: PathState) -> Hop:
        names = ", ".join(f"Secret {ref}" for ref in state.sources) or "the Secrets that the selector matches"
        push = self._lookups.wiring.push_secret(state.producer) if state.producer else None
        try:
            found = source_states(push, self._lookups.sources) if push else {}
        except StepFailure as failure:
            return Hop("source", "broken", names, failure.reason, (f"lockstep reconcile {state.path}",))
        if found:
            return Hop("source", "ok", names, "exists")
        mend = [self._setting.place.make(ref) for ref in state.sources]
        mend.append(f"or correct spec.selector at {self._where(state.producer)}")
        return Hop("source", "broken", names, "no source Secret exists", tuple(mend))

    def _publish(self, state: PathState) -> Hop:
        by = str(state.producer)
        if not state.wrong:
            confirmed = f"version {state.version} is confirmed"
            return Hop(
                "publish", "ok", by, f"{confirmed}; suspended: {state.suspended}" if state.suspended else confirmed
            )
        if state.producer is not None and (problem := self._lookups.wiring.problem(state.producer)):
            return Hop("publish", "broken", by, problem, self._correct(state.producer))
        if state.producer is not None and not self._lookups.access.may_publish(state.producer.namespace, state.path):
            return Hop(
                "publish", "broken", by, state.wrong, self._allow(state.producer.namespace, "publish", state.path)
            )
        if state.suspended:
            return Hop("publish", "broken", by, f"suspended: {state.suspended}", _resume(state.suspended))
        trouble = self._troubles.of_path(state)
        if self._setting.authority:
            return Hop("publish", "waiting", by, f"{state.wrong}; {_READY}", (), trouble)
        order = PublishRequested(path=state.path, expires=self._setting.expires, reason="rehearsal")
        return self._stuck("publish", by, state.wrong, order, trouble=trouble, mend=self._mend_publish(state))

    def _mend_publish(self, state: PathState) -> Callable[[Blocked], tuple[str, ...]]:
        def mend(blocked: Blocked) -> tuple[str, ...]:
            if blocked.kind == "conflict" and state.producer is not None:
                push = f"{state.producer.namespace}/{state.producer.name}"
                return (f"lockstep adopt {state.path} --by {push} --dry-run",)
            where = self._where(state.producer)
            return (f"mend what it says (the manifest is at {where})", f"lockstep reconcile {state.path}")

        return mend

    # --- the authority ----------------------------------------------------------------------------------------------

    def _authority(self, state: PathState) -> Hop:
        path = str(state.path)
        if self._setting.authority:
            return Hop("authority", "broken", path, self._setting.authority, self._setting.revive)
        try:
            newest = self._lookups.newest(state.path)
        except StepFailure as failure:
            return Hop("authority", "broken", path, failure.reason, ("lockstep check",))
        if newest is None:
            return self._empty(state)
        if state.version is not None and newest.newer_than(state.version):
            says = f"version {newest} was not confirmed by its origin; version {state.version} is distributed"
            return Hop("authority", "broken", path, says, self._mend_foreign(state))
        return Hop("authority", "ok", path, f"holds version {newest}")

    def _mend_foreign(self, state: PathState) -> tuple[str, ...]:
        """A source's value is written again; of a rotated credential only its rotation makes another."""
        rotation = self._lookups.wiring.rotation_of_path(state.path) if state.producer is None else None
        if rotation is not None:
            return (f"lockstep rotate {rotation.namespace}/{rotation.name}",)
        return (f"lockstep reconcile {state.path}",)

    def _empty(self, state: PathState) -> Hop:
        path = str(state.path)
        if state.version is not None:
            says = f"holds nothing, though version {state.version} was confirmed: somebody deleted it"
            return Hop("authority", "broken", path, says, self._mend_foreign(state))
        if state.producer is not None:
            return Hop("authority", "waiting", path, "holds nothing yet")
        if (rotation := self._lookups.wiring.rotation_of_path(state.path)) is not None:
            begin = f"lockstep rotate {rotation.namespace}/{rotation.name}"
            return Hop("authority", "waiting", path, "holds nothing yet: it was never rotated", (begin,))
        mend = (
            f"write it: bao kv put -mount={state.path.mount} {state.path.path} <key>=-",
            "or wire a PushSecret to it",
        )
        return Hop("authority", "broken", path, "holds nothing, and no PushSecret publishes it", mend)

    # --- materialize and consumer -----------------------------------------------------------------------------------

    def _materialize(self, state: PathState, consumer: ConsumerState) -> Hop:
        by = str(consumer.manifest)
        wiring, manifest = self._lookups.wiring, consumer.manifest
        if consumer.in_step:
            suspended = f"; suspended: {consumer.suspended}" if consumer.suspended else ""
            return Hop("materialize", "ok", by, f"nothing to do{suspended}")
        if problem := wiring.problem(manifest):
            return Hop("materialize", "broken", by, problem, self._correct(manifest))
        if not self._lookups.access.may_read(manifest.namespace, state.path):
            return Hop("materialize", "broken", by, consumer.wrong, self._allow(manifest.namespace, "read", state.path))
        if consumer.suspended:
            return Hop("materialize", "broken", by, f"suspended: {consumer.suspended}", _resume(consumer.suspended))
        trouble = self._troubles.of_consumer(state.path, consumer)
        if state.version is None or self._setting.authority:
            waits = _READY if self._setting.authority else "waits for the authority to hold a version"
            return Hop("materialize", "waiting", by, waits, (), trouble)
        if others := self._others_missing(consumer, state.path):
            return Hop(
                "materialize", "waiting", by, f"waits for {', '.join(map(str, others))}, which hold nothing yet",
                tuple(f"lockstep explain {path}" for path in others), trouble,
            )  # fmt: skip
        order = MaterializeRequested(
            consumer=manifest, secret=consumer.target, expires=self._setting.expires, reason="rehearsal"
        )
        return self._stuck(
            "materialize", by, consumer.wrong, order, trouble=trouble, mend=self._mend_materialize(consumer)
        )

    def _mend_materialize(self, consumer: ConsumerState) -> Callable[[Blocked], tuple[str, ...]]:
        where = self._where(consumer.manifest)
        return lambda _: (f"mend what it says (the manifest is at {where})", f"lockstep reconcile {consumer.target}")

    def _others_missing(self, consumer: ConsumerState, path: PathRef) -> tuple[PathRef, ...]:
        external = self._lookups.wiring.external_secret(consumer.manifest)
        if external is None:
            return ()
        others = (other for other in read_paths(external, self._lookups.wiring) if other != path)
        return tuple(other for other in others if path_state(other, self._lookups).version is None)

    def _consumer(self, consumer: ConsumerState) -> Hop:
        subject = f"Secret {consumer.target}"
        carries = f"carries version {consumer.version}" if consumer.version else "carries nothing of it yet"
        if consumer.in_step:
            return Hop("consumer", "ok", subject, carries if consumer.version else "is not made by its ExternalSecret")
        return Hop("consumer", "waiting", subject, carries)

    def _workloads(self, consumer: ConsumerState) -> tuple[Hop, ...]:
        asked = self._setting.workloads
        if asked is None or consumer.version is None:
            return ()
        return hops(consumer.target, asked.of(consumer.target))

    # --- what a step that should have acted is stuck on -------------------------------------------------------------

    def _stuck(
        self, hop: HopName, by: str, wrong: str, order: Event, *, trouble: Trouble | None,
        mend: Callable[[Blocked], tuple[str, ...]],
    ) -> Hop:  # fmt: skip
        step = PUBLISH if hop == "publish" else MATERIALIZE
        blocked = [one for one in self._rehearse(order) if one.step == step]
        again = f"lockstep reconcile {order.about}"
        if blocked:
            # what the step says begins with its manifest, which is the hop's subject already
            reason = blocked[0].reason.removeprefix(f"{by}: ")
            return Hop(hop, "broken", by, reason, mend(blocked[0]), trouble)
        if trouble is not None and trouble.state == "dead letter":
            says = f"{wrong}; given up after {_times(trouble.attempts)}: {trouble.reason}"
            return Hop(hop, "broken", by, says, (f"lockstep dead-letters replay {trouble.dead_letter}",), trouble)
        if trouble is not None and trouble.reason:
            return Hop(hop, "broken", by, f"{wrong}; {trouble.reason}", ("mend what it says", again), trouble)
        state: HopState = "waiting"
        says = f"{wrong}; its event is under way" if trouble else f"{wrong}; the next sweep orders it"
        return Hop(hop, state, by, says, () if trouble else (again,), trouble)

    def _where(self, manifest: ManifestRef | None) -> str:
        return located(*self._setting.where(manifest)) if manifest else "its manifest"

    def _correct(self, manifest: ManifestRef) -> tuple[str, ...]:
        return (self._setting.place.correct(manifest, *self._setting.where(manifest)),)

    def _allow(self, namespace: str, verb: str, path: PathRef) -> tuple[str, ...]:
        return (self._setting.place.allow(namespace, verb, path),)


def _resume(suspended: str) -> tuple[str, ...]:
    found = _SCOPE.search(suspended)
    return (f"lockstep resume {shlex.quote(found[1])}",) if found else ("lockstep suspend --list",)


def _times(attempts: int) -> str:
    return "1 attempt" if attempts == 1 else f"{attempts} attempts"
