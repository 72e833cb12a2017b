"""A relay before a server, which cuts connections after so many messages of clients: a network that fails midway."""

import contextlib
import select
import socket
import socketserver
import threading
from collections.abc import Iterator


class _Visit(socketserver.BaseRequestHandler):
    server: "Relay"

    def handle(self) -> None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.server.behind), 60) as behind:
            while True:
                ready = select.select([self.request, behind], [], [], 60)[0]
                for one, other in ((self.request, behind), (behind, self.request)):
                    if one in ready:
                        part = one.recv(65536)
                        if not part or (one is self.request and not self.server.lets_through()):
                            return
                        other.sendall(part)


class Relay(socketserver.ThreadingTCPServer):
    """`left` messages of clients go through from now on, over all connections; `met` counts them."""

    daemon_threads = True

    def __init__(self, behind: int) -> None:
        self.behind = behind
        self.left = 0
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Visit)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def lets_through(self) -> bool:
        with self._lock:
            self.left -= 1
            return self.left >= 0


@contextlib.contextmanager
def relaying(port: int) -> Iterator[Relay]:
    """A relay to a port of this machine."""
    with Relay(port) as relay:
        serving = threading.Thread(target=relay.serve_forever, args=(0.02,), daemon=True)
        serving.start()
        try:
            yield relay
        finally:
            relay.shutdown()
            serving.join()
