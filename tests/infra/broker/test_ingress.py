"""The ingress' statuses, one by one (reference, events.md 1)."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from events.cloudevent import MAX_EVENT_BYTES
from infra.broker.admission import Admission, Rule
from infra.broker.broker import Broker
from infra.broker.errors import RefusedError
from infra.broker.ingress import Ingress, Message, Scope
from infra.broker.limits import Limit, Limits
from infra.broker.principal import ANONYMOUS, Principal
from tests.infra.broker.kit import DEADLINE, Scripted, running, trigger
from tests.infra.broker.test_broker import limit_pages

BINARY = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "hint", "ce-subject": "a"}
STRUCTURED = {"specversion": "1.0", "id": "1", "source": "/s", "type": "hint", "subject": "a", "data": {"x": 1}}
TABLE = Admission(
    rules=(Rule("token:ci", "order"),), hints=frozenset({"hint"}), reserved=frozenset({"hint", "fact", "order"})
)


def authenticate(scope: Scope) -> Principal:
    token = dict(scope["headers"]).get(b"authorization")
    if token is None:
        return ANONYMOUS
    if token != b"Bearer ci":
        raise RefusedError(401, "this token is not known")
    return Principal("token", "ci")


class Client:
    """Calls the application as a server would."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._app = Ingress({("lockstep", "default"): broker}, authenticate)

    def send(
        self, method: str, path: str, headers: dict[str, str] | None = None, chunks: tuple[bytes, ...] = (b"",)
    ) -> tuple[int, dict[str, str], bytes]:
        scope: dict[str, Any] = {
            "type": "http", "method": method, "path": path,
            "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in (headers or {}).items()],
        }  # fmt: skip
        coming = [
            {"type": "http.request", "body": chunk, "more_body": i < len(chunks) - 1} for i, chunk in enumerate(chunks)
        ]
        sent: list[Message] = []

        async def receive() -> Message:
            return coming.pop(0) if coming else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        asyncio.run(self._app(scope, receive, send))
        start, body = sent
        return start["status"], {k.decode(): v.decode() for k, v in start["headers"]}, body["body"]

    def post(self, headers: dict[str, str], body: bytes = b"", path: str = "/lockstep/default") -> int:
        status, _, answer = self.send("POST", path, headers, (body,))
        if status >= 400:
            assert json.loads(answer)["status"] == status
            assert len(answer) <= 576, "error bodies stay short"
        return status


@pytest.fixture
def subscriber() -> Scripted:
    return Scripted()


@pytest.fixture
def client(tmp_path: Path, subscriber: Scripted) -> Iterator[Client]:
    limits = Limits(by_principal={"token": Limit(pending=1)})
    with running(tmp_path, {"sub": subscriber}, [trigger()], TABLE, limits=limits) as broker:
        yield Client(broker)


def test_options(client: Client) -> None:
    status, headers, _ = client.send("OPTIONS", "/lockstep/default")
    assert status == 200
    assert headers["allow"] == "POST, OPTIONS"
    assert (headers["webhook-allowed-origin"], headers["webhook-allowed-rate"]) == ("*", "*")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "PATCH"])
def test_other_methods(client: Client, method: str) -> None:
    status, headers, _ = client.send(method, "/lockstep/default")
    assert (status, headers["allow"]) == (405, "POST, OPTIONS")


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/", 404), ("/lockstep", 400), ("/lockstep/default/x", 400), ("//default", 400), ("/lockstep/other", 404),
     ("/lockstep/default", 202)],
)  # fmt: skip
def test_paths(client: Client, path: str, expected: int) -> None:
    assert client.post(BINARY, path=path) == expected


def test_accepted_in_binary_and_structured_mode(client: Client, subscriber: Scripted) -> None:
    status, headers, body = client.send(
        "POST", "/lockstep/default", BINARY | {"content-type": "text/plain"}, (b"x", b"y")
    )
    assert (status, headers["content-length"], body) == (202, "0", b"")
    structured = json.dumps(STRUCTURED | {"id": "2"}).encode()
    assert client.post({"content-type": "application/cloudevents+json"}, structured) == 202
    assert client.broker.wait_idle(DEADLINE)
    assert [(one.id, one.data) for one in subscriber.seen] == [("1", b"xy"), ("2", b'{"x":1}')]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "application/json"},
        {"content-type": "application/cloudevents-batch+json"},
        {"content-type": "application/cloudevents+xml"},
        {**BINARY, "ce-specversion": "0.3"},
        {k: v for k, v in BINARY.items() if k != "ce-specversion"},
        {k: v for k, v in BINARY.items() if k != "ce-id"},
        {**BINARY, "ce-id": ""},
        {**BINARY, "ce-source": ""},
        {**BINARY, "ce-type": ""},
        {**BINARY, "ce-subject": ""},
        {**BINARY, "ce-knativebrokerttl": "0"},
        {**BINARY, "ce-knativebrokerttl": "1"},
        {**BINARY, "ce-knativebrokerttl": "-1"},
        {**BINARY, "ce-knativebrokerttl": "x"},
    ],
)
def test_what_is_no_valid_event(client: Client, headers: dict[str, str]) -> None:
    assert client.post(headers, b"[]") == 400
    assert client.broker.ledger.head()[0] == 0


