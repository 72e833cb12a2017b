"""The audit source over real files and sockets: what is told, what is left out, and what happens in between."""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from events.references import PathRef
from events.secret import SecretWritten
from infra.sources.vault_audit.line import Written
from infra.sources.vault_audit.listener import AuditListener
from infra.sources.vault_audit.position import Position
from infra.sources.vault_audit.source import MOST_A_SECOND, MOST_WAITING, AuditSource, Surroundings
from infra.sources.vault_audit.tail import FileTail
from tests.infra.sources.vault_audit.lines import PATH, line
from tests.instance import wait_for

OTHER = PathRef(mount="secret", path="auth/other")


@dataclass
class Around:
    """What a source asks and tells. `refuse`: how many calls of `tell` and `sweep` fail first."""

    told: list[SecretWritten] = field(default_factory=list)
    sweeps: int = 0
    refuse: int = 0
    saved: list[Position] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    wired: Callable[[PathRef], bool] = lambda path: path.path.startswith("auth/")
    busy: threading.Event = field(default_factory=threading.Event)

    def tell(self, events: Iterable[SecretWritten]) -> None:
        self._perhaps_refuse()
        self.told += events

    def sweep(self) -> None:
        self._perhaps_refuse()
        self.sweeps += 1

    def _perhaps_refuse(self) -> None:
        if self.refuse:
            self.refuse -= 1
            raise RuntimeError("the broker is full, with canary-1f")

    def surroundings(self) -> Surroundings:
        return Surroundings(
            own=_ours, wired=self.wired, tell=self.tell, sweep=self.sweep, save=self.saved.append,
            notice=self.notices.append,
        )  # fmt: skip

    def until(self, count: int) -> list[SecretWritten]:
        wait_for(lambda: len(self.told) >= count, f"{count} hints")
        assert len(self.told) == count, self.told
        return self.told


def _ours(written: Written) -> bool:
    return "lockstep-publish" in written.policies


@pytest.fixture
def around() -> Around:
    return Around()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "audit.log"
    file.touch()
    return file


@pytest.fixture
def start(around: Around, log: Path) -> Iterator[Callable[..., AuditSource]]:
    """Starts a source on the file; stopped at the end."""
    made: list[AuditSource] = []

    def one(position: Position | None = None, **options: object) -> AuditSource:
        chosen: dict[str, object] = {"interval": 0.005, "pause": 0.0, **options}
        made.append(AuditSource(around.surroundings(), tail=FileTail(log, position), **chosen))  # type: ignore[arg-type]  # as given
        made[-1].start()
        return made[-1]

    yield one
    for source in made:
        source.stop()


Start = Callable[..., AuditSource]


def add(log: Path, *lines: bytes) -> None:
    with log.open("ab") as file:
        file.write(b"".join(each + b"\n" for each in lines))


def test_others_writes_to_wired_paths_are_told(log: Path, around: Around, start: Start) -> None:
    source = start()
    add(
        log, line("read"), line(policies=("lockstep-publish",)), line(path="secret/data/unwired/x"),
        line(kind="request"), line(request_id="r-7"), line("delete", "secret/metadata/auth/other", request_id="r-8"),
    )  # fmt: skip
    assert around.until(2) == [SecretWritten(path=PATH, seen="r-7"), SecretWritten(path=OTHER, seen="r-8")]
    assert source.counts == {"told": 2, "own": 1, "unwired": 1, "unreadable": 0, "dropped": 0}
    assert (source.gaps, around.sweeps, source.mode, source.last_error) == (0, 0, "audit file", None)


def test_many_writes_of_one_path_within_a_moment_are_one_hint_and_the_last_is_told(
    log: Path, around: Around, start: Start
) -> None:
    clock = [0.0]
    start(pause=10.0, monotonic=lambda: clock[0])
    add(log, line(request_id="first"))
    around.until(1)
    for number in range(50):
        add(log, line(request_id=f"r-{number}"))
    add(log, line(path="secret/data/auth/other"))
    around.until(2)
    clock[0] = 11.0
    assert around.until(3)[2].seen == "r-49"


def test_what_the_broker_refuses_is_told_again(log: Path, around: Around, start: Start) -> None:
    around.refuse = 2
    clock = [0.0]
    source = start(monotonic=lambda: clock[0])
    add(log, line())
    wait_for(lambda: around.refuse == 1, "the first refusal")
    wait_for(lambda: source.last_error, "it to be shown")
    assert not any(position.offset for position in around.saved), "its position must not be passed"
    clock[0] = 2.0
    wait_for(lambda: around.refuse == 0, "the second refusal")
    clock[0] = 4.0
    around.until(1)
    wait_for(lambda: source.last_error is None, "the error to be over")
    assert len(around.notices) == 1
    assert "canary" not in around.notices[0]


