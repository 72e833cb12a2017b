"""Group commit: batches, isolation of jobs, a full disk."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from infra.broker import writer as module
from infra.broker.errors import BrokerClosedError, BrokerFullError
from infra.broker.store import Store
from infra.broker.transaction import Transaction
from infra.broker.writer import Writer
from tests.infra.broker.kit import DEADLINE, until


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


# --- written by who waits for it ----------------------------------------------------------------------------------


def test_who_waits_anyway_writes_it_where_nobody_else_does(writer: Writer, store: Store) -> None:
    threads: list[str] = []

    def job(transaction: Transaction) -> int:
        threads.append(threading.current_thread().name)
        return insert("a")(transaction)

    future = writer.submit(job, here=True)
    assert future.done(), "it is durable when the call returns"
    assert future.result(0) == 1
    assert threads == [threading.current_thread().name]
    assert (names(store), writer.commits) == (["a"], 1)


def test_what_is_written_here_passes_nothing_that_came_before(writer: Writer, store: Store) -> None:
    gate = Gate(writer)
    first = writer.submit(insert("a"))
    second = writer.submit(insert("b"), here=True)
    assert not second.done()
    gate.opened.set()
    assert first.result(DEADLINE) < second.result(DEADLINE)
    assert names(store) == ["a", "b"]
    # and who came while somebody wrote here is next
    entered, opened, threads = threading.Event(), threading.Event(), []

    def slow(transaction: Transaction) -> int:
        entered.set()
        assert opened.wait(DEADLINE)
        threads.append(threading.current_thread().name)
        return insert("c")(transaction)

    writing = threading.Thread(target=lambda: writer.submit(slow, here=True), name="own")
    writing.start()
    assert entered.wait(DEADLINE)
    later = [writer.submit(insert(name), here=True) for name in ("d", "e")]
    opened.set()
    assert [future.result(DEADLINE) for future in later] == sorted(future.result(DEADLINE) for future in later)
    writing.join(DEADLINE)
    assert threads == ["own"]
    assert names(store) == ["a", "b", "c", "d", "e"]


def test_numbers_are_given_in_order_whoever_writes(writer: Writer) -> None:
    given: dict[int, list[int]] = {}

    def send(sender: int) -> None:
        futures = [writer.submit(insert(f"{sender}-{n}"), here=n % 2 == 0) for n in range(40)]
        given[sender] = [future.result(DEADLINE) for future in futures]

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert all(numbers == sorted(numbers) for numbers in given.values())
    assert sorted(number for numbers in given.values() for number in numbers) == list(range(1, 161))


def test_a_job_that_fails_here_fails_alone(writer: Writer, store: Store) -> None:
    with pytest.raises(LookupError):
        writer.submit(bad, here=True).result(0)
    assert writer.submit(insert("after"), here=True).result(0) == 1
    assert names(store) == ["after"]


def test_closing_waits_for_who_writes_here_and_refuses_the_rest(writer: Writer, store: Store) -> None:
    entered, opened = threading.Event(), threading.Event()

    def slow(transaction: Transaction) -> int:
        entered.set()
        assert opened.wait(DEADLINE)
        return insert("a")(transaction)

    writing = threading.Thread(target=lambda: writer.submit(slow, here=True))
    writing.start()
    assert entered.wait(DEADLINE)
    closing = threading.Thread(target=writer.close)
    closing.start()
    while not writer.closed:
        closing.join(0.001)
    assert closing.is_alive()
    with pytest.raises(BrokerClosedError):
        writer.submit(insert("late"), here=True).result(0)
    opened.set()
    closing.join(DEADLINE)
    writing.join(DEADLINE)
    assert not closing.is_alive()
    assert names(store) == ["a"]


def test_a_callback_that_fails_here_ends_the_writer(writer: Writer) -> None:
    def defect(_: int) -> None:
        raise LookupError("a defect")

    with pytest.raises(LookupError):
        writer.post(insert("a"), defect, lambda _: None, here=True)
    with pytest.raises(BrokerClosedError):
        writer.submit(insert("b")).result(DEADLINE)


# --- left to the writer's thread ----------------------------------------------------------------------------------


class Given:
    """What goes on ahead of a job, in the thread that gives it."""

    def __init__(self, *, pressed: bool = True) -> None:
        self._pressed = pressed
        self.numbers: list[int] = []
        self.told: list[str] = []

    def number(self, transaction: Transaction) -> None:
        self.numbers.append(transaction.next())

    def give(self, *, durable: bool) -> None:
        self.told.append("durable" if durable else "early")

    def pressed(self) -> bool:
        return self._pressed

    def take_back(self) -> None:
        self.told.append("taken back")


def test_who_goes_on_with_what_was_given_leaves_the_writing(writer: Writer, store: Store) -> None:
    threads: list[str] = []

    def job(transaction: Transaction) -> None:
        threads.append(threading.current_thread().name)
        transaction.sql.execute("INSERT INTO mark VALUES ('a', 0)")

    left, kept = Given(), Given(pressed=False)
    writer.submit(job, ahead=left, here=True).result(DEADLINE)
    writer.submit(lambda _: None, ahead=kept, here=True).result(0)
    assert (left.told, kept.told) == (["early", "durable"],) * 2, "given once before, and told once after"
    assert left.numbers + kept.numbers == [1, 2]
    assert threads == ["broker-writer"]
    assert names(store) == ["a"]


def test_what_is_left_is_written_before_what_came_later(writer: Writer) -> None:
    order: list[int] = []
    entered, opened = threading.Event(), threading.Event()

    class Slow(Given):
        def pressed(self) -> bool:
            entered.set()
            assert opened.wait(DEADLINE)
            return True

    left = Slow()
    leaving = threading.Thread(
        target=lambda: writer.submit(lambda _: order.append(left.numbers[0]), ahead=left, here=True)
    )
    leaving.start()
    assert entered.wait(DEADLINE)
    later = [writer.submit(lambda t: order.append(t.next()), here=True) for _ in range(3)]
    opened.set()
    leaving.join(DEADLINE)
    for future in later:
        future.result(DEADLINE)
    assert order == [1, 2, 3, 4], "numbers are committed in order, so that a reader misses none"


def test_what_is_left_and_fails_is_taken_back(writer: Writer, store: Store) -> None:
    given = Given()

    def fails(_: Transaction) -> None:
        raise LookupError("no such thing")

    with pytest.raises(LookupError):
        writer.submit(fails, ahead=given, here=True).result(DEADLINE)
    assert given.told == ["early", "taken back"]
    assert writer.submit(insert("after")).result(DEADLINE) == 2, "its number was seen, and is not given again"


def test_nothing_is_left_to_a_writer_that_is_closed(writer: Writer, store: Store) -> None:
    closing = threading.Thread(target=writer.close)

    class Late(Given):
        def pressed(self) -> bool:
            closing.start()
            while not writer.closed:
                closing.join(0.001)
            return True

    given = Late()
    future = writer.submit(insert("a"), ahead=given, here=True)
    assert future.result(0) == 2
    closing.join(DEADLINE)
    assert given.told == ["early", "durable"]
    assert names(store) == ["a"]


def test_what_cannot_be_given_fails_its_job_alone(writer: Writer, store: Store) -> None:
    class Broken(Given):
        def give(self, *, durable: bool) -> None:
            raise LookupError("a defect")

    broken = Broken()
    with pytest.raises(LookupError):
        writer.submit(insert("a"), ahead=broken, here=True).result(DEADLINE)
    gate = Gate(writer)
    futures = [writer.submit(insert("b")), writer.submit(insert("c"), ahead=Broken()), writer.submit(insert("d"))]
    gate.opened.set()
    for future, fails in zip(futures, (False, True, False), strict=True):
        assert isinstance(future.exception(DEADLINE), LookupError) is fails
    assert broken.told == ["taken back"]
    assert names(store) == ["b", "d"]
    assert writer.submit(insert("e"), here=True).result(DEADLINE)


# --- lingering ----------------------------------------------------------------------------------------------------


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer would linger for longer than any test takes."""
    monkeypatch.setattr(module, "LINGER", 10 * DEADLINE)


