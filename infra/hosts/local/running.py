"""The foreground process of `lockstep up`: serve until SIGTERM or SIGINT, then stop in order."""

import asyncio
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra.hosts.control.routes import control
from infra.hosts.local.app import App
from infra.hosts.local.instance import Instance, Options
from infra.hosts.serving import Servers, Tls, tcp_socket, unix_socket

SOCKET = "lockstep.sock"
# Seconds a thread computes before others get their turn. Steps wait for I/O most of the time and compute for tenths of
# a millisecond; with the default of 5 ms each return from a wait may cost that (benchmarks: a third of a propagation).
_TURN = 0.0005


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the ingress is reached: `HOST:PORT`, with TLS where it is not the loopback."""

    address: str
    tls: Tls | None = None


def run(
    root: Path, options: Options, listening: Listening, ready: Callable[[str], None], notice: Callable[[str], None]
) -> None:
    """Everything of one ROOT, until told to stop. `ready` gets one line when events are accepted, `notice` what an
    operator should know.

    Raises what `Instance.start` raises, and ListenError.
    """
    bound = tcp_socket(listening.address, listening.tls)
    sys.setswitchinterval(_TURN)
    try:
        instance = Instance(root, options)
        instance.start()
    except BaseException:
        bound.close()
        raise
    try:
        servers = Servers(App(instance.parts, control), int(options.drain_seconds))
        servers.add_tcp(bound, listening.tls)
        servers.add_unix(unix_socket(root.absolute() / "state" / SOCKET))
        host, port = bound.getsockname()[:2]
        scheme = "https" if listening.tls else "http"
        url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/lockstep/default"
        instance.lock.describe(ingress=url)
        for text in instance.parts.notices:
            notice(text)
        asyncio.run(_serve(servers, lambda: ready(_line(instance, url))))
    finally:
        instance.stop()


async def _serve(servers: Servers, ready: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, servers.stop)
    started = asyncio.Event()
    serving = asyncio.create_task(servers.serve(started))
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if started.is_set():
        ready()
    waiting.cancel()
    await serving


def _line(instance: Instance, url: str) -> str:
    parts = instance.parts
    kind = "embedded OpenBao" if parts.authority.embedded else "authority"
    index = parts.wiring.snapshot()
    pushes, externals = sum(1 for _ in index.push_secrets()), sum(1 for _ in index.external_secrets())
    wired = f"{pushes} PushSecrets, {externals} ExternalSecrets"
    return f"lockstep ready: ingress {url}, {kind} {parts.authority.settings.address}, {wired}, root {parts.root}"
