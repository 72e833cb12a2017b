"""What the ledger answers to HTTP messages: an event, or a delivery that was given up."""

import base64
import binascii
import logging
from collections.abc import Iterable
from concurrent.futures import Future
from urllib.parse import urlsplit

from events.cloudevent import CloudEvent
from events.errors import EventError
from events.foreign import CarriedValuesError, translate
from events.http_binding import MAX_BODY_BYTES, decode
from events.schedule import ScheduleTicked
from infra.broker.errors import BrokerError, BrokerFullError, RefusedError
from infra.broker.subscriber import Answer
from infra.hosts.answering import StepAnswerer
from infra.hosts.recording.book import GivenUp, RecordBook
from infra.hosts.step_endpoint import TOO_LARGE, Message, problem

DEAD_LETTERS = "/dead-letters"
_ERRORS = ("knativeerrordest", "knativeerrorcode", "knativeerrordata")  # reference/events.md 1
_DURABLE = 25.0  # seconds; a broker waits for 40
_SLOW = Answer(503, reason="the ledger cannot write now; nothing was lost", retry_after=5)
_log = logging.getLogger("lockstep.record")


class RecordEndpoint:
    """Safe to call from several threads; raises nothing. What is answered with 2xx is durable."""

    def __init__(self, book: RecordBook, step: StepAnswerer) -> None:
        self._book = book
        self._step = step

    def answer(self, path: str, headers: Iterable[tuple[str, str]], body: bytes) -> Message:
        """To `POST /` with an event, and to `POST /dead-letters` with one that was given up."""
        if path not in {"/", DEAD_LETTERS}:
            return problem(Answer(404, reason=f"events come to /, and what was given up to {DEAD_LETTERS}"))
        if len(body) > MAX_BODY_BYTES:
            return problem(TOO_LARGE)
        try:
            sent = decode(headers, body)
            event = translate(sent)
        except CarriedValuesError as error:
            _log.error("refused an event: %s", error)
            return problem(Answer(400, reason=str(error)))
        except EventError as error:
            return problem(Answer(400, reason=str(error)))
        answer = self._given_up(sent, event) if path == DEAD_LETTERS else self._event(event)
        return Message(204) if answer.status < 300 else problem(answer)

    def _event(self, event: CloudEvent) -> Answer:
        try:
            answer = _durable(self._book.record(event))
        except RefusedError as refused:
            return Answer(refused.status, reason=refused.reason)
        if answer.status < 300 and event.type == ScheduleTicked.TYPE:
            return self._step.deliver(event, _DURABLE)  # again, if it was heard before: an anchor is made once
        return answer

    def _given_up(self, sent: CloudEvent, event: CloudEvent) -> Answer:
        why = _why(sent)
        try:
            return _durable(self._book.give_up(event.with_extensions(**dict.fromkeys(_ERRORS)), why))
        except RefusedError as refused:
            return Answer(refused.status, reason=refused.reason)


def _durable(future: Future[bool]) -> Answer:
    try:
        future.result(_DURABLE)
    except BrokerFullError as full:
        return Answer(503, reason=full.reason, retry_after=full.retry_after)
    except (BrokerError, TimeoutError):
        return _SLOW
    return Answer(204)


def _why(event: CloudEvent) -> GivenUp:
    destination, code, data = (event.extensions.get(name, "") for name in _ERRORS)
    host = urlsplit(destination).hostname or ""
    return GivenUp(
        route=host.partition(".")[0] or "unknown",
        destination=destination,
        code=int(code) if code.isdecimal() and len(code) < 4 else 0,
        reason=_text(data),
    )


def _text(data: str) -> str:
    """Brokers put base64 there, but for those that put the text itself."""
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        return data
