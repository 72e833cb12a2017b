import pytest

from infra.hosts.checks.pipeline import judged_tail


@pytest.mark.parametrize(("age", "status"), [(0.0, "ok"), (190.0, "ok"), (191.0, "fail")])
def test_entries_may_wait_three_intervals_for_an_anchor(age: float, status: str) -> None:
    check = judged_tail(waiting=7, entries=100, age=age, interval=60.0, runs=3600.0)
    assert (check.status, check.message.startswith("7 of 100 entries")) == (status, True)


@pytest.mark.parametrize(("runs", "status"), [(3.0, "ok"), (190.0, "ok"), (191.0, "fail")])
def test_while_nothing_ran_nobody_anchored(runs: float, status: str) -> None:
    check = judged_tail(waiting=18, entries=18, age=342.0, interval=60.0, runs=runs)
    assert check.status == status
    assert check.message == f"18 of 18 entries are not anchored yet, anchoring since the start {runs:.0f} s ago"