def lingered(writer: Writer, name: str = "a") -> tuple[Given, Future[int]]:
    """A patient job that the writer lingers with."""
    given = Given(pressed=False)
    future = writer.submit(insert(name), ahead=given, here=True, patient=True)
    until(lambda: writer._lingering is not None)
    return given, future


@pytest.mark.usefixtures("patience")
def test_what_nobody_waits_for_is_written_with_what_somebody_does(writer: Writer, store: Store) -> None:
    given, future = lingered(writer)
    assert given.told == ["early"], "what is ahead of it goes on"
    assert (future.done(), writer.commits) == (False, 0)
    assert writer.submit(insert("b")).result(DEADLINE) == 3
    assert future.result(DEADLINE) == 2
    assert (names(store), writer.commits) == (["a", "b"], 1)


def test_it_is_written_by_itself_all_the_same(writer: Writer, store: Store) -> None:
    future = writer.submit(insert("a"), ahead=Given(), here=True, patient=True)
    assert future.result(DEADLINE) == 2
    assert names(store) == ["a"]


@pytest.mark.usefixtures("patience")
def test_what_comes_meanwhile_is_given_at_once_and_in_order(writer: Writer, store: Store) -> None:
    first, future = lingered(writer)
    others = [Given() for _ in range(3)]
    futures = [
        writer.submit(insert(name), ahead=one, here=True, patient=True) for name, one in zip("bcd", others, strict=True)
    ]
    assert [one.told for one in others] == [["early"]] * 3
    assert first.numbers + [number for one in others for number in one.numbers] == [1, 2, 3, 4]
    assert not any(one.done() for one in futures)
    impatient = Given()
    last = writer.submit(insert("e"), ahead=impatient)
    assert impatient.told[:1] == ["early"]
    assert [one.result(DEADLINE) for one in (future, *futures, last)] == [6, 7, 8, 9, 10]
    assert (names(store), writer.commits) == (["a", "b", "c", "d", "e"], 1)


