"""Group commit: batches, isolation of jobs, a full disk."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.broker.errors import BrokerClosedError, BrokerFullError
from infra.broker.store import Store
from infra.broker.transaction import Transaction
from infra.broker.writer import Writer
from tests.infra.broker.kit import DEADLINE


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "broker.db")
    yield store
    store.close()


@pytest.fixture
def writer(store: Store) -> Iterator[Writer]:
    writer = Writer(store.connection)
    yield writer
    writer.close()


def insert(name: str, size: int = 1) -> "Job":
    return Job(name, size)


class Job:
    def __init__(self, name: str, size: int) -> None:
        self.name, self.size = name, size

    def __call__(self, transaction: Transaction) -> int:
        transaction.sql.execute("INSERT INTO mark VALUES (?, 0)", (self.name * self.size,))
        return transaction.next()


def bad(transaction: Transaction) -> None:
    transaction.sql.execute("INSERT INTO mark VALUES ('half', 0)")
    transaction.next()
    raise LookupError("no such thing")


def names(store: Store) -> list[str]:
    with store.reading() as sql:
        return [row[0] for row in sql.execute("SELECT name FROM mark ORDER BY name")]


class Gate:
    """Holds the writer up, so that what is queued meanwhile becomes one batch."""

    def __init__(self, writer: Writer) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()
        self.future = writer.submit(self._wait)
        assert self.entered.wait(DEADLINE)

    def _wait(self, transaction: Transaction) -> None:
        self.entered.set()
        assert self.opened.wait(DEADLINE)


def test_results_come_once_durable(writer: Writer, store: Store) -> None:
    assert writer.submit(insert("a")).result(DEADLINE) == 1
    assert names(store) == ["a"]


def test_what_is_queued_is_one_commit_in_order(writer: Writer, store: Store) -> None:
    gate = Gate(writer)
    before = writer.commits
    futures = [writer.submit(insert(f"n{i:03}")) for i in range(100)]
    gate.opened.set()
    assert [future.result(DEADLINE) for future in futures] == list(range(1, 101))
    assert writer.commits - before <= 2, "the gate's own commit, and one for all others"
    assert len(names(store)) == 100


def test_a_failed_job_takes_back_its_own_work_alone(writer: Writer, store: Store) -> None:
    gate = Gate(writer)
    first, failed, last = writer.submit(insert("a")), writer.submit(bad), writer.submit(insert("b"))
    gate.opened.set()
    assert (first.result(DEADLINE), last.result(DEADLINE)) == (1, 2), "its sequence number was taken back too"
    with pytest.raises(LookupError):
        failed.result(DEADLINE)
    with pytest.raises(LookupError):
        writer.submit(bad).result(DEADLINE)
    assert names(store) == ["a", "b"]


def test_callbacks_come_before_the_future(writer: Writer) -> None:
    seen: list[int] = []
    future = writer.submit(insert("a"), seen.append)
    assert future.result(DEADLINE) == 1
    assert seen == [1]


def test_a_full_disk_fails_what_does_not_fit_and_recovers(writer: Writer, store: Store) -> None:
    assert writer.submit(lambda t: t.sql.execute("PRAGMA max_page_count=60").fetchone()).result(DEADLINE) == (60,)
    gate = Gate(writer)
    futures = [writer.submit(insert(chr(97 + i), 20_000)) for i in range(20)]
    gate.opened.set()
    stored = [future for future in futures if future.exception(DEADLINE) is None]
    refused = [future for future in futures if future.exception(DEADLINE) is not None]
    assert stored
    assert refused
    assert all(isinstance(future.exception(), BrokerFullError) for future in refused)
    assert writer.full
    assert len(names(store)) == len(stored), "what was refused left nothing behind"
    writer.submit(lambda t: t.sql.execute("PRAGMA max_page_count=100000").fetchone()).result(DEADLINE)
    assert writer.submit(insert("z", 20_000)).result(DEADLINE) == len(stored) + 1
    assert not writer.full


def test_closing_commits_what_is_queued_and_refuses_the_rest(writer: Writer, store: Store) -> None:
    futures = [writer.submit(insert(f"n{i:03}")) for i in range(50)]
    writer.close()
    assert [future.result(0) for future in futures] == list(range(1, 51))
    with pytest.raises(BrokerClosedError):
        writer.submit(insert("late")).result(0)


def test_sequence_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    for expected in (1, 8):
        store = Store(path)
        writer = Writer(store.connection)
        assert writer.transaction.sequence == expected - 1
        writer.submit(
            lambda t: t.sql.execute("INSERT OR REPLACE INTO mark VALUES ('sequence', ?)", (t.next() + 6,)).rowcount
        ).result(DEADLINE)
        writer.close()
        store.close()
