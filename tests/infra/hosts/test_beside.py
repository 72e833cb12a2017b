"""Work side by side: begun at once, awaited by whoever asks and by the end of the block, and by nobody twice."""

from threading import Event, get_ident

import pytest

from functions._failures import Conflict
from infra.hosts.beside import Threads

PATIENCE = 60.0


def test_it_goes_on_while_the_block_does_something_else() -> None:
    begun, told = Event(), Event()

    def work() -> int:
        begun.set()
        assert told.wait(PATIENCE)
        return get_ident()

    with Threads()(work) as done:
        assert begun.wait(PATIENCE)
        told.set()
        assert done() != get_ident()
        assert done() == done()


def test_what_it_raises_is_raised_for_whoever_asks_each_time() -> None:
    def work() -> int:
        raise Conflict("somebody was faster")

    with Threads()(work) as done:
        for _ in range(2):
            with pytest.raises(Conflict, match="somebody was faster"):
                done()


@pytest.mark.parametrize("failing", [False, True])
def test_nothing_of_it_goes_on_after_the_block_and_nobody_who_does_not_ask_is_told(failing: bool) -> None:
    ended: list[str] = []
    told = Event()

    def work() -> None:
        assert told.wait(PATIENCE)
        ended.append("work")
        raise Conflict("nobody asks")

    with pytest.raises(LookupError) if failing else Threads()(lambda: None), Threads()(work):
        told.set()
        if failing:
            raise LookupError
    assert ended == ["work"]


def test_much_at_once() -> None:
    beside = Threads()
    with beside(lambda: 1) as one, beside(lambda: 2) as two, beside(lambda: 3) as three:
        assert (three(), one(), two()) == (3, 1, 2)
