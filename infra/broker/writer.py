"""The one writer: commits everything queued in one transaction (group commit).

It is a thread of its own; but who has nothing else to do, and finds nobody writing and nothing queued, commits its job
itself (`here`): to wake a thread, and to be woken by it, takes longer than what it would do. Unless what the job hands
out ahead (below) is for that very thread to go on with: then the job is left to the writer's.

A job is a closure over the open transaction. Its result is given only once it is durable. A job that fails rolls
back alone; one that storage fails (disk full) gets BrokerFullError and did not happen.

What needs no more than the numbers that a job gives out may have them before the job runs (`Ahead`): while it is
written and the disk is waited for, work goes on. Should it fail after all, that is taken back.

Where nobody waits for such a job to be durable (`patient`), writing it can wait, and had better: what it handed out
needs the processor, the interpreter and the disk now. So the writer lingers with a batch of nothing else, until
somebody does wait for something, or some milliseconds are over. What is ahead of jobs that come meanwhile is given at
once.

Failures are rare, and savepoints cost as much as the work they protect. So a batch is first written without; if a
job fails, all is rolled back and the batch written again with a savepoint around each. Jobs therefore have no effect
outside the transaction but by their result, and may run more than once.
"""

import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import Any, Protocol, TypeVar

from infra.broker.errors import BrokerClosedError, BrokerFullError
from infra.broker.transaction import Transaction

T = TypeVar("T")
MAX_BATCH = 256
LINGER = 0.02  # seconds; longer than a secret takes to all that use it, and short for who follows the timeline
_STORAGE = frozenset(
    {
        sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM,
    }
)  # fmt: skip


class Ahead(Protocol):
    """Who goes on before a job is durable. All are called where it is written, and must be short."""

    def number(self, transaction: Transaction, /) -> None:
        """The job follows: take the numbers that it uses."""

    def give(self, *, durable: bool) -> None:
        """Go on: before the job is written, and once more when it is durable."""

    def pressed(self) -> bool:
        """Whether the thread in which `give` was called goes on with what was given, and so should not write."""

    def take_back(self) -> None:
        """The job or its commit failed, so that nothing of it happened: what `give` began must leave no trace."""


class _Job:
    __slots__ = ("ahead", "begun", "failed", "patient", "then", "work")

    def __init__(
        self, work: Callable[[Transaction], Any], then: Callable[[Any], object], failed: Callable[[Exception], object],
        ahead: Ahead | None, *, patient: bool,
    ) -> None:  # fmt: skip
        self.work, self.then, self.failed, self.ahead, self.patient = work, then, failed, ahead, patient
        self.begun = False  # whether what is ahead of it was given, and it is not written yet

    def begin(self, transaction: Transaction) -> None:
        if self.ahead is not None and not self.begun:
            self.ahead.number(transaction)
            self.begun = True
            self.ahead.give(durable=False)

    def refuse(self) -> None:
        """It is never written."""
        if self.begun and self.ahead is not None:
            self.ahead.take_back()
        self.failed(BrokerClosedError("the broker is stopped; send the event again when it is back"))


_Result = tuple[_Job, Any, Exception | None]


