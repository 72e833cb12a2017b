"""One step behind the broker's Subscriber port: typed event in, answer out.

The handler is drained before anything is sent, so that a step that fails half-way has said nothing. `Retry` and
`Reject` become statuses here and nowhere else (DESIGN, principle 7).
"""

import logging
from collections.abc import Callable

from events.cloudevent import CloudEvent
from events.envelope import Received, issue, read
from events.errors import EventError
from events.event import Event
from functions._failures import Conflict, Reject, Retry
from functions._ports import Ports
from functions._step import Step
from infra.broker.subscriber import Answer
from infra.hosts.defects import place_of

MAX_REASON = 512  # error bodies stay short: Knative's MT broker fails on long ones (reference/events.md 1)
Observer = Callable[[Event, Received], None]  # what a step emitted, and what it answered with that
Refusal = Callable[[str, Event, str], None]  # the step, what it rejected, and why
_log = logging.getLogger("lockstep.step")


class StepAnswerer:
    """Answers events with one step. Safe to call from several threads."""

    def __init__(
        self, step: Step, ports: Ports, source: str, *, ready: Callable[[], bool] = lambda: True,
        observe: Observer = lambda event, cause: None, refused: Refusal = lambda step, event, reason: None,
        doubt: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self.step = step
        self._ports = ports
        self._source = source
        self._ready = ready
        self._doubt = doubt
        self._observe = observe
        self._refused = refused

    def deliver(self, event: CloudEvent, timeout: float) -> Answer:
        """Handle one event. 2xx with what it emitted; 503 for Retry; 422 for Reject; 500 for a defect."""
        try:
            received = read(event, self.step.consumes)
        except EventError as error:
            return Answer(422, reason=str(error)[:MAX_REASON])
        if not isinstance(received.event, self.step.consumes):
            return Answer(422, reason=f"step {self.step.name} does not consume {event.type}; correct its Trigger")
        try:
            emitted = tuple(self.step.handle(received.event, self._ports))
            replies = tuple(
                issue(
                    one, source=self._source, now=self._ports.clock.now(),
                    cause=received, step=self.step.name, ordinal=ordinal,
                )
                for ordinal, one in enumerate(emitted)
            )  # fmt: skip
        except Retry as failure:
            self._doubt()  # of what `ready` presumes
            return Answer(503, reason=failure.reason[:MAX_REASON], retry_after=failure.after)
        except Conflict as failure:
            return Answer(409, reason=failure.reason[:MAX_REASON])
        except (Reject, EventError) as failure:
            self._refused(self.step.name, received.event, str(failure))
            return Answer(422, reason=str(failure)[:MAX_REASON])
        except Exception as defect:  # noqa: BLE001  a defect must answer too; its text may quote data, its type cannot
            where = place_of(defect)
            _log.error("step %s failed on %s with %s at %s", self.step.name, event.type, type(defect).__name__, where)
            return Answer(500, reason=f"defect in step {self.step.name}: {type(defect).__name__} at {where}")
        if undeclared := next((one for one in emitted if not isinstance(one, self.step.emits)), None):
            return Answer(500, reason=f"defect in step {self.step.name}: it does not declare {undeclared.TYPE}")
        for one in emitted:
            self._observe(one, received)
        return Answer(200 if replies else 204, events=replies)

    def ready(self) -> bool:
        return self._ready()
