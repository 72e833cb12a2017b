"""PostgreSQL over TLS: the packaged server is built without, so that its TLS is spoken by a door in front of it."""

import contextlib
import select
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from functions._failures import Unavailable
from functions._systems import AdminRefused
from tests.certificates import Issued, issue
from tests.contracts.systems import PostgresBench, credential
from tests.openbao import OpenBao
from tests.postgres import Postgres

pytestmark = pytest.mark.e2e

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)


class _Visit(socketserver.BaseRequestHandler):
    """One connection: SSLRequest, then TLS towards the client and plain text towards the server."""

    server: "Door"

    def handle(self) -> None:
        self.request.settimeout(60)
        with contextlib.suppress(OSError):
            assert self.request.recv(8, socket.MSG_WAITALL) == _SSL_REQUEST
            self.request.sendall(b"S")
            with (
                self.server.context.wrap_socket(self.request, server_side=True) as client,
                socket.create_connection(("127.0.0.1", self.server.behind), 60) as server,
            ):
                _pass(client, server)


def _pass(client: ssl.SSLSocket, server: socket.socket) -> None:
    """Both ways, until one side has said everything."""
    while True:
        ready = [client] if client.pending() else select.select([client, server], [], [], 60)[0]
        for one, other in ((client, server), (server, client)):
            if one in ready:
                part = one.recv(65536)
                if not part:
                    return
                other.sendall(part)


class Door(socketserver.ThreadingTCPServer):
    """What clients connect to."""

    daemon_threads = True

    def __init__(self, certificate: Issued, behind: int) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate.certificate, certificate.key)
        self.behind = behind
        super().__init__(("127.0.0.1", 0), _Visit)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


@pytest.fixture
def certificate(openbao: OpenBao, tmp_path: Path) -> Issued:
    return issue(openbao, tmp_path)


@pytest.fixture
def door(certificate: Issued, postgres: Postgres) -> Iterator[Door]:
    with Door(certificate, postgres.port) as opened:
        serving = threading.Thread(target=opened.serve_forever, daemon=True)
        serving.start()
        yield opened
        opened.shutdown()
        serving.join()


@pytest.mark.parametrize("mode", ["verify-full", "verify-ca", "require"])
def test_a_server_that_proves_who_it_is(postgres: Postgres, door: Door, certificate: Issued, mode: str) -> None:
    bench = PostgresBench(postgres)
    role = bench.account("old")
    system = bench.opened(lambda: bench.right_admin, port=door.port, sslmode=mode, ca=certificate.ca)
    system.apply(credential(role, "new"), "a1")
    assert system.accepts(credential(role, "new"))
    assert not system.accepts(credential(role, "old"))
    wrong = bench.opened(lambda: ("lockstep_admin", "wrong"), port=door.port, sslmode=mode, ca=certificate.ca)
    with pytest.raises(AdminRefused):
        wrong.apply(credential(role, "newest"), "a1")


def test_a_server_that_others_vouch_for(postgres: Postgres, door: Door) -> None:
    bench = PostgresBench(postgres)
    role = bench.account("old")
    for mode in ("verify-full", "verify-ca"):
        system = bench.opened(lambda: bench.right_admin, port=door.port, sslmode=mode)
        with pytest.raises(Unavailable, match="prove who it is"):
            system.accepts(credential(role, "old"))
        with pytest.raises(Unavailable, match="prove who it is"):
            system.apply(credential(role, "new"), "a1")
    assert bench.lets_in(role, "old")


def test_a_server_of_another_name(postgres: Postgres, door: Door, certificate: Issued) -> None:
    bench = PostgresBench(postgres)
    role = bench.account("old")
    strict, lax = (
        bench.opened(lambda: bench.right_admin, host="localhost", port=door.port, sslmode=mode, ca=certificate.ca)
        for mode in ("verify-full", "verify-ca")
    )
    assert lax.accepts(credential(role, "old"))
    with pytest.raises(Unavailable, match="prove who it is"):
        strict.accepts(credential(role, "old"))


def test_encrypted_but_not_verified_is_told(postgres: Postgres, door: Door) -> None:
    bench = PostgresBench(postgres)
    found = bench.opened(lambda: bench.right_admin, port=door.port, sslmode="require").examine(())
    assert ["verify-full" in one.text for one in found] == [True]
