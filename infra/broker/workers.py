"""The threads that make attempts: anybody's, but each route has at most so many at once, so that a slow subscriber
holds up no other.

A thread that is through with a delivery goes on with what came of it (`going_on`): to wake another one takes longer
than most of what it would do, on a machine whose other processors sleep up to a millisecond, and with caches that know
nothing of it. For the same reason it is the thread that ran last that is woken for the next task, and no other.
"""

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, Thread, current_thread, local

Task = Callable[[], object]


class Post:
    """Where the tasks of one route are put. To be had from `Workers.post`."""

    __slots__ = ("_workers", "running", "waiting")

    def __init__(self, workers: "Workers") -> None:
        self._workers = workers
        self.running = 0
        self.waiting: deque[Task] = deque()

    def put(self, task: Task) -> None:
        """Run `task` when fewer than the limit do, in the order of calls."""
        self._workers.put(self, task)


_Next = tuple[Post, Task]


class _Here(local):
    """Of a worker's thread: whether it keeps what is put next, and what it kept."""

    keeps = False
    kept: _Next | None = None


class _Seat:
    """Where a thread waits while it is idle. A lock of its own: of several that wait at one, whoever is woken wakes the
    next one before it goes to work, for nothing."""

    __slots__ = ("_asleep", "_given")

    def __init__(self) -> None:
        self._asleep = Lock()
        self._asleep.acquire()
        self._given: _Next | None = None

    def give(self, given: _Next | None) -> None:
        """End the wait, once."""
        self._given = given
        self._asleep.release()

    def wait(self) -> _Next | None:
        self._asleep.acquire()
        return self._given


class Workers:
    """Threads, started as they are needed: as many as run tasks at once, and none ends before `stop`."""

    def __init__(self, limit: int) -> None:
        """`limit` is tasks at once, at each post."""
        self._limit = limit
        self._threads = 0
        self._idle: list[_Seat] = []  # who came last is the first to go: what it works with is still at hand
        self._unmanned: deque[_Next] = deque()  # the system had no thread to give
        self._stopped = False
        self._lock = Lock()
        self._here = _Here()

    def post(self) -> Post:
        return Post(self)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """In a worker's thread: the first task that is put within the block is run by this thread, after the task that
        it runs now; which must end soon after the block."""
        self._here.keeps = True
        try:
            yield
        finally:
            self._here.keeps = False

    @property
    def pressed(self) -> bool:
        """Whether this thread keeps a task, and so should leave to others what they can do as well."""
        return self._here.kept is not None

    def put(self, post: Post, task: Task) -> None:
        """As `Post.put`."""
        with self._lock:
            if post.running >= self._limit:
                post.waiting.append(task)
                return
            post.running += 1
            if self._here.keeps and self._here.kept is None:
                self._here.kept = post, task
                return
            self._hand_over((post, task))

    def stop(self) -> None:
        """End the threads that are idle; those that run a task end after it. Does not wait."""
        with self._lock:
            self._stopped = True
            while self._idle:
                self._idle.pop().give(None)

    def _run(self, first: _Next) -> None:
        seat = _Seat()
        following: _Next | None = first
        while following is not None:
            post, task = following
            try:
                task()
            except Exception:  # noqa: BLE001 - a defect: shown as that of a thread that dies, which takes no place
                threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), current_thread())))
            following = self._following(post) or self._rest(seat)

    def _following(self, post: Post) -> _Next | None:
        """What this thread runs next, None where there is nothing."""
        kept, self._here.kept = self._here.kept, None
        with self._lock:
            if not post.waiting:
                post.running -= 1
                return kept
            following = post, post.waiting.popleft()  # in the place that this thread leaves
            if kept is None:
                return following
            self._hand_over(following)
            return kept

    def _rest(self, seat: _Seat) -> _Next | None:
        """What this idle thread is woken for, None where it is to end."""
        with self._lock:
            if self._unmanned:
                return self._unmanned.popleft()
            if self._stopped:
                return None
            self._idle.append(seat)
        return seat.wait()

    def _hand_over(self, given: _Next) -> None:
        """To an idle thread, or to a new one; after `stop` to nobody. With the lock held."""
        if self._idle:
            self._idle.pop().give(given)
            return
        if self._stopped:
            return
        try:
            Thread(target=self._run, args=(given,), name=f"broker-worker-{self._threads + 1}", daemon=True).start()
        except RuntimeError:
            self._unmanned.append(given)
        else:
            self._threads += 1
