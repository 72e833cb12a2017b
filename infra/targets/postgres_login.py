"""One real login at a PostgreSQL server, and exactly how it ended (protocol 3.0, chapters "Message Flow" and "SASL").

libpq tells the SQLSTATE of a failed login only within a sentence in the server's language, and takes what surrounds the
process (PGSSLMODE, ~/.pgpass, a trusting server) into account. Whether a credential works is decided here, where
neither can mislead.
"""

import hashlib
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from functions._failures import Reject, Unavailable
from infra.targets.scram import NotTheServer, ScramClient

_PROTOCOL, _SSL_REQUEST = 196608, 80877103
_LARGEST = 64 * 1024  # bytes of one message before a login is over
_OK, _MD5, _SASL, _SASL_CONTINUE, _SASL_FINAL = 0, 5, 10, 11, 12
_REFUSALS = frozenset({"28P01", "28000"})  # wrong or no password, expired; NOLOGIN
# Where in the server the latter comes from that says nothing of the password: no line of pg_hba.conf, or a `reject`.
_NOT_ADMITTED = "ClientAuthentication"
_UNAUTHORISED_HERE = frozenset({"3D000", "42501", "55000"})  # authenticated, but not for this database


class Login(Enum):
    """How a login ended. `FULL`: no connection was free, before or after the password was looked at."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    FULL = "full"


@dataclass(frozen=True)
class Server:
    """Where a server is. `host` beginning with "/" is the directory of its Unix socket; `tls` None: no TLS."""

    name: str  # the target's, for messages
    host: str
    port: int
    database: str
    timeout: float  # seconds for a whole login
    tls: ssl.SSLContext | None = None

    def unavailable(self, why: str) -> Unavailable:
        return Unavailable(self.name, f"PostgreSQL of target {self.name!r} at {self.host}:{self.port} {why}")


def login(server: Server, account: str, password: bytes) -> Login:
    """Log in and out. Raises Unavailable, and Reject where the server asks for no proof of the password."""
    with _connected(server) as stream:
        return _Session(server, stream, account, password).outcome()


@contextmanager
def _connected(server: Server) -> Iterator["_Stream"]:
    stream = _Stream(server)
    try:
        stream.connect()
        yield stream
    except ssl.SSLError as error:
        raise server.unavailable(f"does not prove who it is by TLS ({error.reason or 'no reason'})") from None
    except (OSError, EOFError, struct.error) as error:  # the last: a message that is too short to be one
        raise server.unavailable(f"cannot be spoken to ({type(error).__name__})") from None
    finally:
        stream.close()


class _Stream:
    """Messages over one connection, all within the server's time."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._ends = time.monotonic() + server.timeout
        self._socket: socket.socket | None = None

    def connect(self) -> None:
        server = self._server
        if server.host.startswith("/"):
            self._socket = socket.socket(socket.AF_UNIX)
            self._wait()
            self._socket.connect(f"{server.host}/.s.PGSQL.{server.port}")
            return
        self._socket = socket.create_connection((server.host, server.port), server.timeout)
        if server.tls is not None:
            self.send(b"", struct.pack("!i", _SSL_REQUEST))
            if self._exactly(1) != b"S":
                raise server.unavailable("offers no TLS; have it do so, or set parameter sslmode")
            self._wait()
            self._socket = server.tls.wrap_socket(self._socket, server_hostname=server.host)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def send(self, kind: bytes, body: bytes) -> None:
        if self._socket is not None:
            self._wait()
            self._socket.sendall(kind + struct.pack("!i", len(body) + 4) + body)

    def receive(self) -> tuple[bytes, bytes]:
        """The kind of the next message, and its body."""
        kind = self._exactly(1)
        (length,) = struct.unpack("!i", self._exactly(4))
        if not 4 <= length <= _LARGEST:
            raise EOFError
        return kind, self._exactly(length - 4)

    def _exactly(self, count: int) -> bytes:
        got = bytearray()
        while len(got) < count:
            self._wait()
            part = self._socket.recv(count - len(got)) if self._socket is not None else b""
            if not part:
                raise EOFError
            got += part
        return bytes(got)

    def _wait(self) -> None:
        left = self._ends - time.monotonic()
        if left <= 0 or self._socket is None:
            raise TimeoutError
        self._socket.settimeout(left)


