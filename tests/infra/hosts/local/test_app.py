"""The application of an instance over real sockets: ingress, health, metrics, and control on the Unix socket only."""

import json
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from events.envelope import issue
from events.event import Event
from events.http_binding import encode_binary
from events.orders import PublishRequested
from events.references import ManifestRef, PathRef, SecretRef, Version
from events.secret import SecretChanged, SecretPublished
from events.wiring import WiringChanged
from infra.hosts.local.app import App
from infra.hosts.local.instance import Instance, Parts
from infra.hosts.metrics import METRICS
from infra.hosts.unix_sockets import reachable
from infra.stores.vault.health import Health
from tests.infra.hosts.exposition import parsed
from tests.infra.hosts.served import PATIENCE, Served, served
from tests.infra.hosts.steps import CANARY
from tests.unix_http import Response

pytestmark = pytest.mark.e2e
INGRESS = "/lockstep/default"
NOW = datetime.now(UTC)
HINT = SecretChanged(secret=SecretRef(namespace="team", name="any"), seen="s")
PATH = PathRef(mount="secret", path="team/any")
ORDER = PublishRequested(path=PATH, expires=NOW + timedelta(days=1), reason="test")
EXPIRED = PublishRequested(path=PATH, expires=NOW - timedelta(minutes=15), reason="test")
FACT = SecretPublished(path=PATH, version=Version(number=1, created=NOW), keys=(), outcome="written")
WIRING = WiringChanged(
    manifest=ManifestRef(kind="PushSecret", namespace="team", name="any"), change="removed", generation="1"
)


class Control:
    """Keeps what it is asked, and answers as a test says."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, Any], str]] = []
        self.failure: Exception | None = None

    def __call__(self, parts: Parts, method: str, name: str, arguments: dict[str, Any], by: str) -> tuple[int, Any]:
        self.asked.append((method, name, arguments, by))
        if self.failure is not None:
            raise self.failure
        return 200, {"fine": True}


@pytest.fixture
def control() -> Control:
    return Control()


@pytest.fixture
def app(instance: Instance, control: Control, tmp_path: Path) -> Iterator[Served]:
    with served(App(instance.parts, control), unix=tmp_path / "s.sock") as found:
        yield found


def send(app: Served, event: Event, *, unix: bool = False, **headers: str) -> Response:
    fields, body = encode_binary(issue(event, source="/tests", now=NOW))
    ask = app.ask_over_unix if unix else app.ask
    return ask("POST", INGRESS, body, {**dict(fields), **{name.replace("_", "-"): v for name, v in headers.items()}})


# --- the ingress ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "anonymous", "operator"),
    [(HINT, 202, 202), (ORDER, 401, 202), (EXPIRED, 401, 403), (FACT, 401, 403), (WIRING, 401, 403)],
    ids=["hint", "order", "expired", "fact", "wiring"],
)
def test_who_may_say_what(app: Served, event: Event, anonymous: int, operator: int) -> None:
    assert send(app, event).status == anonymous
    assert send(app, event, unix=True).status == operator


def test_nobody_behind_a_proxy(app: Served) -> None:
    assert send(app, HINT, x_forwarded_for="10.0.0.1").status == 401
    assert send(app, HINT, authorization="Bearer wrong").status == 401


def test_the_operator_is_on_record(app: Served, instance: Instance) -> None:
    assert send(app, ORDER, unix=True).status == 202
    principals = {entry.principal for entry in instance.parts.broker.ledger.entries()}
    assert f"operator:{os.geteuid()}" in principals


# --- health and metrics -----------------------------------------------------------------------------------------------


def test_health(app: Served) -> None:
    assert app.ask("GET", "/health/liveness").body == b"OK"
    assert (app.ask("GET", "/health/readiness").status, app.ask("GET", "/health/readiness").body) == (200, b"OK")


def test_readiness_says_why_not_and_liveness_does_not_care(
    app: Served, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = Health(True, True, True, False, "", "it is sealed; unseal it" + "!" * 900)
    monkeypatch.setattr(instance.parts.authority.gate, "health", lambda: sealed)
    answer = app.ask("GET", "/health/readiness")
    assert (answer.status, answer.body[:23], len(answer.body)) == (503, b"it is sealed; unseal it", 400)
    assert app.ask("GET", "/health/liveness").status == 200
    assert parsed(app.ask("GET", "/metrics").body.decode())["lockstep_authority_up"].samples == {
        ("lockstep_authority_up", ""): 0.0
    }


def test_metrics(app: Served) -> None:
    answer = app.ask("GET", "/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = parsed(answer.body.decode())
    assert list(families) == [metric.name for metric in METRICS]
    assert {name: families[name].kind for name in families} == {metric.name: metric.kind for metric in METRICS}
    for metric in METRICS:
        for _, labels in families[metric.name].samples:
            assert {part.partition("=")[0] for part in labels.split(",") if part} <= {*metric.labels, "le"}
    assert families["lockstep_authority_up"].samples["lockstep_authority_up", ""] == 1
    assert families["lockstep_wired_paths"].samples["lockstep_wired_paths", ""] == 1
    assert "temporal" not in answer.body.decode(), "no secret's name is a label"


# --- control ----------------------------------------------------------------------------------------------------------


def test_control_is_for_the_operator_on_the_unix_socket(app: Served, control: Control) -> None:
    body = json.dumps({"names": ["a"]}).encode()
    answer = app.ask_over_unix("POST", "/control/v1/dead-letters/drop", body)
    assert (answer.status, json.loads(answer.body)) == (200, {"fine": True})
    assert control.asked == [("POST", "dead-letters/drop", {"names": ["a"]}, f"operator:{os.geteuid()}")]
    assert app.ask_over_unix("GET", "/control/v1/status").status == 200
    assert control.asked[1][2] == {}


@pytest.mark.parametrize("path", ["/control/v1/status", "/control/v1/", "/%63ontrol/v1/status"])
def test_there_is_no_control_over_tcp(app: Served, control: Control, path: str) -> None:
    forged = {"x-forwarded-for": "uid:0", "forwarded": "for=uid:0"}
    assert app.ask("POST", path, b"{}", forged).status == 404
    assert control.asked == []


@pytest.mark.parametrize(
    "body",
    [b"[]", b"7", b"null", b'"text"', b"{", b"\xff", b"[" * 200_000, b'{"a": "' + b"x" * 1024 * 1024 + b'"}'],
    ids=["list", "number", "null", "text", "half", "no text", "nested", "large"],
)
def test_what_is_no_object_is_refused(app: Served, control: Control, body: bytes) -> None:
    assert app.ask_over_unix("POST", "/control/v1/suspend", body).status == 400
    assert control.asked == []


def test_half_a_request_is_not_carried_out(app: Served, control: Control) -> None:
    """Its beginning may be a whole object: `{}` would suspend everything."""
    assert app.path is not None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as half, reachable(app.path) as short:
        half.settimeout(PATIENCE)
        half.connect(short)
        half.sendall(b"POST /control/v1/suspend HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n{}")
    assert app.ask_over_unix("GET", "/control/v1/status").status == 200
    assert [name for _, name, _, _ in control.asked] == ["status"]


def test_a_defect_of_control_quotes_nothing(app: Served, control: Control, caplog: pytest.LogCaptureFixture) -> None:
    control.failure = RuntimeError(CANARY)
    answer = app.ask_over_unix("POST", "/control/v1/suspend")
    assert (answer.status, CANARY.encode() in answer.body, CANARY in caplog.text) == (500, False, False)
