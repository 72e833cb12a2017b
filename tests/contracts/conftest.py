"""What the suites of the evidence ports share: a fake and the embedded broker, told what becomes of a delivery."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from events.cloudevent import CloudEvent
from infra.broker.broker import Broker
from infra.broker.subscriber import Answer
from infra.hosts.evidence import Evidence
from tests.fakes.evidence import DELIVERED, MemoryEvidence, Verdict
from tests.infra.broker.kit import DEADLINE, SOURCE, Scripted, event, running, trigger, until

_PATIENT = {"retry": 5, "backoffPolicy": "linear", "backoffDelay": "PT60S"}
_VERDICTS: dict[str, Verdict] = {
    "t.done": DELIVERED,
    "t.refused": ("dead-lettered", 422, "no such wiring"),
    "t.later": ("retried", 503, "sealed"),
}


@dataclass
class Happenings:
    """Events are `t.done`, `t.refused` (a dead letter) or `t.later` (tried again in a minute); `mended`: all done."""

    evidence: Evidence
    mended: bool = False

    def verdict(self, one: CloudEvent) -> Verdict:
        return DELIVERED if self.mended else _VERDICTS[one.type]

    def answer(self, one: CloudEvent) -> Answer:
        _, status, reason = self.verdict(one)
        return Answer(status, reason=reason, retry_after=60.0 if status == 503 else None)

    def accept(self, number: int | str, type_: str = "t.done", subject: str = "", **extensions: str) -> int:
        """Its sequence number, once the first attempt at it is over."""
        sent = event(number, type_, subject or f"s/{number}", **extensions)
        (sequence,) = self.evidence.accept_many([sent], SOURCE).result(DEADLINE)
        self.attempted(sequence)
        return sequence

    def attempted(self, sequence: int, times: int = 1) -> None:
        """Wait until so many things happened to it beside its acceptance."""
        until(lambda: len(self.outcomes(sequence)) >= times)

    def outcomes(self, sequence: int) -> list[str]:
        trace = self.evidence.timeline.trace(sequence)
        return [line.outcome for line in trace.lines[1:]] if trace else []


@pytest.fixture(params=["fake", "embedded broker"])
def happenings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Happenings]:
    if request.param == "fake":
        made = Happenings(MemoryEvidence())
        made.evidence = MemoryEvidence(made.verdict)
        yield made
        return
    step = Scripted()
    with running(tmp_path, {"sub": step}, [trigger(delivery=_PATIENT)], backoff_cap=60.0) as broker:
        made = _of(broker)
        step.behaviour = made.answer
        yield made


def _of(broker: Broker) -> Happenings:
    return Happenings(broker)
