"""Real sockets: TCP, TLS, and Unix with the peer's credentials; refusals, long paths, drain."""

import asyncio
import contextlib
import hashlib
import http.client
import os
import socket
import ssl
import stat
import struct
import threading
from pathlib import Path
from typing import Any

import pytest

from infra.hosts.asgi import Receive, Scope, Send
from infra.hosts.senders import peer_uid
from infra.hosts.serving import ListenError, Servers, Tls, peer, plain_http, tcp_socket, unix_socket
from infra.hosts.unix_sockets import reachable
from tests.infra.hosts.certificates import Certificates, issued
from tests.infra.hosts.served import PATIENCE, respond, served, telling
from tests.openbao import OpenBao

CLIENT = telling(lambda scope: f"{scope['client'][0]} {scope['scheme']} {peer_uid(scope)}")


def test_port_zero_is_any_port_and_the_client_is_known() -> None:
    with served(CLIENT) as first, served(CLIENT) as second:
        assert first.port != second.port != 0
        assert first.ask("GET", "/").body == b"127.0.0.1 http "


def test_the_clients_address_is_not_what_a_header_says() -> None:
    forged = {"x-forwarded-for": "10.0.0.1", "forwarded": "for=10.0.0.1", "x-real-ip": "uid:0"}
    with served(CLIENT) as app:
        assert app.ask("GET", "/", headers=forged).body == b"127.0.0.1 http "


def test_the_server_says_nothing_of_itself() -> None:
    with served(CLIENT) as app:
        assert not {"server", "date"} & app.ask("GET", "/").headers.keys()


# --- where it may listen -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "169.254.1.1:0"])
def test_plain_http_stays_on_the_loopback(listen: str) -> None:
    with pytest.raises(ListenError, match="--tls-certificate"):
        tcp_socket(listen, None)


