"""The file tail: whatever becomes of the file, each whole line once, or a gap that says that some may be missing."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.sources.vault_audit.position import Position
from infra.sources.vault_audit.splitting import Line
from infra.sources.vault_audit.tail import FileTail

Found = tuple[list[bytes], list[str]]
Follow = Callable[..., FileTail]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


@pytest.fixture
def follow(log: Path) -> Iterator[Follow]:
    """Makes tails of the file, closed at the end."""
    made: list[FileTail] = []

    def one(position: Position | None = None, **limits: int) -> FileTail:
        made.append(FileTail(log, position, **limits))
        return made[-1]

    yield one
    for tail in made:
        tail.close()


def add(file: Path, *lines: bytes) -> None:
    with file.open("ab") as opened:
        opened.write(b"".join(line + b"\n" for line in lines))


def read(tail: FileTail) -> Found:
    """Everything that is there, and the gaps."""
    lines: list[bytes] = []
    gaps: list[str] = []
    while True:
        batch = tail.read()
        lines += [line.text for line in batch.lines]
        gaps += [batch.gap] if batch.gap else []
        if not batch.more:
            return lines, gaps


def test_it_begins_at_the_end_and_tells_what_is_added(log: Path, follow: Follow) -> None:
    add(log, b"before")
    tail = follow()
    assert read(tail) == ([], [])
    add(log, b"one", b"two")
    assert read(tail) == ([b"one", b"two"], [])
    assert read(tail) == ([], [])


def test_it_may_begin_within_a_line(log: Path, follow: Follow) -> None:
    log.write_bytes(b"one\nhal")
    tail = follow()
    read(tail)
    add(log, b"f", b"whole")
    assert read(tail) == ([b"whole"], [])


def test_a_file_that_is_not_there_yet_is_read_from_its_first_line(log: Path, follow: Follow) -> None:
    tail = follow()
    assert read(tail) == ([], [])
    assert tail.position is None
    add(log, b"first")
    assert read(tail) == ([b"first"], [])


def test_a_line_is_told_once_it_is_whole(log: Path, follow: Follow) -> None:
    log.touch()
    tail = follow()
    read(tail)
    parts = []
    with log.open("ab", buffering=0) as file:
        for part in (b"a li", b"ne\nano", b"ther"):
            file.write(part)
            parts.append(read(tail))
    assert parts == [([], []), ([b"a line"], []), ([], [])]
    add(log, b"")
    assert read(tail) == ([b"another"], [])


def test_renamed_and_made_anew(log: Path, follow: Follow) -> None:
    """As logrotate does with `create` and a SIGHUP: the authority writes to the old file for a while."""
    add(log, b"before")
    tail = follow()
    read(tail)
    add(log, b"one")
    log.rename(log.with_name("audit.log.1"))
    assert read(tail) == ([b"one"], [])  # no file of the name: the old one is followed on
    log.touch()
    add(log.with_name("audit.log.1"), b"two")
    assert read(tail) == ([b"two"], [])  # the new one is empty: the authority has not gone over
    add(log.with_name("audit.log.1"), b"three")
    add(log, b"four")
    assert read(tail) == ([b"three", b"four"], [])
    add(log, b"five")
    assert read(tail) == ([b"five"], [])


def test_removed_and_made_anew(log: Path, follow: Follow) -> None:
    add(log, b"before")
    tail = follow()
    read(tail)
    add(log, b"one")
    log.unlink()
    add(log, b"two")
    assert read(tail) == ([b"one", b"two"], [])


def test_copied_and_cut(log: Path, follow: Follow) -> None:
    add(log, b"a long line before", b"and another")
    tail = follow()
    read(tail)
    os.truncate(log, 0)
    add(log, b"one")
    lines, gaps = read(tail)
    assert lines == [b"one"]
    assert len(gaps) == 1, "what was written before the cut may not have been read"
    add(log, b"two")
    assert read(tail) == ([b"two"], [])


def test_cut_and_grown_beyond_where_it_was_read_to(log: Path, follow: Follow) -> None:
    add(log, b"short")
    tail = follow()
    read(tail)
    os.truncate(log, 0)
    add(log, b"longer than before", b"more")
    lines, gaps = read(tail)
    assert (lines, len(gaps)) == ([b"longer than before", b"more"], 1)


def test_rotated_twice_before_it_was_read(log: Path, follow: Follow) -> None:
    add(log, b"before")
    tail = follow()
    read(tail)
    log.rename(log.with_name("audit.log.2"))
    add(log, b"missed")
    log.rename(log.with_name("audit.log.1"))
    former = log.with_name("audit.log.2").stat().st_mtime_ns
    os.utime(log.with_name("audit.log.1"), ns=(former, former + 1_000_000))
    add(log, b"now")
    lines, gaps = read(tail)
    assert (lines, len(gaps)) == ([b"now"], 1)


def test_a_rotated_file_that_ends_within_a_line(log: Path, follow: Follow) -> None:
    add(log, b"before")
    tail = follow()
    read(tail)
    with log.open("ab") as file:
        file.write(b"torn")
    read(tail)
    log.rename(log.with_name("audit.log.1"))
    add(log, b"now")
    lines, gaps = read(tail)
    assert (lines, len(gaps)) == ([b"now"], 1)


# --- restarts --------------------------------------------------------------------------------------------------------


def test_a_restart_goes_on_where_it_was(log: Path, follow: Follow) -> None:
    add(log, b"before")
    first = follow()
    read(first)
    with log.open("ab") as file:
        file.write(b"told\nhal")
    assert read(first) == ([b"told"], [])
    position = first.position
    assert position is not None
    add(log, b"f", b"while down")
    assert read(follow(Position.read(position.text()))) == ([b"half", b"while down"], [])


def test_a_restart_after_a_rotation_reads_the_rotated_file_first(log: Path, follow: Follow) -> None:
    add(log, b"before")
    first = follow()
    read(first)
    add(log, b"while down")
    log.rename(log.with_name("audit.log.1"))
    add(log, b"after")
    assert read(follow(first.position)) == ([b"while down", b"after"], [])


@pytest.mark.parametrize("what", ["gone", "cut", "another with its inode"])
def test_a_position_that_is_lost_is_one_gap_and_no_flood(log: Path, follow: Follow, what: str) -> None:
    add(log, b"before")
    first = follow()
    read(first)
    position = first.position
    if what == "gone":
        log.rename(log.with_name("elsewhere"))
    else:
        os.truncate(log, 0)
    if what == "another with its inode":
        add(log, b"BEFORE")
    add(log, *[b"line %d" % number for number in range(100)])
    again = follow(position)
    lines, gaps = read(again)
    assert (lines, len(gaps)) == ([], 1)
    add(log, b"now")
    assert read(again) == ([b"now"], [])


def test_a_position_of_a_file_that_is_not_back_yet(log: Path, follow: Follow) -> None:
    add(log, b"before")
    first = follow()
    read(first)
    position = first.position
    log.unlink()
    again = follow(position)
    assert read(again) == ([], [])
    assert again.position == position
    add(log, b"new")
    assert len(read(again)[1]) == 1


def test_who_is_far_behind_leaves_it_out(log: Path, follow: Follow) -> None:
    add(log, b"before")
    tail = follow(behind=1000)
    read(tail)
    add(log, b"x" * 2000, b"y")
    lines, gaps = read(tail)
    assert (lines, len(gaps)) == ([], 1)
    add(log, b"now")
    assert read(tail) == ([b"now"], [])


# --- what is no file ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["directory", "pipe"])
def test_what_is_no_file_is_told_and_tried_again(log: Path, follow: Follow, kind: str) -> None:
    log.mkdir() if kind == "directory" else os.mkfifo(log)
    tail = follow()
    assert read(tail) == ([], [])
    assert "no regular file" in tail.error
    log.rmdir() if kind == "directory" else log.unlink()
    read(tail)
    assert tail.error == ""
    add(log, b"now")
    assert read(tail)[0] == [b"now"]


def test_a_huge_line_is_told_of_by_its_beginning(log: Path, follow: Follow) -> None:
    log.touch()
    tail = follow(longest=100, block=64)
    read(tail)
    add(log, b"x" * 10_000, b"next")
    lines: list[Line] = []
    while (batch := tail.read()).more:
        lines += batch.lines
    assert [(line.whole, line.text[:4]) for line in lines] == [(False, b"xxxx"), (True, b"next")]


Moves = list[tuple[str, bytes]]
moves_of_a_day = st.tuples(st.sampled_from(["add", "rename", "read", "restart"]), st.binary(max_size=40))


@given(st.lists(moves_of_a_day, max_size=25))
def test_renamed_at_any_moment_each_line_is_told_once(tmp_path_factory: pytest.TempPathFactory, moves: Moves) -> None:
    log = tmp_path_factory.mktemp("tail") / "audit.log"
    log.write_bytes(b"before\n")
    tail = FileTail(log, block=16)
    told, written, rotated = read(tail)[0], [], 0
    try:
        for number, (move, data) in enumerate(moves):
            if move == "add":
                written.append(b"%d %s" % (number, data.replace(b"\n", b" ")))
                add(log, written[-1])
            elif move == "rename" and log.exists():
                lines, gaps = read(tail)  # twice without a look between would be a gap: another test's
                told += lines
                assert not gaps
                rotated += 1
                log.rename(log.with_name(f"audit.log.{rotated}"))
            elif move == "restart":
                position = tail.position
                tail.close()
                tail = FileTail(log, position, block=16)
            else:
                lines, gaps = read(tail)
                told += lines
                assert not gaps
        add(log, b"end")
        assert [*told, *read(tail)[0]] == [*written, b"end"]
    finally:
        tail.close()