def test_size(client: Client) -> None:
    assert client.post(BINARY, bytes(64 * 1024)) == 202, "what every intermediary must forward"
    assert client.post(BINARY, bytes(MAX_EVENT_BYTES + 1)) == 413
    assert client.post(BINARY | {"content-length": "99999999999"}) == 413
    status, _, _ = client.send("POST", "/lockstep/default", BINARY, (bytes(MAX_EVENT_BYTES),) * 10)
    assert status == 413


def test_a_sender_that_goes_away(client: Client) -> None:
    status, _, _ = client.send("POST", "/lockstep/default", BINARY, ())
    assert status == 400


@pytest.mark.parametrize(
    ("type_", "token", "expected"),
    [("fact", None, 401), ("order", None, 401), ("fact", "Bearer ci", 403), ("order", "Bearer ci", 202),
     ("hint", "Bearer wrong", 401), ("com.example.x", None, 202)],
)  # fmt: skip
def test_who_may_send_what(client: Client, type_: str, token: str | None, expected: int) -> None:
    headers = BINARY | {"ce-type": type_} | ({"authorization": token} if token else {})
    assert client.post(headers) == expected


def test_events_are_looked_at_before_credentials(client: Client) -> None:
    wrong = {"authorization": "Bearer wrong"}
    assert client.post(wrong | {"content-type": "application/json"}, b"{}") == 400
    assert client.post(wrong | BINARY, path="/lockstep/other") == 404


def test_challenged_with_a_scheme(client: Client) -> None:
    status, headers, _ = client.send("POST", "/lockstep/default", BINARY | {"ce-type": "fact"})
    assert (status, headers["www-authenticate"]) == (401, "Bearer")


def test_too_much_pending(client: Client, subscriber: Scripted) -> None:
    subscriber.is_ready = False
    order = BINARY | {"ce-type": "order", "authorization": "Bearer ci"}
    assert client.post(order) == 202
    status, headers, _ = client.send("POST", "/lockstep/default", order)
    assert (status, headers["retry-after"]) == (503, "5")
    assert client.post(BINARY) == 202, "another principal is not held up"


def test_a_full_disk(client: Client) -> None:
    limit_pages(client.broker, 1)
    status, headers, _ = client.send("POST", "/lockstep/default", BINARY, (bytes(200_000),))
    assert (status, headers["retry-after"]) == (503, "5")
    limit_pages(client.broker, 100_000)
    assert client.post(BINARY) == 202


def test_a_broker_that_is_stopping(client: Client) -> None:
    client.broker.drain(DEADLINE)
    status, headers, _ = client.send("POST", "/lockstep/default", BINARY)
    assert (status, headers["retry-after"]) == (503, "5")


def test_foreign_events_are_said_in_ours_before_they_are_stored(client: Client) -> None:
    told = b'{"kind": "Secret", "namespace": "orders", "name": "db", "apiVersion": "v1"}'
    headers = BINARY | {"ce-type": "dev.knative.apiserver.ref.update", "content-type": "application/json"}
    assert client.post(headers, told) == 202
    assert {line.event.type for line in client.broker.timeline.lines()} == {"dev.lockstep.secret.changed"}


def test_whole_objects_are_refused_loudly_and_leave_no_trace(
    client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    headers = BINARY | {"ce-type": "dev.knative.apiserver.resource.update", "content-type": "application/json"}
    status, _, body = client.send("POST", "/lockstep/default", headers, (b'{"data": {"password": "canary-7f3a"}}',))
    assert status == 400
    assert b"mode: Reference" in body
    assert [record.levelname for record in caplog.records if "mode: Reference" in record.message] == ["ERROR"]
    assert "canary-7f3a" not in caplog.text
    assert b"canary-7f3a" not in body
    assert client.broker.timeline.lines() == ()
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"canary-7f3a" in path.read_bytes()]
