"""A good answer is presumed until somebody doubts it; a bad one never is."""

from infra.hosts.presuming import Presumption


def test_a_good_answer_stands_until_it_is_doubted() -> None:
    answers = iter((False, True, False, True))
    presumption = Presumption(lambda: next(answers))
    assert [presumption.ready() for _ in range(4)] == [False, True, True, True]
    presumption.doubt()
    assert [presumption.ready() for _ in range(3)] == [False, True, True]
