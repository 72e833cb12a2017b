"""The thin client against a server that answers whatever a test tells it."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from events.references import PathRef
from functions._failures import Conflict, Reject, StepFailure, Unavailable
from functions._values import SecretValue
from infra.stores.vault.auth import Token
from infra.stores.vault.authority import VaultAuthority
from infra.stores.vault.client import VaultClient
from infra.stores.vault.health import health
from infra.stores.vault.http import HttpClient
from infra.stores.vault.kv import KvEngine
from infra.stores.vault.settings import InvalidSettings, VaultSettings
from infra.stores.vault.token_keeper import TokenKeeper
from tests.openbao import OpenBao

PATH = PathRef(mount="secret", path="team/app")
CANARY = "canary-f4a1"


@dataclass
class Scripted:
    """Answers every request with the next of `answers`, the last one for ever."""

    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    connections: int = 0
    drop: int = 0  # how many requests to hang up on

    def answer(self, status: int, body: object = None, **headers: str) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        self.answers.append((status, {name.replace("_", "-"): value for name, value in headers.items()}, raw))


@dataclass
class Fixture:
    script: Scripted
    address: str

    def client(self, **settings: object) -> HttpClient:
        return HttpClient(VaultSettings(self.address, **settings))  # type: ignore[arg-type]  # each test's own settings


def _handler(script: Scripted) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            script.connections += 1

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(length)
            script.seen.append((self.command, self.path, dict(self.headers.items())))
            if script.drop > 0:
                script.drop -= 1
                self.close_connection = True
                return
            status, headers, body = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Quiet."""

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler._serve)
    return Handler


class QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what some tests are about."""


@pytest.fixture
def serve() -> Iterator[Callable[..., Fixture]]:
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(tls: ssl.SSLContext | None = None) -> Fixture:
        script = Scripted()
        server = QuietServer(("127.0.0.1", 0), _handler(script))
        server.daemon_threads = True
        server.block_on_close = False
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        servers.append((server, thread))
        return Fixture(script, f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}")

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


class Fixed:
    """An authenticator with one token that never expires."""

    def __init__(self) -> None:
        self.logins = 0

    def login(self) -> Token:
        self.logins += 1
        return Token(SecretValue.of(f"s.{CANARY}"), 0, renewable=False)


def authority(http: HttpClient) -> VaultAuthority:
    return VaultAuthority(KvEngine(VaultClient(http, TokenKeeper(http, Fixed()), "lockstep-publish")))


def failure_of(serve: Callable[..., Fixture], status: int, body: object = None, **headers: str) -> StepFailure:
    fixture = serve()
    fixture.script.answer(status, body, **headers)
    http = fixture.client()
    with pytest.raises(StepFailure) as caught:
        authority(http).write(PATH, {"password": SecretValue.of(CANARY)}, None)
    http.close()
    assert CANARY not in repr(caught.value) + str(caught.value) + caught.value.reason
    assert caught.value.__cause__ is None or CANARY not in str(caught.value.__cause__)
    return caught.value


def test_connections_are_kept_and_headers_sent(serve: Callable[..., Fixture]) -> None:
    fixture = serve()
    fixture.script.answer(200, {"data": {}})
    calls: list[tuple[str, str]] = []
    http = HttpClient(VaultSettings(fixture.address, namespace="team-a"), lambda *call: calls.append(call))
    for _ in range(5):
        http.request("GET", "secret/data/x", kind="read", token=SecretValue.of("s.token"))
    assert fixture.script.connections == 1
    assert calls == [("GET", "read")] * 5
    method, path, headers = fixture.script.seen[0]
    assert (method, path) == ("GET", "/v1/secret/data/x")
    assert headers["X-Vault-Token"] == "s.token"
    assert headers["X-Vault-Namespace"] == "team-a"
    http.close()


def test_answers_show_no_values() -> None:
    fixture = repr(VaultClient) + repr(Token(SecretValue.of(CANARY), 1, renewable=True))
    assert CANARY not in fixture


@pytest.mark.parametrize("status", [429, 472, 473, 500, 502, 503, 504, 599])
def test_shedding_and_failing_is_unavailable(serve: Callable[..., Fixture], status: int) -> None:
    failure = failure_of(serve, status, {"errors": ["overloaded"]}, Retry_After="7")
    assert isinstance(failure, Unavailable)
    assert (failure.dependency, failure.after) == ("authority", 7.0)
    assert "overloaded" in failure.reason


def test_sealed_says_what_to_do(serve: Callable[..., Fixture]) -> None:
    assert "unseal" in failure_of(serve, 503, {"errors": ["Vault is sealed"]}).reason


def test_a_proxys_page_is_not_shown(serve: Callable[..., Fixture]) -> None:
    failure = failure_of(serve, 502, f"<html>{CANARY}</html>".encode(), Retry_After="tomorrow")
    assert isinstance(failure, Unavailable)
    assert failure.after is None


def test_too_large_is_rejected(serve: Callable[..., Fixture]) -> None:
    assert isinstance(failure_of(serve, 413, {"errors": ["http: request body too large"]}), Reject)
    assert isinstance(failure_of(serve, 500, {"errors": ["put failed due to value being too large"]}), Reject)


def test_compare_and_set_is_a_conflict(serve: Callable[..., Fixture]) -> None:
    said = "check-and-set parameter did not match the current version"
    assert isinstance(failure_of(serve, 400, {"errors": [said]}), Conflict)


def test_other_bad_requests_are_rejected(serve: Callable[..., Fixture]) -> None:
    assert "no data" in failure_of(serve, 400, {"errors": ["no data provided"]}).reason
    assert isinstance(failure_of(serve, 405, {"errors": ["unsupported operation"]}), Reject)


def test_a_mount_being_upgraded_is_unavailable(serve: Callable[..., Fixture]) -> None:
    failure = failure_of(serve, 400, {"errors": ["Upgrading from non-versioned to versioned data."]})
    assert isinstance(failure, Unavailable)


def test_redirects_are_not_followed(serve: Callable[..., Fixture]) -> None:
    failure = failure_of(serve, 307, b"", Location=f"http://127.0.0.1:1/{CANARY}")
    assert isinstance(failure, Unavailable)
    assert "redirects" in failure.reason


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[1]", b'{"data": "canary-f4a1', b"[" * 200_000, b'{"data":{}}'])
def test_what_is_no_kv_answer_fails_without_showing_it(serve: Callable[..., Fixture], body: bytes) -> None:
    assert isinstance(failure_of(serve, 200, body), Unavailable | Reject)


def test_answers_are_bounded(serve: Callable[..., Fixture]) -> None:
    fixture = serve()
    fixture.script.answer(200, b'{"x": "' + b"y" * 5000 + b'"}')
    http = fixture.client(max_response=1000)
    with pytest.raises(Unavailable, match="larger than 1000"):
        http.request("GET", "x", kind="read")
    http.close()


def test_a_dropped_connection_is_read_again_but_not_written_again(serve: Callable[..., Fixture]) -> None:
    fixture = serve()
    fixture.script.answer(200, {"data": {}})
    http = fixture.client()
    fixture.script.drop = 1
    assert http.request("GET", "x", kind="read").status == 200
    assert len(fixture.script.seen) == 2
    fixture.script.drop = 1
    with pytest.raises(Unavailable):
        http.request("POST", "x", kind="write", body={})
    assert len(fixture.script.seen) == 3
    http.close()


def test_nobody_there() -> None:
    http = HttpClient(VaultSettings("http://127.0.0.1:1", connect_timeout=0.5))
    with pytest.raises(Unavailable, match="cannot reach"):
        http.request("GET", "x", kind="read")
    found = health(http)
    assert not found.reachable
    assert not found.serves
    assert "cannot reach" in found.reason


def test_a_slow_answer_times_out(serve: Callable[..., Fixture]) -> None:
    fixture = serve()
    release = threading.Event()
    fixture.script.answers = _Slow(release)
    http = fixture.client(read_timeout=0.05)
    with pytest.raises(Unavailable, match="Timeout"):
        http.request("GET", "x", kind="read")
    release.set()
    http.close()


class _Slow(list[tuple[int, dict[str, str], bytes]]):
    def __init__(self, release: threading.Event) -> None:
        super().__init__([(200, {}, b"{}")])
        self._release = release

    def __len__(self) -> int:
        self._release.wait(10)
        return 1


@pytest.mark.parametrize(
    ("status", "body", "serves", "reason"),
    [
        (200, {"initialized": True, "sealed": False, "standby": False, "version": "2.7.2"}, True, ""),
        (429, {"initialized": True, "sealed": False, "standby": True}, True, ""),
        (501, {"initialized": False, "sealed": True}, False, "initialize"),
        (503, {"initialized": True, "sealed": True}, False, "unseal"),
        (502, None, False, "answers 502"),
    ],
)
def test_health(serve: Callable[..., Fixture], status: int, body: object, serves: bool, reason: str) -> None:
    fixture = serve()
    fixture.script.answer(status, body)
    http = fixture.client()
    found = health(http)
    assert (found.serves, found.reachable) == (serves, True)
    assert reason in found.reason
    http.close()


# --- TLS, with certificates that a real OpenBao issues ---


@dataclass
class Certificates:
    ca: Path
    server: Path
    server_key: Path


@pytest.fixture
def certificates(openbao: OpenBao, tmp_path: Path) -> Certificates:
    admin = openbao.admin()
    mount = f"pki-{tmp_path.name}".replace("_", "-")
    admin.call("POST", f"sys/mounts/{mount}", body={"type": "pki"}, kind="test")
    root = {"common_name": "test ca", "key_type": "ec", "ttl": "48h"}
    admin.call("POST", f"{mount}/root/generate/internal", body=root, kind="test")
    role = {"allow_any_name": True, "enforce_hostnames": False, "key_type": "ec"}
    admin.call("POST", f"{mount}/roles/any", body=role, kind="test")
    wanted = {"common_name": "vault.test", "ip_sans": "127.0.0.1", "ttl": "1h"}
    issued = admin.call("POST", f"{mount}/issue/any", body=wanted, kind="test").body["data"]
    found = Certificates(tmp_path / "ca.pem", tmp_path / "server.pem", tmp_path / "server.key")
    found.ca.write_text(issued["issuing_ca"])
    found.server.write_text(issued["certificate"])
    found.server_key.write_text(issued["private_key"])
    admin.call("DELETE", f"sys/mounts/{mount}", kind="test")
    return found


@pytest.fixture
def tls_server(serve: Callable[..., Fixture], certificates: Certificates) -> Fixture:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server, certificates.server_key)
    context.load_verify_locations(certificates.ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    fixture = serve(context)
    fixture.script.answer(200, {})
    return fixture


@pytest.mark.e2e
def test_tls_is_verified(tls_server: Fixture, certificates: Certificates) -> None:
    unverified = tls_server.client()
    with pytest.raises(Unavailable, match="SSL"):
        unverified.request("GET", "x", kind="read")
    for settings in (
        {"ca_cert": str(certificates.ca)},
        {"ca_cert": str(certificates.ca), "tls_server_name": "vault.test"},
        {"skip_verify": True},
        {
            "ca_cert": str(certificates.ca),
            "client_cert": str(certificates.server),
            "client_key": str(certificates.server_key),
        },
    ):
        http = tls_server.client(**settings)
        assert http.request("GET", "x", kind="read").status == 200
        http.close()


@pytest.mark.e2e
def test_another_servers_certificate_is_refused(tls_server: Fixture, certificates: Certificates) -> None:
    http = tls_server.client(ca_cert=str(certificates.ca), tls_server_name="other.test")
    with pytest.raises(Unavailable, match="SSL"):
        http.request("GET", "x", kind="read")


def test_certificates_that_cannot_be_loaded(tmp_path: Path) -> None:
    for settings in ({"ca_cert": str(tmp_path / "none")}, {"client_cert": "/none", "client_key": "/none"}):
        with pytest.raises(InvalidSettings, match="certificate"):
            HttpClient(VaultSettings("https://127.0.0.1:1", **settings))  # type: ignore[arg-type]  # texts