@pytest.mark.parametrize(
    "listen", ["", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:-1", "127.0.0.1:65536", "[::1]"]
)
def test_what_is_no_address_is_refused_with_an_example(listen: str) -> None:
    with pytest.raises(ListenError, match=r"give HOST:PORT, such as"):
        tcp_socket(listen, None)


@pytest.mark.parametrize("listen", ["no-such-host.invalid:0", f"{'x' * 300}:0", "a..b:0"])
def test_an_unknown_host_is_refused(listen: str) -> None:
    with pytest.raises(ListenError, match="--listen"):
        tcp_socket(listen, None)


def test_plain_http_beyond_the_loopback_must_be_meant() -> None:
    assert not plain_http({})
    with pytest.raises(ListenError, match="set it to 'beyond-loopback'"):
        plain_http({"LOCKSTEP_PLAIN_HTTP": "1"})
    with tcp_socket("0.0.0.0:0", None, plain=plain_http({"LOCKSTEP_PLAIN_HTTP": "beyond-loopback"})) as bound:
        assert bound.getsockname()[0] == "0.0.0.0"


@pytest.mark.parametrize("listen", [":0", "localhost:0", "127.8.9.10:0"])
def test_names_of_the_loopback(listen: str) -> None:
    with tcp_socket(listen, None) as bound:
        assert bound.getsockname()[1] > 0


def test_ipv6_loopback() -> None:
    try:
        bound = tcp_socket("[::1]:0", None)
    except ListenError:
        pytest.skip("this machine has no IPv6")
    with bound:
        assert bound.getsockname()[0] == "::1"


def test_a_taken_port_is_named() -> None:
    with served(CLIENT) as app, pytest.raises(ListenError, match=r"in use; give another address, or port 0"):
        tcp_socket(f"127.0.0.1:{app.port}", None)


def test_two_that_bound_before_either_listened() -> None:
    """Linux lets both bind: the second one must still end with the refusal, not with a bare OSError."""
    first = tcp_socket("127.0.0.1:0", None)
    second = tcp_socket(f"127.0.0.1:{first.getsockname()[1]}", None)
    first.listen()
    servers = Servers(CLIENT)
    servers.add_tcp(second)
    with first, pytest.raises(ListenError, match=r"cannot listen: .*in use"):
        servers.run(lambda: None)
    servers.close()


# --- the Unix socket ------------------------------------------------------------------------------------------------


def test_a_unix_socket_knows_its_peer(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with served(CLIENT, unix=path) as app:
        answer = app.ask_over_unix("GET", "/")
        assert answer.body == f"uid:{os.geteuid()} http {os.geteuid()}".encode()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert app.ask("GET", "/").body.endswith(b" "), "a connection over TCP has no user"


def test_another_users_number_beyond_31_bits() -> None:
    """`nobody` of some systems is 4294967294; read with a sign, it would be somebody else."""
    nobody = 2**32 - 2
    told = struct.pack("=iII", 4711, nobody, nobody)

    class Connection:
        def getsockopt(self, level: int, option: int, size: int) -> bytes:
            assert (level, option, size) == (socket.SOL_SOCKET, socket.SO_PEERCRED, len(told))
            return told

    assert peer(Connection()) == (f"uid:{nobody}", 4711)


def test_the_umask_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the whole process's: other threads make directories while the socket is bound."""
    changed: list[int] = []
    monkeypatch.setattr(os, "umask", changed.append)
    unix_socket(tmp_path / "s.sock").close()
    assert changed == []
    assert stat.S_IMODE((tmp_path / "s.sock").stat().st_mode) == 0o600


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    unix_socket(path).close()
    with served(CLIENT, unix=path) as app:
        assert app.ask_over_unix("GET", "/").status == 200


def test_a_deep_root(tmp_path: Path) -> None:
    deep = tmp_path
    while len(os.fsencode(deep)) < 300:
        deep /= "d" * 50
    deep.mkdir(parents=True)
    path = deep / "lockstep.sock"
    with served(CLIENT, unix=path) as app:
        assert app.ask_over_unix("GET", "/").status == 200
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with reachable(path) as short:
        assert len(short) < 100
    with reachable(tmp_path) as same:
        assert same == str(tmp_path)


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ListenError, match="nowhere"):
        unix_socket(tmp_path / "nowhere" / "s.sock")


# --- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def certificates(openbao: OpenBao, tmp_path: Path) -> Certificates:
    return issued(openbao, tmp_path)


@pytest.mark.e2e
def test_tls(certificates: Certificates) -> None:
    tls = Tls(certificates.server, certificates.key)
    context = ssl.create_default_context(cafile=str(certificates.ca))
    with served(CLIENT, listen="0.0.0.0:0", tls=tls) as app:
        connection = app.connect(tls=context)
        assert app.ask("GET", "/", connection=connection).body == b"127.0.0.1 https "
        assert isinstance(connection.sock, ssl.SSLSocket)
        assert connection.sock.version() in {"TLSv1.2", "TLSv1.3"}
        connection.close()
        with pytest.raises((OSError, ssl.SSLError)):
            app.ask("GET", "/", connection=app.connect(tls=ssl.create_default_context()))


@pytest.mark.e2e
def test_tls_12_has_forward_secrecy(certificates: Certificates) -> None:
    context = ssl.create_default_context(cafile=str(certificates.ca))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with served(CLIENT, tls=Tls(certificates.server, certificates.key)) as app:
        connection = app.connect(tls=context)
        connection.connect()
        cipher = connection.sock.cipher()  # type: ignore[union-attr]  # it is a TLS socket
        connection.close()
    assert "GCM" in cipher[0] or "CHACHA20" in cipher[0]
    assert cipher[0].startswith("ECDHE")


@pytest.mark.e2e
def test_files_that_do_not_fit_are_refused_before_anything_starts(certificates: Certificates, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate")
    for certificate, key in (
        (garbage, certificates.key),
        (certificates.server, garbage),
        (certificates.ca, certificates.key),
        (tmp_path / "absent", certificates.key),
        (tmp_path, certificates.key),
    ):
        with pytest.raises(ListenError, match="cannot be used"):
            tcp_socket("127.0.0.1:0", Tls(certificate, key))


# --- defects and drain ------------------------------------------------------------------------------------------------


async def _defective(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/late":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
    raise RuntimeError("canary-4711")


def test_a_defect_is_answered_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    with served(_defective) as app:
        answer = app.ask("GET", "/")
        assert (answer.status, b"canary" in answer.body) == (500, False)
        with pytest.raises(Exception, match=r"."):
            app.ask("GET", "/late")
        assert app.ask("GET", "/").status == 500
    assert "canary" not in caplog.text
    assert "RuntimeError at tests.infra.hosts.test_serving:" in caplog.text


def test_running_requests_end_and_new_ones_are_refused() -> None:
    entered, release = threading.Event(), threading.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        entered.set()
        await asyncio.to_thread(release.wait, PATIENCE)
        await respond(send, 200, b"done")

    answers: list[bytes] = []
    with served(slow) as app:
        idle = app.connect()
        idle.connect()
        asking = threading.Thread(target=lambda: answers.append(app.ask("GET", "/").body))
        asking.start()
        assert entered.wait(PATIENCE)
        app.servers.stop()
        while _accepts(app.port):
            pass
        release.set()
        asking.join(PATIENCE)
        idle.close()
    assert answers == [b"done"]


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return False
    except ConnectionResetError:
        return True  # it was in the queue of a listener that closed just then: the next one is refused
    return True


# --- client certificates ----------------------------------------------------------------------------------------------

SHOWN = telling(lambda scope: scope["extensions"]["lockstep.certificate"] or "none")


@pytest.mark.e2e
def test_a_client_is_known_by_a_certificate_that_was_verified(certificates: Certificates, tmp_path: Path) -> None:
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificates.server.read_text())).hexdigest()
    context = ssl.create_default_context(cafile=str(certificates.ca))
    shows = ssl.create_default_context(cafile=str(certificates.ca))
    shows.load_cert_chain(certificates.server, certificates.key)

    def body(app: Any, client: ssl.SSLContext) -> bytes:
        with contextlib.closing(app.connect(tls=client)) as connection:
            found: bytes = app.ask("GET", "/", connection=connection).body
            return found

    with served(SHOWN, tls=Tls(certificates.server, certificates.key, certificates.ca)) as app:
        assert body(app, context) == b"none"
        assert body(app, shows) == digest.encode()
    with served(SHOWN, tls=Tls(certificates.server, certificates.key)) as app:  # nobody asks for one
        assert body(app, shows) == b"none"


@pytest.mark.e2e
def test_a_certificate_of_somebody_else_is_refused(
    certificates: Certificates, openbao: OpenBao, tmp_path: Path
) -> None:
    strange = tmp_path / "strange"
    strange.mkdir()
    other = issued(openbao, strange)
    shows = ssl.create_default_context(cafile=str(certificates.ca))
    shows.load_cert_chain(other.server, other.key)
    with (
        served(SHOWN, tls=Tls(certificates.server, certificates.key, certificates.ca)) as app,
        contextlib.closing(app.connect(tls=shows)) as connection,
        pytest.raises((OSError, ssl.SSLError, http.client.HTTPException)),
    ):
        app.ask("GET", "/", connection=connection)


def test_what_is_no_authority_is_told(certificates: Certificates, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("nothing")
    with pytest.raises(ListenError, match="--tls-client-ca"):
        tcp_socket("127.0.0.1:0", Tls(certificates.server, certificates.key, wrong))
