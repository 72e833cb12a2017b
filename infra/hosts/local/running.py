"""The foreground process of `lockstep up`: serve until SIGTERM or SIGINT, then stop in order."""

import contextlib
import math
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.hosts.alertmanager import Beside
from infra.hosts.control.routes import control
from infra.hosts.foreground import Interrupted, handled_signals
from infra.hosts.health import HealthApp
from infra.hosts.health import listening as health_listener
from infra.hosts.local.app import App, webhook
from infra.hosts.local.collecting import settle
from infra.hosts.local.gauges import Gauges
from infra.hosts.local.instance import Instance, Options
from infra.hosts.local.unwired import unwired
from infra.hosts.serving import Servers, Tls, tcp_socket, unix_socket
from infra.hosts.views.remarks import wiring_remarks

SOCKET = "lockstep.sock"


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the ingress is reached: `HOST:PORT`, with TLS where it is not the loopback.

    `health` is the environment whose LISTEN_ADDRESS tells where health and metrics are told of too, and Alertmanager's
    webhook is taken; nothing else.
    """

    address: str
    tls: Tls | None = None
    health: Mapping[str, str] = field(default_factory=dict)


def run(
    root: Path, options: Options, listening: Listening, ready: Callable[[str], None], notice: Callable[[str], None]
) -> None:
    """Everything of one ROOT, until told to stop. `ready` gets one line when events are accepted, `notice` what an
    operator should know.

    Raises what `Instance.start` raises, and ListenError.
    """
    bound = tcp_socket(listening.address, listening.tls)
    instance = Instance(root, options)
    with handled_signals() as signals, contextlib.suppress(Interrupted):
        try:
            instance.start()
            # What lies where is said of this start alone: it may be put right the next moment.
            misplaced = unwired(root) if options.cluster is None else ()
            for text in (*instance.parts.notices, *misplaced, *wiring_remarks(instance.parts.wiring)):
                notice(text)
            servers = Servers(App(instance.parts, control), math.ceil(options.drain_seconds))
            servers.add_tcp(bound, listening.tls)
            url = _url(bound, listening)
            instance.lock.describe(ingress=url)
            with _control_socket(root, servers), _health(instance, listening):
                signals.then(servers.stop)
                settle()
                servers.run(lambda: ready(_line(instance, url)))
        finally:
            signals.ignore()
            bound.close()
            instance.stop()


def _health(instance: Instance, at: Listening) -> contextlib.AbstractContextManager[int]:
    """The pod is ready while the broker takes events; the authority may be down, that is what the broker is for."""
    health = instance.parts.evidence.health

    def unready() -> str:
        return "" if health().running and not health().full else "the broker cannot write: see its volume"

    health_app = HealthApp(lambda: "", unready, Gauges(instance.parts).page)
    return health_listener(Beside(webhook(instance.parts), health_app), at.health)


@contextlib.contextmanager
def _control_socket(root: Path, servers: Servers) -> Iterator[None]:
    """The Unix socket, which is gone when nobody answers on it any more."""
    path = root.absolute() / "state" / SOCKET
    bound = unix_socket(path)
    try:
        servers.add_unix(bound)
        yield
    finally:
        bound.close()
        path.unlink(missing_ok=True)


def _url(bound: socket.socket, listening: Listening) -> str:
    host, port = bound.getsockname()[:2]
    scheme = "https" if listening.tls else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/lockstep/default"


def _line(instance: Instance, url: str) -> str:
    parts = instance.parts
    kind = "embedded OpenBao" if parts.authority.embedded else "authority"
    index = parts.wiring.snapshot()
    pushes, externals = sum(1 for _ in index.push_secrets()), sum(1 for _ in index.external_secrets())
    wired = f"{pushes} PushSecrets, {externals} ExternalSecrets"
    where = parts.platform.title
    return f"lockstep ready: ingress {url}, {kind} {parts.authority.settings.address}, {wired}, {where}"
