"""The audit socket: always emptied, bounded, and honest about what is missing."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.sources.vault_audit.listener import AuditListener
from infra.sources.vault_audit.splitting import Line
from tests.infra.sources.vault_audit.lines import line
from tests.instance import wait_for

Start = Callable[..., tuple[AuditListener, Callable[[], socket.socket]]]


@pytest.fixture(params=["tcp", "unix"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """Starts a listener; what it is connected to with."""
    opened: list[AuditListener | socket.socket] = []

    def one(**limits: int) -> tuple[AuditListener, Callable[[], socket.socket]]:
        bound = socket.socket(socket.AF_INET if request.param == "tcp" else socket.AF_UNIX)
        bound.bind(("127.0.0.1", 0) if request.param == "tcp" else str(tmp_path / "s"))
        listener = AuditListener(bound, **limits)
        listener.start()
        opened.append(listener)

        def connect() -> socket.socket:
            made = socket.socket(bound.family)
            made.settimeout(30)
            made.connect(bound.getsockname())
            opened.append(made)
            return made

        return listener, connect

    yield one
    for each in reversed(opened):
        each.stop() if isinstance(each, AuditListener) else each.close()


class Taken:
    """Everything that a listener handed out so far."""

    def __init__(self, listener: AuditListener) -> None:
        self._listener = listener
        self.lines: list[Line] = []
        self.gaps: list[str] = []

    def until(self, lines: int, gaps: int) -> None:
        def enough() -> bool:
            found, gap = self._listener.take()
            self.lines += found
            self.gaps += [gap] if gap else []
            return len(self.lines) >= lines and len(self.gaps) >= gaps

        wait_for(enough, f"{lines} lines and {gaps} gaps")
        assert (len(self.lines), len(self.gaps)) == (lines, gaps)


def test_lines_come_however_they_are_cut_and_reads_are_left_out(start: Start) -> None:
    listener, connect = start()
    taken, peer = Taken(listener), connect()
    taken.until(0, 1)
    for part in (line()[:50], line()[50:] + b"\n" + line("read") + b"\n" + line(kind="request") + b"\n", b"garbage\n"):
        peer.sendall(part)
    taken.until(2, 1)
    assert taken.lines == [Line(line()), Line(b"garbage")]


def test_each_connection_and_each_torn_line_is_a_gap(start: Start) -> None:
    listener, connect = start()
    taken = Taken(listener)
    peer = connect()
    taken.until(0, 1)
    peer.sendall(line() + b"\n" + line()[:30])
    peer.close()
    taken.until(1, 2)
    connect()
    taken.until(1, 3)


def test_who_is_not_read_from_is_emptied_all_the_same(start: Start) -> None:
    """The authority waits for its socket: nobody takes the lines here, and no write of it may block."""
    listener, connect = start(most_bytes=10_000)
    peer = connect()
    one, count = line() + b"\n", 20_000
    last = b"last".ljust(len(line()), b".")  # as long as the others, so that it drops one, too
    peer.sendall(one * count)  # much more than the kernel keeps
    peer.sendall(last + b"\n")
    wait_for(lambda: listener.dropped >= count + 1 - 10_000 // len(line()), "all to be read, most of it dropped")
    lines, gap = listener.take()
    assert gap
    assert lines[-1] == Line(last), "the oldest goes first"
    assert sum(len(each.text) for each in lines) <= 10_000
    assert len(lines) + listener.dropped == count + 1


def test_connections_are_limited(start: Start) -> None:
    listener, connect = start(most_connections=2)
    taken = Taken(listener)
    first, second = connect(), connect()
    for peer in (first, second):
        peer.sendall(line() + b"\n")
    wait_for(lambda: len(_take(taken, listener)) == 2, "both")
    third = connect()
    assert third.recv(1) == b"", "a third one is not served"
    second.close()
    first.sendall(line() + b"\n")
    wait_for(lambda: len(_take(taken, listener)) == 3, "the first one's line")


def _take(taken: Taken, listener: AuditListener) -> list[Line]:
    taken.lines += listener.take()[0]
    return taken.lines