@pytest.mark.parametrize(
    "spoilt", [b"\x00\xff\xfe garbage", b"{", line()[:-9], b'{"operation":"update"}', b"x" * 2**21]
)
def test_what_cannot_be_read_is_a_gap_and_one_sweep(log: Path, around: Around, start: Start, spoilt: bytes) -> None:
    clock = [0.0]
    source = start(monotonic=lambda: clock[0])
    add(log, spoilt, line())
    around.until(1)
    wait_for(lambda: around.sweeps == 1, "the sweep")
    add(log, *[spoilt] * 5, line(path="secret/data/auth/other"))
    around.until(2)
    assert (source.counts["unreadable"], source.gaps, around.sweeps) == (6, 6, 1), "one sweep for a minute's gaps"
    clock[0] = 61.0
    wait_for(lambda: around.sweeps == 2, "the next one")


def test_a_huge_line_of_a_read_is_no_gap(log: Path, around: Around, start: Start) -> None:
    source = start()
    add(log, line("list", "secret/metadata/auth/")[:-1] + b"x" * 2**21, line())
    around.until(1)
    assert (source.gaps, around.sweeps) == (0, 0)


def test_a_sweep_that_is_refused_is_ordered_again(log: Path, around: Around, start: Start) -> None:
    around.refuse = 1
    clock = [0.0]
    start(monotonic=lambda: clock[0])
    add(log, b"garbage")
    wait_for(lambda: around.refuse == 0, "the refusal")
    clock[0] = 5.0
    wait_for(lambda: around.sweeps == 1, "the sweep")


def test_a_restart_loses_nothing_and_tells_nothing_twice(log: Path, around: Around, start: Start) -> None:
    add(log, line(request_id="before"))
    source = start()
    add(log, line(request_id="one"))
    around.until(1)
    source.stop()
    add(log, line(request_id="while-down"))
    start(around.saved[-1])
    assert [event.seen for event in around.until(2)] == ["one", "while-down"]
    assert around.sweeps == 0


def test_a_lost_position_is_one_sweep_and_no_flood(log: Path, around: Around, start: Start) -> None:
    add(log, *[line(path=f"secret/data/auth/{number}") for number in range(500)])
    found = log.stat()
    start(Position(found.st_dev, found.st_ino + 1, 10, ""))
    wait_for(lambda: around.sweeps == 1, "the sweep")
    add(log, line())
    around.until(1)


def test_where_nobody_sweeps_at_the_start_it_does(around: Around, start: Start) -> None:
    start(gap="what was before")
    wait_for(lambda: around.sweeps == 1, "the sweep")


def test_more_paths_than_can_wait_are_for_a_sweep(log: Path, around: Around, start: Start) -> None:
    around.refuse = 1
    clock = [0.0]
    add(log, line())
    source = start(monotonic=lambda: clock[0])
    add(log, line())
    wait_for(lambda: around.refuse == 0, "the broker to refuse")
    add(log, *[line(path=f"secret/data/auth/{number}") for number in range(MOST_WAITING + 5)])
    wait_for(lambda: source.counts["dropped"] == 6, "the last ones to be dropped")
    for second in range(1, MOST_WAITING // MOST_A_SECOND + 1):
        clock[0] = 5.0 + 2 * second
        wait_for(lambda n=second: len(around.told) == n * MOST_A_SECOND, "a second's hints")  # type: ignore[misc]  # bound now
    wait_for(lambda: around.sweeps == 1, "the sweep")
    assert len({event.path for event in around.told}) == MOST_WAITING


def test_stopping_tells_what_waits_and_records_how_far(log: Path, around: Around, start: Start) -> None:
    clock = [0.0]
    source = start(pause=100.0, monotonic=lambda: clock[0])
    add(log, line(request_id="one"))
    around.until(1)
    add(log, line(request_id="two"))
    source.stop()
    assert [event.seen for event in around.told] == ["one", "two"]
    assert around.saved[-1].offset == log.stat().st_size
    assert source.mode == "stopped"


def test_a_file_and_a_socket_make_one_hint_of_one_write(around: Around, log: Path) -> None:
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    source = AuditSource(
        around.surroundings(), tail=FileTail(log), listener=AuditListener(bound), interval=0.005, pause=1000.0
    )
    source.start()
    try:
        with socket.create_connection(bound.getsockname()) as peer:
            add(log, line())
            around.until(1)
            peer.sendall(line() + b"\n" + line(path="secret/data/auth/other") + b"\n")
            assert around.until(2)[1].path == OTHER
            wait_for(lambda: around.sweeps == 1, "the sweep that each connection begins with")
        assert source.mode == "audit file and socket"
    finally:
        source.stop()


def test_a_socket_alone_waits_for_news(around: Around) -> None:
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    source = AuditSource(around.surroundings(), listener=AuditListener(bound), interval=0.005)
    source.start()
    try:
        with socket.create_connection(bound.getsockname()) as peer:
            peer.sendall(line(request_id="r-1") + b"\n")
            assert around.until(1)[0].seen == "r-1"
        assert (source.mode, source.last_error) == ("audit socket", None)
    finally:
        source.stop()
    assert not source.alive()
