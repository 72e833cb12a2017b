"""Where an audit device of type `socket` writes to: always emptied, whatever becomes of the lines.

The authority waits for this device's socket (2 s by default) at every request and every response, so the thread here
does nothing but read and keep: at most so many bytes of lines that may tell of a write, the oldest of which go first.
There is no position in a stream: what was written while nobody listened is a gap, and each connection begins with one.
"""

import contextlib
import selectors
import socket
import threading
from collections import deque

from infra.sources.vault_audit.line import concerns
from infra.sources.vault_audit.splitting import LONGEST, Line, LineSplitter

MOST_BYTES = 8 * 1024 * 1024  # of lines that were not looked at yet
MOST_CONNECTIONS = 16  # an authority has one; each of its nodes, too
_BLOCK = 64 * 1024


class AuditListener:
    """Listens on a bound stream socket (TCP or Unix), from `start` to `stop`, which closes it."""

    def __init__(
        self, bound: socket.socket, *, most_bytes: int = MOST_BYTES, most_connections: int = MOST_CONNECTIONS,
        longest: int = LONGEST,
    ) -> None:  # fmt: skip
        self._bound = bound
        self._most_bytes = most_bytes
        self._most_connections = most_connections
        self._longest = longest
        self._guard = threading.Lock()
        self._lines: deque[Line] = deque()
        self._bytes = 0
        self._gap = ""
        self._dropped = 0
        self.news = threading.Event()  # set whenever there is something to `take`
        self._splitters: dict[socket.socket, LineSplitter] = {}
        self._selector = selectors.DefaultSelector()
        self._bell, self._rung = socket.socketpair()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="audit-socket", daemon=True)

    @property
    def dropped(self) -> int:
        """Lines that went unread so far because nobody took them in time."""
        return self._dropped

    def start(self) -> None:
        """Listen. Raises OSError where the address is taken after all."""
        self._bound.listen(self._most_connections)
        self._bound.setblocking(False)
        self._selector.register(self._bound, selectors.EVENT_READ)
        self._selector.register(self._rung, selectors.EVENT_READ)
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """End the thread and close everything. Raises TimeoutError."""
        self._stopping = True
        self._bell.send(b"!")
        if self._thread.ident is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                raise TimeoutError(f"the audit socket's thread did not end within {timeout:g} s")
        for one in (*self._splitters, self._bound, self._bell, self._rung):
            one.close()
        self._selector.close()

    def alive(self) -> bool:
        return self._thread.is_alive()

    def take(self) -> tuple[tuple[Line, ...], str]:
        """What is kept, oldest first, and why lines may be missing ("" where none are); from any thread."""
        with self._guard:
            self.news.clear()
            lines, gap = tuple(self._lines), self._gap
            self._lines.clear()
            self._bytes, self._gap = 0, ""
        return lines, gap

    # --- in its own thread ----------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping:
            for key, _ in self._selector.select():
                if key.fileobj is self._bound:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket) and key.fileobj is not self._rung:
                    self._read(key.fileobj)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # gone again before we came to it
            connection, _ = self._bound.accept()
            if len(self._splitters) >= self._most_connections:
                connection.close()  # it is told as a gap when it comes again
                return
            connection.setblocking(False)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._selector.register(connection, selectors.EVENT_READ)
            self._splitters[connection] = LineSplitter(self._longest)
            self._keep((), "the audit socket was connected to; what was written before did not reach us")

    def _read(self, connection: socket.socket) -> None:
        splitter = self._splitters[connection]
        try:
            data = connection.recv(_BLOCK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            lines = tuple(line for line in splitter.feed(data) if concerns(line.text))
            if lines:
                self._keep(lines)
            return
        self._selector.unregister(connection)
        del self._splitters[connection]
        connection.close()
        if splitter.pending:
            self._keep((), "the audit socket was closed within a line")

    def _keep(self, lines: tuple[Line, ...], gap: str = "") -> None:
        with self._guard:
            self._lines.extend(lines)
            self._bytes += sum(len(line.text) for line in lines)
            while self._bytes > self._most_bytes:
                self._bytes -= len(self._lines.popleft().text)
                self._dropped += 1
                gap = "lines came faster than they were looked at"
            self._gap = self._gap or gap
            self.news.set()
