"""What the ledger answers: to events, to what a broker gave up, and to what it cannot take."""

import base64
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from events.cloudevent import CloudEvent
from events.http_binding import encode_binary
from functions import step
from functions._failures import Unavailable
from infra.hosts.answering import StepAnswerer
from infra.hosts.recording.book import RecordBook
from infra.hosts.recording.endpoint import DEAD_LETTERS, RecordEndpoint
from infra.hosts.step_endpoint import Message
from tests.infra.hosts.steps import changed, ports

PING = {
    "ce-specversion": "1.0", "ce-type": "dev.knative.sources.ping", "ce-id": "p1", "ce-time": "2026-01-01T00:00:00Z",
    "ce-source": "/apis/v1/namespaces/lockstep/pingsources/anchor", "content-type": "application/json",
}  # fmt: skip


@dataclass
class Anchoring:
    """Counts how often it was anchored, and may not be able to."""

    times: int = 0
    failures: list[Exception] = field(default_factory=list)

    def anchor(self) -> None:
        if self.failures:
            raise self.failures.pop()
        self.times += 1


@dataclass
class Recorded:
    book: RecordBook
    anchoring: Anchoring
    endpoint: RecordEndpoint

    def post(self, event: CloudEvent, path: str = "/") -> Message:
        headers, body = encode_binary(event)
        return self.endpoint.answer(path, headers, body)


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    anchoring = Anchoring()
    with closing(RecordBook(tmp_path / "broker.db")) as book:
        answerer = StepAnswerer(step("record"), replace(ports(), ledger=anchoring), "/lockstep/test/steps/record")
        yield Recorded(book, anchoring, RecordEndpoint(book, answerer))


def kinds(recorded: Recorded) -> list[str]:
    return [entry.kind for entry in recorded.book.ledger.entries()]


def test_every_event_is_taken_whoever_made_it(recorded: Recorded) -> None:
    foreign = CloudEvent(id="1", source="/others", type="com.example.something", data=None)
    for event in (changed(), changed(), foreign, foreign):
        assert recorded.post(event) == Message(204)
    assert kinds(recorded) == ["accepted", "accepted"]


def test_a_tick_is_written_down_and_anchors(recorded: Recorded) -> None:
    recorded.anchoring.failures.append(Unavailable("authority", "it is sealed"))
    statuses = [recorded.endpoint.answer("/", PING.items(), b'{"schedule": "anchor"}').status for _ in range(2)]
    assert statuses == [503, 204]
    assert (kinds(recorded), recorded.anchoring.times) == (["accepted"], 1)
    sweep = {**PING, "ce-id": "p2", "ce-source": "/apis/v1/namespaces/lockstep/pingsources/sweep-0"}
    assert recorded.endpoint.answer("/", sweep.items(), b'{"schedule": "sweep"}').status == 204
    assert recorded.anchoring.times == 1


@pytest.mark.parametrize(
    ("told", "reason"),
    [(base64.b64encode(b"it is sealed").decode(), "it is sealed"), ("it is sealed!", "it is sealed!"), ("", "")],
)
def test_what_was_given_up_says_where_and_why(recorded: Recorded, told: str, reason: str) -> None:
    errors = {"knativeerrordest": "http://publish.lockstep.svc.cluster.local/", "knativeerrorcode": "503"}
    event = changed().with_extensions(**errors, knativeerrordata=told or None)
    assert [recorded.post(event, DEAD_LETTERS).status for _ in range(2)] == [204, 204]
    (letter,) = recorded.book.dead_letters.list()
    assert (letter.route, letter.code, letter.reason) == ("publish", 503, reason)
    assert kinds(recorded) == ["accepted", "dead-letter"]


def test_a_dead_letter_that_tells_nothing_is_kept_too(recorded: Recorded) -> None:
    assert recorded.post(changed().with_extensions(knativeerrorcode="no number"), DEAD_LETTERS).status == 204
    (letter,) = recorded.book.dead_letters.list()
    assert (letter.route, letter.destination, letter.code) == ("unknown", "", 0)


def test_a_ping_that_was_given_up_is_told_of_as_ours(recorded: Recorded) -> None:
    given_up = {**PING, "ce-knativeerrorcode": "500", "ce-knativeerrordest": "http://sweep.lockstep.svc"}
    assert recorded.endpoint.answer(DEAD_LETTERS, given_up.items(), b'{"schedule": "sweep"}').status == 204
    (letter,) = recorded.book.dead_letters.list()
    assert (letter.type, letter.route, letter.code) == ("dev.lockstep.schedule.ticked", "sweep", 500)
    assert recorded.anchoring.times == 0


@pytest.mark.parametrize(
    ("path", "headers", "body", "status"),
    [
        ("/other", PING, b"{}", 404),
        ("/", {}, b"", 400),
        ("/", PING | {"ce-type": "dev.knative.apiserver.resource.add"}, b'{"kind": "Secret"}', 400),
        (DEAD_LETTERS, {"content-type": "application/cloudevents+json"}, b"{", 400),
        ("/", PING, b"x" * 3_000_000, 413),
    ],
)
def test_what_it_cannot_take_is_said(
    recorded: Recorded, path: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    answer = recorded.endpoint.answer(path, headers.items(), body)
    assert (answer.status, json.loads(answer.body)["status"]) == (status, status)
    assert kinds(recorded) == []


def test_while_it_cannot_write_nothing_is_confirmed(recorded: Recorded) -> None:
    recorded.book.close()
    assert [recorded.post(changed(), path).status for path in ("/", DEAD_LETTERS)] == [503, 503]