@pytest.mark.usefixtures("patience")
def test_what_comes_after_somebody_who_waits_passes_them_not(writer: Writer, store: Store) -> None:
    given, _ = lingered(writer)
    order: list[str] = []
    waits = writer.submit(lambda _: order.append("waits"))
    after = writer.submit(lambda _: order.append("after"), ahead=Given(), here=True, patient=True)
    waits.result(DEADLINE)
    writer.submit(lambda _: None).result(DEADLINE)
    after.result(DEADLINE)
    assert order == ["waits", "after"]
    assert given.told == ["early", "durable"]


@pytest.mark.usefixtures("patience")
def test_closing_does_not_wait_for_it_to_end(writer: Writer, store: Store) -> None:
    given, future = lingered(writer)
    writer.close()
    assert future.result(0) == 2
    assert given.told == ["early", "durable"]
    with pytest.raises(BrokerClosedError):
        writer.submit(insert("b"), ahead=Given(), here=True, patient=True).result(DEADLINE)
    assert names(store) == ["a"]


@pytest.mark.usefixtures("patience")
def test_of_what_joined_what_fails_is_taken_back_alone(writer: Writer, store: Store) -> None:
    first, future = lingered(writer)

    def fails(_: Transaction) -> None:
        raise LookupError("no such thing")

    class Broken(Given):
        def give(self, *, durable: bool) -> None:
            raise LookupError("a defect")

    failing, broken = Given(), Broken()
    failed = writer.submit(fails, ahead=failing, here=True, patient=True)
    unfit = writer.submit(insert("c"), ahead=broken, here=True, patient=True)
    assert isinstance(unfit.exception(0), LookupError), "what cannot be given never joins"
    writer.submit(insert("d")).result(DEADLINE)
    assert isinstance(failed.exception(DEADLINE), LookupError)
    assert future.exception(DEADLINE) is None
    assert (failing.told[-1], broken.told) == ("taken back", ["taken back"])
    assert first.told[-1] == "durable"
    assert names(store) == ["a", "d"]


def test_many_senders_of_every_kind_lose_nothing(writer: Writer, store: Store) -> None:
    def send(sender: int) -> None:
        for n in range(60):
            patient, ahead = n % 3 == 0, Given() if n % 2 else None
            given[sender].append(
                writer.submit(insert(f"{sender}-{n:02}"), ahead=ahead, here=n % 5 == 0, patient=patient)
            )

    given: dict[int, list[Future[int]]] = {sender: [] for sender in range(6)}
    senders = [threading.Thread(target=send, args=(sender,)) for sender in given]
    for thread in senders:
        thread.start()
    for thread in senders:
        thread.join(DEADLINE)
    numbers = [future.result(DEADLINE) for futures in given.values() for future in futures]
    assert len(set(numbers)) == len(numbers) == 360
    assert len(names(store)) == 360
