"""The limit of each route, the order of its tasks, and going on in the same thread."""

import threading
from collections.abc import Callable, Iterator

import pytest

from infra.broker.workers import Post, Task, Workers
from tests.infra.broker.kit import DEADLINE, until


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers(2)
    yield workers
    workers.stop()


class Held:
    """Tasks that note their thread, and end when they are told to."""

    def __init__(self) -> None:
        self.running: list[int] = []
        self.ended: list[tuple[int, str]] = []
        self.opened = threading.Event()

    def task(self, number: int) -> Task:
        def run() -> None:
            self.running.append(number)
            assert self.opened.wait(DEADLINE)
            self.ended.append((number, threading.current_thread().name))

        return run


def ran(post: Post) -> None:
    """Wait until a task that is put now has run."""
    done = threading.Event()
    post.put(done.set)
    assert done.wait(DEADLINE)


def following(workers: Workers, then: Callable[[], object], *, pressed: list[bool] | None = None) -> Task:
    """A task that does `then` where the thread goes on with what is put."""

    def run() -> None:
        with workers.going_on():
            then()
            if pressed is not None:
                pressed.append(workers.pressed)

    return run


def test_a_slow_route_takes_its_limit_and_holds_up_no_other(workers: Workers) -> None:
    slow, held = workers.post(), Held()
    for number in range(5):
        slow.put(held.task(number))
    until(lambda: len(held.running) == 2)
    ran(workers.post())
    assert sorted(held.running) == [0, 1], "no more than the limit at once"
    held.opened.set()
    until(lambda: len(held.ended) == 5)
    assert held.running[2:] == [2, 3, 4], "the others in the order in which they were put"


def test_threads_are_used_again(workers: Workers) -> None:
    names: set[str] = set()
    post = workers.post()
    for _ in range(20):
        ran(post)
        post.put(lambda: names.add(threading.current_thread().name))
        ran(post)
    assert len(names) <= 2


def test_what_comes_of_a_task_is_run_by_its_thread(workers: Workers) -> None:
    first, second, other = workers.post(), workers.post(), Held()
    order: list[str] = []
    pressed: list[bool] = []
    done = threading.Event()

    def name() -> str:
        return threading.current_thread().name

    def last() -> None:
        order.append(name())
        done.set()

    def then() -> None:
        second.put(last)
        second.put(other.task(7))  # the second goes to another thread at once
        until(lambda: other.running == [7])
        order.append(name())

    first.put(following(workers, then, pressed=pressed))
    assert done.wait(DEADLINE)
    assert order[0] == order[1], "after the task that put it, by the same thread"
    assert pressed == [True]
    other.opened.set()
    until(lambda: len(other.ended) == 1)
    assert other.ended[0][1] != order[0]


def test_nothing_is_kept_outside_of_the_block_or_by_other_threads(workers: Workers) -> None:
    first, second = workers.post(), workers.post()
    seen: list[bool] = []

    def before() -> None:
        second.put(lambda: None)
        seen.append(workers.pressed)
        with workers.going_on():
            outside = threading.Thread(target=second.put, args=(lambda: None,))
            outside.start()
            outside.join(DEADLINE)
            seen.append(workers.pressed)

    first.put(before)
    until(lambda: len(seen) == 2)
    assert seen == [False, False]
    assert not workers.pressed


def test_a_kept_task_counts_for_its_route_and_leaves_the_place_of_the_other(workers: Workers) -> None:
    first, second, held = workers.post(), workers.post(), Held()
    second.put(held.task(0))
    first.put(following(workers, lambda: second.put(held.task(1))))
    until(lambda: held.running == [0, 1])
    second.put(held.task(2))
    for _ in range(3):
        ran(first)  # its place is free again, though its thread runs for the other
    assert held.running == [0, 1]
    held.opened.set()
    until(lambda: len(held.ended) == 3)


def test_what_waits_at_a_route_goes_to_another_thread_where_one_goes_on(workers: Workers) -> None:
    first, second, slow, kept = workers.post(), workers.post(), Held(), Held()
    begin = threading.Event()

    def then() -> None:
        assert begin.wait(DEADLINE)
        second.put(kept.task(1))

    first.put(following(workers, then))
    first.put(slow.task(2))
    first.put(slow.task(3))  # waits for the first of this route
    until(lambda: slow.running == [2])
    begin.set()
    until(lambda: kept.running == [1] and slow.running == [2, 3])
    kept.opened.set()
    slow.opened.set()
    until(lambda: len(kept.ended) == 1 and len(slow.ended) == 2)


def test_a_task_that_fails_is_shown_and_takes_no_place(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda told: shown.append(told.exc_value))
    first, second = workers.post(), workers.post()
    done = threading.Event()

    def fails() -> None:
        with workers.going_on():
            second.put(done.set)
        raise LookupError("a defect")

    for _ in range(5):
        first.put(fails)
        assert done.wait(DEADLINE), "what came of it is done all the same"
        done.clear()
    ran(first)
    assert [str(one) for one in shown] == ["a defect"] * 5


def test_where_the_system_has_no_thread_to_give_one_that_is_free_does_it(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, held = workers.post(), workers.post(), Held()
    first.put(held.task(0))
    until(lambda: held.running == [0])

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        second.put(held.task(1))
    held.opened.set()
    until(lambda: sorted(number for number, _ in held.ended) == [0, 1])
    ran(second)


def test_the_thread_that_ran_last_is_the_one_that_is_woken(workers: Workers) -> None:
    """What it works with is still at hand; and nobody else is woken for nothing."""
    first, second, held = workers.post(), workers.post(), Held()
    first.put(held.task(0))
    second.put(held.task(1))
    until(lambda: len(held.running) == 2)
    held.opened.set()
    until(lambda: len(workers._idle) == 2)
    names: list[str] = []
    for _ in range(20):
        first.put(lambda: names.append(threading.current_thread().name))
        until(lambda: len(workers._idle) == 2)
    assert len(names) == 20
    assert len(set(names)) == 1


def test_nothing_is_begun_after_stopping() -> None:
    workers = Workers(1)
    workers.stop()
    before = set(threading.enumerate())
    workers.post().put(lambda: None)
    assert set(threading.enumerate()) <= before


def test_stopping_ends_the_threads_when_their_tasks_end() -> None:
    workers, held = Workers(1), Held()
    before = set(threading.enumerate())
    workers.post().put(held.task(0))
    ran(workers.post())
    workers.stop()
    held.opened.set()
    started = set(threading.enumerate()) - before
    for thread in started:
        thread.join(DEADLINE)
    assert [number for number, _ in held.ended] == [0]
    assert not any(thread.is_alive() for thread in started)
