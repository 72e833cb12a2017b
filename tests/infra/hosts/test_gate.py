"""Whether the authority serves: asked rarely, answered quickly, however long it is silent."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from infra.hosts import gate
from infra.hosts.gate import AuthorityGate, impatient
from infra.stores.vault.http import HttpClient
from infra.stores.vault.settings import VaultSettings


class Authority(ThreadingHTTPServer):
    """Answers sys/health with `body`, once `release` is set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body = b'{"initialized": true, "sealed": false}'
        self.asked = 0
        self.release = threading.Event()
        self.release.set()
        self.settings = VaultSettings(f"http://127.0.0.1:{self.server_address[1]}")


class _Handler(BaseHTTPRequestHandler):
    server: Authority

    def do_GET(self) -> None:
        self.server.asked += 1
        self.server.release.wait(20)
        self.send_response(200)
        self.send_header("content-length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def authority() -> Iterator[Authority]:
    server = Authority()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_answer_is_reused_for_a_while(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = AuthorityGate(HttpClient(authority.settings))
    monkeypatch.setattr(gate, "_FRESH", 3600.0)
    assert [asked.ready() for _ in range(5)] == [True] * 5
    assert authority.asked == 1
    authority.body = b'{"initialized": true, "sealed": true}'
    monkeypatch.setattr(gate, "_FRESH", -1.0)
    assert not asked.ready()
    assert "sealed; unseal it" in asked.health().reason


def test_nobody_is_told_to_unseal_what_unseals_itself(authority: Authority) -> None:
    authority.body = b'{"initialized": true, "sealed": true}'
    asked = AuthorityGate(HttpClient(authority.settings), unseals_itself=True)
    assert not asked.ready()
    assert asked.health().reason.endswith("is starting, and unseals itself")
    authority.body = b'{"initialized": false, "sealed": true}'
    asked = AuthorityGate(HttpClient(authority.settings), unseals_itself=True)
    assert asked.health().reason.endswith("is not initialized; initialize it")


def test_a_silent_authority_is_not_waited_for(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "_PATIENCE", 0.05)
    settings = impatient(authority.settings)
    assert (settings.connect_timeout, settings.read_timeout) == (0.05, 0.05)
    authority.release.clear()
    asked = AuthorityGate(HttpClient(settings))
    assert not asked.ready()
    assert "cannot reach" in asked.health().reason


def test_patience_is_never_lengthened() -> None:
    assert impatient(VaultSettings("http://127.0.0.1", connect_timeout=0.1, read_timeout=0.2)).read_timeout == 0.2


def test_nobody_there() -> None:
    asked = AuthorityGate(HttpClient(VaultSettings("http://127.0.0.1:9")))
    assert not asked.ready()
    assert not asked.health().reachable
