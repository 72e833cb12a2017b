"""Serving ASGI over TCP and over a Unix socket whose peers are known by their credentials (uvicorn)."""

import asyncio
import contextlib
import os
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import uvicorn

from infra.hosts.bounded_http import BoundedHttpProtocol
from infra.hosts.defects import LastResort
from infra.hosts.senders import PEER

_LONGEST_SOCKET_PATH = 100  # bytes; the kernel's limit is 108
_CREDENTIALS = struct.Struct("i2I")  # ucred: process, user and group, the latter two unsigned


class ListenError(RuntimeError):
    """The address cannot be listened on; the message says why and what to give instead."""


@dataclass(frozen=True, slots=True)
class Tls:
    """A server certificate and its key, PEM files."""

    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or newer with the library's own choice of ciphers. Raises ListenError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            # An empty password: an encrypted key is an error, not a question on the terminal of a service.
            context.load_cert_chain(self.certificate, self.key, password="")
        except (OSError, ValueError) as error:  # includes ssl.SSLError
            raise ListenError(
                f"--tls-certificate {self.certificate} and --tls-key {self.key} cannot be used "
                f"({type(error).__name__}); give a PEM chain and its own key without a password"
            ) from None
        return context


class _PeerProtocol(BoundedHttpProtocol):
    """HTTP over a Unix socket: the client is the peer's user id, as the kernel says."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.client = peer(transport.get_extra_info("socket"))


class _Connected(Protocol):
    """What is asked of a socket."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes: ...


def peer(connection: _Connected) -> tuple[str, int]:
    """Who is at the other end of a Unix socket, as the kernel says: `uid:<number>`, and the process."""
    pid, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return f"{PEER}{uid}", pid


class _Server(uvicorn.Server):
    """Leaves signals to the host, which has more to stop than a server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def tcp_socket(listen: str, tls: Tls | None) -> socket.socket:
    """A bound socket for `HOST:PORT` (port 0: any). Raises ListenError, also for plain HTTP beyond the loopback."""
    if tls is not None:
        tls.context()  # before anything is started, so that a wrong file is said at once
    host, separator, port = listen.rpartition(":")
    host = host.strip("[]")
    if not separator or not port.isdecimal() or int(port) > 65535:
        raise ListenError(f"--listen {listen!r}: give HOST:PORT, such as 127.0.0.1:8080")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or "127.0.0.1", int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no such host"
        raise ListenError(f"--listen {listen!r}: {reason}; give HOST:PORT, such as 127.0.0.1:8080") from None
    if tls is None and not str(address[0]).startswith("127.") and address[0] != "::1":
        raise ListenError(f"--listen {listen!r} is not the loopback: that needs --tls-certificate and --tls-key")
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(address)
    except OSError as error:
        made.close()
        raise ListenError(f"--listen {listen!r}: {error.strerror}; give another address, or port 0 for any") from None
    return made


def unix_socket(path: Path) -> socket.socket:
    """A bound Unix socket, 0600, replacing a stale one; the caller holds the lock of its directory.

    Raises ListenError.
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        # Linux takes the mode from the socket. A umask would be the whole process's, and its threads write files.
        os.fchmod(made.fileno(), 0o600)
        with reachable(path) as short:
            made.bind(short)
            Path(short).chmod(0o600)
    except OSError as error:
        made.close()
        raise ListenError(
            f"{path}: {error.strerror}; see who owns its directory, and whether the disk is full"
        ) from None
    return made


@contextlib.contextmanager
def reachable(path: Path) -> Iterator[str]:
    """A name of the socket that fits the kernel's limit, however deep ROOT lies."""
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


class Servers:
    """One ASGI application on several sockets."""

    def __init__(self, app: Any, drain_seconds: int = 10) -> None:
        self._app = LastResort(app)
        self._drain = drain_seconds
        self._servers: list[tuple[uvicorn.Server, socket.socket]] = []

    def add_tcp(self, bound: socket.socket, tls: Tls | None = None) -> None:
        self._add(bound, BoundedHttpProtocol, tls)

    def add_unix(self, bound: socket.socket) -> None:
        self._add(bound, _PeerProtocol, None)

    def _add(self, bound: socket.socket, protocol: Any, tls: Tls | None) -> None:
        config = uvicorn.Config(
            self._app,
            http=protocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            backlog=512,
            limit_concurrency=512,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=self._drain,
            ssl_context_factory=(lambda *_: tls.context()) if tls else None,
        )
        self._servers.append((_Server(config), bound))

    def run(self, ready: Callable[[], None]) -> None:
        """Serve until `stop`, on an event loop of its own; `ready` is called once all sockets accept."""
        asyncio.run(self._run(ready))

    async def _run(self, ready: Callable[[], None]) -> None:
        started = asyncio.Event()
        serving = asyncio.create_task(self.serve(started))
        waiting = asyncio.create_task(started.wait())
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if started.is_set():
            ready()
        waiting.cancel()
        await serving

    async def serve(self, started: asyncio.Event) -> None:
        """Serve until `stop`; `started` is set once all sockets accept."""
        tasks = [asyncio.create_task(server.serve(sockets=[bound])) for server, bound in self._servers]
        while not all(server.started for server, _ in self._servers):
            done = [task for task in tasks if task.done()]
            for task in done:
                _raise_failure(task)
            if done:
                raise ListenError("the server ended while it started")
            await asyncio.sleep(0.005)
        started.set()
        await asyncio.gather(*tasks)

    def stop(self) -> None:
        """Accept no more; running requests may end within the drain time."""
        for server, _ in self._servers:
            server.should_exit = True

    def close(self) -> None:
        """Close the sockets of servers that never ran, or did not stop by themselves."""
        for _, bound in self._servers:
            bound.close()


def _raise_failure(task: asyncio.Task[None]) -> None:
    try:
        task.result()
    except OSError as error:
        # Two may bind one address as long as neither listens: the second one learns of it only here.
        raise ListenError(f"cannot listen: {error.strerror}; give another address, or port 0 for any") from None