class _Session:
    """The exchange until the server is ready for a query, or says no."""

    def __init__(self, server: Server, stream: _Stream, account: str, password: bytes) -> None:
        self._server = server
        self._stream = stream
        self._account = account
        self._password = password
        self._scram = ScramClient(password)
        self._proven = False  # the server looked at the password

    def outcome(self) -> Login:
        names = {"user": self._account, "database": self._server.database, "application_name": "lockstep"}
        if any("\0" in text for text in names.values()):
            raise Reject(f"a name at target {self._server.name!r} holds a zero byte; no PostgreSQL name does")
        told = b"".join(key.encode() + b"\0" + text.encode() + b"\0" for key, text in names.items())
        self._stream.send(b"", struct.pack("!i", _PROTOCOL) + told + b"\0")
        while True:
            kind, body = self._stream.receive()
            if kind == b"E":
                return self._refusal(body)
            if kind == b"R":
                self._authenticate(struct.unpack("!i", body[:4])[0], body[4:])
            if kind == b"Z":
                self._stream.send(b"X", b"")
                return Login.ACCEPTED

    def _authenticate(self, asked: int, body: bytes) -> None:
        try:
            self._answer(asked, body)
        except NotTheServer:
            raise self._server.unavailable("does not know the account's password itself: it is another one") from None

    def _answer(self, asked: int, body: bytes) -> None:
        if asked == _SASL and b"SCRAM-SHA-256" in body.split(b"\0"):
            first = self._scram.first()
            self._stream.send(b"p", b"SCRAM-SHA-256\0" + struct.pack("!i", len(first)) + first)
        elif asked == _SASL_CONTINUE:
            self._stream.send(b"p", self._scram.final(body))
        elif asked == _SASL_FINAL:
            self._scram.check(body)
            self._proven = True
        elif asked == _MD5:
            self._stream.send(b"p", self._md5(body[:4]) + b"\0")
            self._proven = True
        elif asked != _OK:
            raise Reject(
                f"PostgreSQL of target {self._server.name!r} asks for the password of {self._account!r} in a way that "
                f"is not used (authentication request {asked}); have pg_hba.conf say scram-sha-256"
            )
        elif not self._proven:
            raise Reject(
                f"PostgreSQL of target {self._server.name!r} lets {self._account!r} in without its password; "
                "have pg_hba.conf say scram-sha-256, for no credential can be verified or revoked there"
            )

    def _md5(self, salt: bytes) -> bytes:
        inner = hashlib.md5(self._password + self._account.encode(), usedforsecurity=False).hexdigest()
        return b"md5" + hashlib.md5(inner.encode() + salt, usedforsecurity=False).hexdigest().encode()

    def _refusal(self, body: bytes) -> Login:
        fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
        state = fields.get(b"C", "?????")[:5]
        if state == "28000" and fields.get(b"R") == _NOT_ADMITTED:
            raise Reject(
                f"pg_hba.conf of target {self._server.name!r} admits no login of {self._account!r} from here, whatever "
                "its password, so none can be verified or revoked; have it admit the machine that Lockstep runs on"
            )
        if state in _REFUSALS:
            return Login.REFUSED
        if state == "53300":
            return Login.FULL
        if state in _UNAUTHORISED_HERE:
            raise Reject(
                f"{self._account!r} may not connect to database {self._server.database!r} of target "
                f"{self._server.name!r} (SQLSTATE {state}); grant CONNECT, or name another one in parameter database"
            )
        raise self._server.unavailable(f"does not take logins (SQLSTATE {state})")
