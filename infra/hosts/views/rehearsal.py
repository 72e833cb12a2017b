"""What would happen if the steps ran now: the steps themselves, over ports that write nothing.

There is no second implementation of what a step decides. Events that a rehearsed step emits are handed to the
steps that consume them, as the broker would, until nothing more follows.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from events.event import Event
from events.orders import MaterializeRequested, Order, PublishRequested
from events.references import PathRef, SecretRef
from events.schedule import ScheduleRef, ScheduleTicked
from events.secret import SecretChanged, SecretConflicted, SecretPublished, SecretRemoved, SecretRetracted
from functions import STEPS
from functions._capability import Capability
from functions._failures import Conflict, Reject, StepFailure
from functions._ports import Ports
from functions._step import Step
from functions.sweep import SCHEDULE as SWEEP
from infra.hosts.views.changes import Blocked, Change
from infra.hosts.views.drafts import Drafts
from infra.hosts.views.pipeline import read_paths

# What steps do beside Secrets and the authority is not drafted: those steps are left out.
_ACTS = frozenset({Capability.LEDGER_WRITE, Capability.WORKLOAD_WRITE, Capability.ROLLOUT_WRITE})
_AT_ONCE = 8  # questions to the authority; more would only queue there
_OFTEN = 3  # times that one thing is asked of one step: more is a circle, which the wiring names itself


class Rehearsal:
    """`ports_of` gives a step's real ports. What was found grows with every `tell`."""

    def __init__(self, ports_of: Callable[[str], Ports]) -> None:
        self._drafts = Drafts()
        self._real = {step.name: ports_of(step.name) for step in STEPS if not step.needs & _ACTS}
        self._steps: list[tuple[Step, Ports]] = [
            (step, self._drafts.ports(step.name, self._real[step.name])) for step in STEPS if step.name in self._real
        ]
        self._asked: Counter[tuple[str, str, str]] = Counter()
        self.blocked: list[Blocked] = []

    def look_ahead(self, orders: Sequence[Event]) -> None:
        """Read at once, some questions at a time, what these orders' steps are going to read at the authority.

        It counts until the next look ahead. What fails here is read again by the step, whose failure is what counts.
        """
        self._drafts.forget_ahead()
        publish, materialize = self._real["publish"], self._real["materialize"]
        consumers = [order.consumer for order in orders if isinstance(order, MaterializeRequested)]
        found = [one for ref in consumers if (one := materialize.wiring.external_secret(ref)) is not None]
        read = dict.fromkeys(path for one in found for path in read_paths(one, materialize.wiring))
        questions = [partial(self._look, "publish", publish, o.path) for o in orders if isinstance(o, PublishRequested)]
        questions += [partial(self._look, "materialize", materialize, path) for path in read]
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="rehearsal") as pool:
            for asked in [pool.submit(question) for question in questions]:
                asked.result()

    def _look(self, step: str, ports: Ports, path: PathRef) -> None:
        with suppress(StepFailure):
            self._drafts.stored_ahead[step, path] = ports.authority.read(path)
            if step == "publish":
                self._drafts.claims_ahead[step, path] = ports.claims.read(path)

    @property
    def changes(self) -> tuple[Change, ...]:
        """What would be written, in order."""
        return tuple(self._drafts.changes)

    def tell(self, *events: Event) -> None:
        """Hand over events, and all that follows from them."""
        queue = deque(events)
        while queue:
            event = queue.popleft()
            for step, ports in self._steps:
                if isinstance(event, step.consumes):
                    queue.extend(self._step(step, event, ports))

    def tombstones_due(self) -> None:
        """What the sweep would retract. One shard of very many: it looks after tombstones and next to no paths."""
        ports = self._steps[0][1]
        self.tell(ScheduleTicked(schedule=ScheduleRef(name=SWEEP), at=ports.clock.now(), shard=0, shards=4096))

    def _step(self, step: Step, event: Event, ports: Ports) -> Iterable[Event]:
        key = (step.name, event.TYPE, event.about.subject)
        self._asked[key] += 1
        if self._asked[key] > _OFTEN:
            return ()
        before = set(self._drafts.secrets)
        try:
            emitted = tuple(step.handle(event, ports))
        except StepFailure as failure:
            self.blocked.append(Blocked(step.name, event.about.subject, _kind(failure), failure.reason))
            return ()
        following = [one for one in emitted if self._follows(step, one)]
        following += [self._changed(ref) for ref in self._drafts.secrets if ref not in before]
        return following

    def _changed(self, ref: SecretRef) -> SecretChanged | SecretRemoved:
        """A target that was drafted may be a source: of what is derived from it."""
        secret = self._drafts.secrets[ref]
        return SecretChanged(secret=ref, seen=secret.state) if secret else SecretRemoved(secret=ref)

    def _follows(self, step: Step, event: Event) -> bool:
        if isinstance(event, SecretConflicted) and event.outcome == "owned-by-other":
            self.blocked.append(Blocked(step.name, event.path.subject, "conflict", event.explanation))
        if isinstance(event, SecretRetracted) and event.outcome in ("held", "kept"):
            self.blocked.append(Blocked(step.name, event.target.subject, "held", event.explanation))
        undone = isinstance(event, SecretConflicted) and event.outcome == "foreign-write"
        return undone or isinstance(event, Order) or (isinstance(event, SecretPublished) and event.outcome == "written")


def _kind(failure: StepFailure) -> str:
    if isinstance(failure, Reject):
        return "reject"
    return "conflict" if isinstance(failure, Conflict) else "retry"