class Writer:
    """Runs jobs in the order they came. `then` and `failed` are called where they are written, and must be short."""

    def __init__(self, connection: sqlite3.Connection, committed: Callable[[int], object] = int) -> None:
        """`committed` is told the last sequence number after every commit."""
        self._transaction = Transaction(connection)
        self._connection = connection
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._committed = committed
        self._closed = False
        self._turn = Lock()  # held by whoever writes, until all are told
        self._guard = Lock()
        self._queued = 0  # jobs that came before: none may be written here until they are
        self._numbering = Lock()  # whoever gives out numbers: who writes, or who joins a batch that lingers
        self._lingering: list[_Job] | None = None  # the batch, while it does
        self._hurry = Event()
        self.full = False  # whether the last commit failed for want of storage
        self.commits = 0
        self._thread = Thread(target=self._run, name="broker-writer", daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether nothing is written any more: closed, or ended by a defect."""
        return self._closed

    @property
    def transaction(self) -> Transaction:
        """For what is read before the first job (counters)."""
        return self._transaction

    def submit(
        self,
        work: Callable[[Transaction], T],
        then: Callable[[T], object] | None = None,
        failed: Callable[[], object] | None = None,
        ahead: Ahead | None = None,
        *,
        here: bool = False,
        patient: bool = False,
    ) -> Future[T]:
        """Queue a job; its future gives the result once it is durable, after `then` was called with it.

        `failed` is called before the future raises. `here`, `patient`: as `post`.
        """
        future: Future[T] = Future()
        # Running from the start: a waiter that goes away must not take back what is being written.
        future.set_running_or_notify_cancel()

        def done(result: T) -> None:
            if then is not None:
                then(result)
            future.set_result(result)

        def undone(error: Exception) -> None:
            if failed is not None:
                failed()
            future.set_exception(error)

        self.post(work, done, undone, ahead, here=here, patient=patient)
        return future

    def post(
        self, work: Callable[[Transaction], T], then: Callable[[T], object], failed: Callable[[Exception], object],
        ahead: Ahead | None = None, *, here: bool = False, patient: bool = False,
    ) -> None:  # fmt: skip
        """Queue a job without a future. `here`: write it in the caller's thread if it is its turn; then it is durable,
        or failed, when this returns, but where `ahead` is pressed. `patient`: nobody waits for it to be durable."""
        job = _Job(work, then, failed, ahead, patient=patient)
        if self._joined(job):
            return
        with self._guard:
            closed = self._closed
            own = here and not closed and not self._queued and self._turn.acquire(blocking=False)
            if not closed and not own:
                self._queued += 1
                self._queue.put(job)
                self._hurry.set()
        if own:
            self._write_here(job)
        elif closed:
            job.refuse()

    def close(self) -> None:
        """Commit what is queued, refuse what comes later, and end the thread."""
        self._end()
        self._thread.join()
        with self._turn:  # whoever writes in a thread of its own is through
            self._refuse_rest()

    def _end(self) -> None:
        with self._guard:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
                self._hurry.set()

    def _write_here(self, job: _Job) -> None:
        try:
            if self._began(job) and not self._left(job):
                self._commit([job])
        except BaseException:
            self._end()  # a callback failed, which is a defect: as in the thread
            raise
        finally:
            self._turn.release()

    def _began(self, job: _Job) -> bool:
        try:
            job.begin(self._transaction)
        except Exception as error:  # noqa: BLE001 - whatever is ahead of a job raises is its caller's, not the writer's
            self._take_back([job])
            job.failed(error)
            return False
        return True

    def _left(self, job: _Job) -> bool:
        """Leave a job that has begun to the writer's thread, as the first that it writes: numbers are in order."""
        if job.ahead is None or not (job.patient or job.ahead.pressed()):
            return False
        with self._guard:
            free = not self._closed and not self._queued
            if free:
                self._queued += 1
                self._queue.put(job)
        return free

    def _run(self) -> None:
        try:
            while self._round():
                pass
        finally:
            # Also when a callback failed, which is a defect: whoever waits is told, and nothing new is taken.
            with self._guard:
                self._closed = True
            self._refuse_rest()

    def _round(self) -> bool:
        """Commit one batch; False when the writer is to end."""
        job = self._queue.get()
        batch = [job] if job is not None else []
        with self._turn:
            going_on = job is not None and self._gather(batch)
            queued = len(batch)
            if going_on and all(job.begun and job.patient for job in batch):
                self._linger(batch)
                joined = len(batch) - queued
                going_on = self._gather(batch)
                queued = len(batch) - joined
            if batch:
                self._commit(batch)
        with self._guard:
            self._queued -= queued
        return going_on

    def _gather(self, batch: list[_Job]) -> bool:
        """Add what is queued; False when the writer is to end."""
        while len(batch) < MAX_BATCH:
            try:
                job = self._queue.get_nowait()
            except Empty:
                return True
            if job is None:
                return False
            batch.append(job)
        return True

    def _linger(self, batch: list[_Job]) -> None:
        self._hurry.clear()
        with self._numbering:
            self._lingering = batch
        if self._queue.empty():
            self._hurry.wait(LINGER)
        with self._numbering:
            self._lingering = None

    def _joined(self, job: _Job) -> bool:
        """Whether a batch that lingers has the job now, as its last: what is ahead of it goes on at once."""
        seen = self._lingering
        if seen is None or job.ahead is None:  # as nearly always: without a lock
            return False
        with self._numbering:
            batch = self._lingering
            if batch is None or self._hurry.is_set() or len(batch) >= MAX_BATCH:  # behind what is queued
                return False
            if self._began(job):
                batch.append(job)
        if not job.patient:
            self._hurry.set()
        return True

    def _commit(self, batch: list[_Job]) -> None:
        try:
            results = self._transact(batch, lambda job: (job, self._ran(job), None))
        except Exception as error:  # noqa: BLE001 - whatever a job raises is its caller's, not the writer's
            self._commit_apart(batch, error)
        else:
            self._tell(results)

    def _commit_apart(self, batch: list[_Job], error: Exception) -> None:
        """Find out which jobs of a batch fail, and commit all others."""
        if isinstance(error, sqlite3.OperationalError):
            if len(batch) > 1:
                # Each in its own transaction: what still fits is stored.
                for job in batch:
                    self._commit([job])
                return
            self.full = _is_storage(error)
            batch[0].failed(BrokerFullError(f"the broker cannot store: {error}") if self.full else error)
        elif len(batch) == 1:
            batch[0].failed(error)
        else:
            try:
                results = self._transact(batch, self._savepoint)
            except sqlite3.OperationalError as storage:
                self._commit_apart(batch, storage)
            else:
                self._tell(results)

    def _tell(self, results: list[_Result]) -> None:
        self.full = False
        self.commits += 1
        self._committed(self._transaction.sequence)
        for job, result, failed in results:
            if failed is None:
                job.then(result)
            else:
                job.failed(failed)

    def _transact(self, batch: list[_Job], write: Callable[[_Job], _Result]) -> list[_Result]:
        mark = self._transaction.mark()
        execute = self._connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            results = [write(job) for job in batch]
            execute("COMMIT")
        except BaseException:
            self._transaction.restore(mark, numbers=all(job.ahead is None for job in batch))
            if self._connection.in_transaction:
                execute("ROLLBACK")
            self._take_back(batch)
            raise
        for job in batch:
            if job.ahead is not None and job.begun:
                job.begun = False
                job.ahead.give(durable=True)
        return results

    def _ran(self, job: _Job) -> Any:
        job.begin(self._transaction)
        return job.work(self._transaction)

    def _savepoint(self, job: _Job) -> _Result:
        mark = self._transaction.mark()
        execute = self._connection.execute
        execute("SAVEPOINT job")
        try:
            result = self._ran(job)
        except sqlite3.OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a job raises is its caller's, not the writer's
            self._transaction.restore(mark, numbers=job.ahead is None)
            execute("ROLLBACK TO job")
            execute("RELEASE job")
            self._take_back([job])
            return job, None, error
        execute("RELEASE job")
        return job, result, None

    def _take_back(self, batch: list[_Job]) -> None:
        for job in batch:
            if job.begun and job.ahead is not None:
                job.begun = False
                job.ahead.take_back()

    def _refuse_rest(self) -> None:
        while True:
            try:
                job = self._queue.get_nowait()
            except Empty:
                return
            if job is not None:
                job.refuse()


def _is_storage(error: sqlite3.OperationalError) -> bool:
    return (error.sqlite_errorcode & 0xFF) in _STORAGE
