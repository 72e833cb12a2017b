"""Serving ASGI over TCP and over a Unix socket whose peers are known by their credentials."""

import asyncio
import contextlib
import logging
import os
import socket
import ssl
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from infra.hosts.asgi import Application
from infra.hosts.bounded_http import BoundedHttpProtocol, Listener
from infra.hosts.defects import LastResort
from infra.hosts.unix_sockets import PEER, reachable

_log = logging.getLogger("lockstep.http")
_BACKLOG = 512  # connections that the kernel holds until they are accepted
PLAIN_HTTP, _BEYOND_LOOPBACK = "LOCKSTEP_PLAIN_HTTP", "beyond-loopback"
_CREDENTIALS = struct.Struct("i2I")  # ucred: process, user and group, the latter two unsigned


class ListenError(RuntimeError):
    """The address cannot be listened on; the message says why and what to give instead."""


@dataclass(frozen=True, slots=True)
class Tls:
    """A server certificate and its key, PEM files; and whose certificates clients may show to be known by."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

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
        if self.client_ca is not None:
            try:
                context.load_verify_locations(cafile=self.client_ca)
            except OSError as error:  # includes ssl.SSLError
                raise ListenError(
                    f"--tls-client-ca {self.client_ca} cannot be used ({type(error).__name__}); give PEM certificates"
                ) from None
            context.verify_mode = ssl.CERT_OPTIONAL  # most senders have a token; who shows one must be known
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


def plain_http(environ: Mapping[str, str]) -> bool:
    """Whether somebody vouches for what stands before plain HTTP beyond the loopback: in a cluster, its
    NetworkPolicies, and Knative's queue-proxy or a mesh. Raises ListenError for another word than is meant."""
    said = environ.get(PLAIN_HTTP, "")
    if said not in ("", _BEYOND_LOOPBACK):
        raise ListenError(f"{PLAIN_HTTP} is {said!r}; set it to {_BEYOND_LOOPBACK!r}, or not at all")
    return bool(said)


def tcp_socket(listen: str, tls: Tls | None, *, plain: bool = False) -> socket.socket:
    """A bound socket for `HOST:PORT` (port 0: any).

    Raises ListenError, also for plain HTTP beyond the loopback, unless it was said to be wanted (`plain`).
    """
    if tls is not None:
        tls.context()  # before anything is started, so that a wrong file is said at once
    host, separator, port = listen.rpartition(":")
    host = host.strip("[]")
    if not separator or not port.isdecimal() or int(port) > 65535:
        raise ListenError(f"--listen {listen!r}: give HOST:PORT, such as 127.0.0.1:8080")
    try:
        # As bytes, as text would have Python load its tables of international names.
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.encode("idna" if not host.isascii() else "ascii") or b"127.0.0.1",
            int(port),
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )[0]
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no such host"
        raise ListenError(f"--listen {listen!r}: {reason}; give HOST:PORT, such as 127.0.0.1:8080") from None
    if tls is None and not plain and not str(address[0]).startswith("127.") and address[0] != "::1":
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


class Servers:
    """One ASGI application on several sockets."""

    def __init__(self, app: Application, drain_seconds: float = 10) -> None:
        self._app = LastResort(app)
        self._drain = drain_seconds
        self._bound: list[tuple[socket.socket, type[BoundedHttpProtocol], Tls | None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._told = False  # to stop; before there is a loop that could be told

    def add_tcp(self, bound: socket.socket, tls: Tls | None = None) -> None:
        self._bound.append((bound, BoundedHttpProtocol, tls))

    def add_unix(self, bound: socket.socket) -> None:
        self._bound.append((bound, _PeerProtocol, None))

    def run(self, ready: Callable[[], None]) -> None:
        """Serve until `stop`, on an event loop of its own; `ready` is called once all sockets accept.

        Raises ListenError.
        """
        asyncio.run(self._serve(ready))

    async def _serve(self, ready: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as stack:
            listeners = [await self._listening(stack, *each) for each in self._bound]
            if not self._told:
                ready()
                await self._stopping.wait()
            await stack.aclose()  # nobody new comes while those that are there get their answers
            await self._drained(listeners)

    def stop(self) -> None:
        """Accept no more; running requests may end within the drain time. May be called by any thread, and a signal."""
        self._told = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: it has stopped already
                self._loop.call_soon_threadsafe(self._stopping.set)

    def close(self) -> None:
        """Close the sockets of servers that never ran, or did not stop by themselves."""
        for bound, _, _ in self._bound:
            bound.close()

    async def _listening(
        self,
        stack: contextlib.AsyncExitStack,
        bound: socket.socket,
        protocol: type[BoundedHttpProtocol],
        tls: Tls | None,
    ) -> Listener:
        listener = Listener(self._app)
        try:
            server = await asyncio.get_running_loop().create_server(
                lambda: protocol(listener), sock=bound, ssl=tls.context() if tls else None, backlog=_BACKLOG
            )
        except OSError as error:
            # Two may bind one address as long as neither listens: the second one learns of it only here.
            raise ListenError(f"cannot listen: {error.strerror}; give another address, or port 0 for any") from None
        stack.push_async_callback(_stop_accepting, server, bound)
        return listener

    async def _drained(self, listeners: list[Listener]) -> None:
        """Until every request is answered, or the drain time is over."""
        for listener in listeners:
            listener.shut_down()
        try:
            async with asyncio.timeout(self._drain):
                # Our own task aside, the loop's are requests, and connections that are being accepted.
                while len(asyncio.all_tasks()) > 1 or any(listener.connections for listener in listeners):
                    await asyncio.sleep(0.01)
        except TimeoutError:
            running = sum(len(listener.running) for listener in listeners)
            _log.error("%s requests were not answered within %s s; they are cut off", running, self._drain)
            for listener in listeners:
                listener.abort()


async def _stop_accepting(server: asyncio.Server, bound: socket.socket) -> None:
    # asyncio loses the connections that it has accepted and not yet made a transport of when its server is closed.
    asyncio.get_running_loop().remove_reader(bound)
    await asyncio.sleep(0)
    server.close()
