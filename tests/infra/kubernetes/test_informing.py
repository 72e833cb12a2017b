"""The informer's thread: what it does when the server answers otherwise than hoped."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from functions._failures import Unavailable
from infra.kubernetes.backoff import Backoff
from infra.kubernetes.informing import Informer
from infra.kubernetes.mirror import Difference, Key, Object
from infra.kubernetes.watching import Expired, WatchEvent
from tests.fakes.feeds import FakeFeed, FakeStream

DEADLINE = 20.0


def made(name: str, version: int, content: str = "x") -> Object:
    return {"metadata": {"name": name, "namespace": "n", "resourceVersion": str(version)}, "content": content}


class Told:
    """Where differences go; `content` is the state that they make."""

    def __init__(self) -> None:
        self.calls = 0
        self.content: dict[Key, str] = {}
        self.refusals = 0

    def __call__(self, told: tuple[Difference[str], ...]) -> None:
        self.calls += 1
        if self.refusals:
            self.refusals -= 1
            raise RuntimeError("the broker is full")
        for one in told:
            self.content[one.key] = one.after or "gone"


def keep(found: Object) -> str:
    return str(found["content"])


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


@pytest.fixture
def run() -> Iterator[Callable[[FakeFeed, Told], Informer[str]]]:
    running: list[Informer[str]] = []

    def start(feed: FakeFeed, told: Told, **more: Any) -> Informer[str]:
        informer = Informer(feed, keep, told, backoff=Backoff(first=0.001, longest=0.01), **more)
        running.append(informer)
        informer.start()
        return informer

    yield start
    for informer in running:
        informer.stop()
        assert not informer.alive()


Run = Callable[..., Informer[str]]


def test_a_list_then_a_watch_from_where_it_ended(run: Run) -> None:
    feed, told = FakeFeed(([made("a", 5, "1")], 7)), Told()
    feed.streams.append(FakeStream([WatchEvent("MODIFIED", made("a", 8, "2")), WatchEvent("ADDED", made("b", 9))]))
    informer = run(feed, told)
    assert informer.wait_ready(DEADLINE)
    until(lambda: told.content == {("n", "a"): "2", ("n", "b"): "x"})
    assert feed.opened == ["7"]
    assert informer.last_error is None


def test_nothing_there_is_told_too(run: Run) -> None:
    feed, told = FakeFeed(([], 7)), Told()
    assert run(feed, told).wait_ready(DEADLINE)
    assert told.calls == 1


def test_a_watch_that_ends_is_resumed_from_the_last_bookmark(run: Run) -> None:
    feed, told = FakeFeed(([], 7)), Told()
    bookmark = WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": "20"}})
    feed.streams.append(FakeStream([WatchEvent("ADDED", made("a", 8)), bookmark, None]))
    run(feed, told)
    until(lambda: feed.opened == ["7", "20"])
    assert feed.listed == 1


def test_a_forgotten_position_is_another_list_whose_differences_are_told(run: Run) -> None:
    feed, told = FakeFeed(([made("a", 5), made("b", 6)], 7), ([made("b", 6), made("c", 30)], 31)), Told()
    feed.streams.extend([FakeStream([Expired("410")]), FakeStream([])])
    run(feed, told)
    until(lambda: feed.opened == ["7", "31"])
    assert told.content == {("n", "a"): "gone", ("n", "b"): "x", ("n", "c"): "x"}


def test_a_position_that_expires_when_the_watch_is_opened(run: Run) -> None:
    feed, told = FakeFeed(([], 7), ([], 9)), Told()
    feed.streams.extend([Expired("410"), FakeStream([])])
    run(feed, told)
    until(lambda: feed.opened == ["7", "9"])


def test_a_server_that_is_down_is_shown_and_asked_again(run: Run) -> None:
    down = Unavailable("kubernetes", "the API server is not reachable")
    feed, told = FakeFeed(down, down, ([made("a", 5)], 7)), Told()
    notices: list[str] = []
    informer = run(feed, told, name="Secret of n", notice=notices.append)
    assert informer.wait_ready(DEADLINE)
    until(lambda: informer.last_error is None)
    assert notices == ["Secret of n: the API server is not reachable"], "once per reason"
    assert told.content == {("n", "a"): "x"}


def test_what_was_known_stays_known_while_the_server_is_down(run: Run) -> None:
    down = Unavailable("kubernetes", "the API server is not reachable")
    feed, told = FakeFeed(([made("a", 5)], 7)), Told()
    feed.streams.extend([down] * 3)
    informer = run(feed, told)
    until(lambda: len(feed.opened) == 4)
    assert informer.held() == {("n", "a"): "x"}
    assert feed.listed == 1
    assert set(feed.opened) == {"7"}


def test_a_position_that_no_server_knows_is_given_up(run: Run) -> None:
    """As after the cluster was restored from a backup: its watches fail for ever, a list does not."""
    down = Unavailable("kubernetes", "Too large resource version")
    feed, told = FakeFeed(([made("a", 900)], 1000), ([made("a", 3, "restored")], 4)), Told()
    feed.streams.extend([down] * 6)
    run(feed, told)
    until(lambda: told.content == {("n", "a"): "restored"})


def test_news_that_is_not_taken_is_told_again_and_not_overtaken(run: Run) -> None:
    feed, told = FakeFeed(([], 7)), Told()
    informer = run(feed, told)
    assert informer.wait_ready(DEADLINE)
    until(lambda: feed.open)
    told.refusals = 3
    assert feed.open is not None
    feed.open.push(WatchEvent("ADDED", made("a", 8, "1")))
    feed.open.push(WatchEvent("MODIFIED", made("a", 9, "2")))
    until(lambda: told.content == {("n", "a"): "2"})
    assert told.calls == 1 + 3 + 2


def test_another_list_on_demand(run: Run) -> None:
    feed, told = FakeFeed(([made("a", 5)], 7), ([made("a", 5), made("b", 8)], 9)), Told()
    informer = run(feed, told)
    until(lambda: feed.open)
    informer.relist()
    until(lambda: told.content == {("n", "a"): "x", ("n", "b"): "x"})
    assert feed.listed == 2


def test_what_keep_raises_is_shown_without_its_text(run: Run) -> None:
    broken: Object = {"metadata": {"name": "a", "resourceVersion": "5"}, "canary-7f3a": 1}
    feed, told = FakeFeed(([broken], 7), ([made("a", 5)], 8)), Told()
    notices: list[str] = []
    informer = run(feed, told, notice=notices.append)
    assert informer.wait_ready(DEADLINE)
    assert notices
    assert "canary-7f3a" not in str(notices)


def test_stopping_wakes_whoever_waits(run: Run) -> None:
    informer = run(FakeFeed(Unavailable("kubernetes", "down", after=3600)), Told())
    until(lambda: informer.last_error)
    informer.stop()
    assert not informer.alive()


def test_back_off_doubles_to_its_longest_and_honours_what_the_server_wants() -> None:
    backoff = Backoff(first=1.0, longest=8.0, draw=lambda: 1.0)
    assert [backoff.failed() for _ in range(5)] == [1.0, 2.0, 4.0, 8.0, 8.0]
    assert Backoff(first=1.0, draw=lambda: 0.0).failed() == 0.5
    assert Backoff(first=1.0, longest=8.0).failed(5.0) == 5.0
    assert Backoff(first=1.0, longest=8.0).failed(3600.0) == 8.0, "not for ever"
    backoff.succeeded()
    assert backoff.failed() == 1.0
