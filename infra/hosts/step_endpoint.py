"""One step as HTTP messages, whatever server carries them: an event in; a reply, nothing or a short problem out."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from events.cloudevent import CloudEvent
from events.errors import EventError
from events.http_binding import BATCH, MAX_BODY_BYTES, decode, encode_batch, encode_binary
from functions._failures import Retry
from infra.broker.subscriber import Answer
from infra.hosts.answering import StepAnswerer

TOO_LARGE = Answer(413, reason="the event is larger than is taken; send a reference, not the data")
_TIMEOUT = 30.0
_LONGEST_PROBLEM = 700  # bytes; Knative's MT broker fails on error bodies of more than 768 (reference/events.md 1)


class Sink(Protocol):
    """Where several events go."""

    def send(self, events: tuple[CloudEvent, ...]) -> None: ...


@dataclass(frozen=True, slots=True)
class Message:
    """An HTTP answer; header names are in lower case, without content-length."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class StepEndpoint:
    """Answers events with one step over HTTP. Safe to call from several threads; raises nothing."""

    def __init__(self, answerer: StepAnswerer, sink: Sink, reason: Callable[[], str] = lambda: "") -> None:
        """`reason` says why the step is not ready."""
        self._answerer = answerer
        self._sink = sink
        self._reason = reason

    def answer(self, headers: Iterable[tuple[str, str]], body: bytes) -> Message:
        """To a request that should be one event, in binary or structured mode."""
        if len(body) > MAX_BODY_BYTES:
            return problem(TOO_LARGE)
        fields = list(headers)
        try:
            event = decode(fields, body)
        except EventError as error:
            return problem(Answer(400, reason=str(error)))
        answer = self._deliver(event, in_batches=_takes_batches(fields))
        if answer.status >= 300:
            return problem(answer)
        if not answer.events:
            return Message(204)
        several = len(answer.events) > 1
        reply_headers, reply = encode_batch(answer.events) if several else encode_binary(answer.events[0])
        return Message(200, tuple(reply_headers), reply)

    def readiness(self) -> Message:
        """200, or 503 with the reason: whether the authority serves. May take as long as asking it does."""
        if self._answerer.ready():
            return Message(200, body=b"OK")
        return Message(503, body=self._reason().encode()[:400])

    def _deliver(self, event: CloudEvent, *, in_batches: bool) -> Answer:
        """Nothing, one reply, or, of several, all to the sink and then nothing (DESIGN, "Time, capacity, fan-out").

        A broker that takes batches, ours, gets the several in its reply.
        """
        answer = self._answerer.deliver(event, _TIMEOUT)
        if len(answer.events) <= 1 or in_batches:
            return answer
        try:
            self._sink.send(answer.events)
        except Retry as failure:
            return Answer(503, reason=failure.reason, retry_after=failure.after)
        return Answer(204)


def _takes_batches(headers: Iterable[tuple[str, str]]) -> bool:
    return any(name.lower() == "accept" and value.strip().lower() == BATCH for name, value in headers)


def problem(answer: Answer) -> Message:
    """A failure as `application/problem+json`."""
    headers = [("content-type", "application/problem+json")]
    if answer.retry_after is not None:
        headers.append(("retry-after", str(max(1, round(answer.retry_after)))))
    if answer.status == 405:
        headers.append(("allow", "POST, OPTIONS"))
    return Message(answer.status, tuple(headers), _problem_body(answer))


def _problem_body(answer: Answer) -> bytes:
    """JSON that is short however its text is escaped."""
    detail = answer.reason
    while True:
        body = json.dumps({"status": answer.status, "detail": detail}, ensure_ascii=False).encode(errors="replace")
        if len(body) <= _LONGEST_PROBLEM:
            return body
        detail = detail[: len(detail) * 3 // 4]
