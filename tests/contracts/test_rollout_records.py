"""One suite each for `Rollouts`, `Budgets` and `Reminders`: the fakes and the real OpenBao do the same."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from events.consumer import WorkloadRef
from events.references import Version
from functions._failures import Conflict
from functions._workloads import Budget, Budgets, Reminder, Reminders, Rollout, Rollouts
from infra.stores.vault.budgets import VaultBudgets
from infra.stores.vault.kv import KvEngine
from infra.stores.vault.reminders import VaultReminders
from infra.stores.vault.rollouts import VaultRollouts
from infra.stores.vault.turns import Turns
from tests.fakes.workloads import FakeBudgets, FakeReminders, FakeRollouts
from tests.openbao import OpenBao

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
MINUTE = datetime(2026, 1, 2, 3, 5, tzinfo=UTC)


@dataclass
class Bench:
    rollouts: Rollouts
    budgets: Budgets
    reminders: Reminders
    run: str  # the server is shared: other tests' documents are there too

    def ref(self, name: str) -> WorkloadRef:
        return WorkloadRef(kind="StatefulSet", namespace=f"run-{self.run}", name=name)

    def rollout(self, name: str) -> Rollout:
        return Rollout(
            workload=self.ref(name), uid="u-1", digest="0" * 32, marks={"db": "0@x"},
            stamps={"db": {"secret/team/app": Version(number=3, created=NOW, id="i")}}, state="waiting", began=NOW,
            generation=7, reason="budget", told=True, due=MINUTE,
        )  # fmt: skip


@pytest.fixture(params=["fake", pytest.param("openbao", marks=pytest.mark.e2e)])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    run = uuid4().hex[:12]
    if request.param == "fake":
        yield Bench(FakeRollouts(), FakeBudgets(), FakeReminders(), run)
        return
    openbao: OpenBao = request.getfixturevalue("openbao")
    engine = KvEngine(openbao.admin())
    yield Bench(
        VaultRollouts(engine, cluster=f"c{run}"), VaultBudgets(engine), VaultReminders(engine, cluster=f"c{run}"), run
    )


# --- rollouts ------------------------------------------------------------------------------------------------------


def test_no_record(bench: Bench) -> None:
    assert bench.rollouts.read(bench.ref("a")) is None
    assert bench.rollouts.refs() == ()


def test_a_record_is_read_as_it_was_written(bench: Bench) -> None:
    first = bench.rollouts.write(bench.rollout("a.b-c"))
    assert first.revision > 0
    assert bench.rollouts.read(bench.ref("a.b-c")) == first
    second = bench.rollouts.write(replace(first, state="adopted", due=None, reason="", told=False))
    assert bench.rollouts.read(bench.ref("a.b-c")) == second
    bench.rollouts.write(bench.rollout("a"))
    assert bench.rollouts.refs() == (bench.ref("a"), bench.ref("a.b-c"))


def test_a_record_is_set_against_the_revision_that_was_read(bench: Bench) -> None:
    first = bench.rollouts.write(bench.rollout("a"))
    with pytest.raises(Conflict):
        bench.rollouts.write(bench.rollout("a"))
    second = bench.rollouts.write(first)
    with pytest.raises(Conflict):
        bench.rollouts.write(first)
    assert bench.rollouts.read(bench.ref("a")) == second


def test_a_record_is_removed_and_made_again(bench: Bench) -> None:
    first = bench.rollouts.write(bench.rollout("a"))
    bench.rollouts.remove(first)
    bench.rollouts.remove(first)
    assert bench.rollouts.read(bench.ref("a")) is None
    assert bench.rollouts.refs() == ()
    again = bench.rollouts.write(bench.rollout("a"))
    assert bench.rollouts.read(bench.ref("a")) == again


def test_a_record_that_changed_is_not_removed(bench: Bench) -> None:
    first = bench.rollouts.write(bench.rollout("a"))
    second = bench.rollouts.write(replace(first, told=False))
    with pytest.raises(Conflict):
        bench.rollouts.remove(first)
    assert bench.rollouts.read(bench.ref("a")) == second


# --- budgets -------------------------------------------------------------------------------------------------------


def test_an_empty_pool(bench: Bench) -> None:
    assert bench.budgets.read(f"restart.{bench.run}") == Budget(f"restart.{bench.run}")


def test_a_pool_is_set_against_the_revision_that_was_read(bench: Bench) -> None:
    empty = bench.budgets.read(f"restart.{bench.run}")
    held = replace(empty, holders={bench.ref("a").subject: NOW}, waiting=(bench.ref("b").subject,))
    first = bench.budgets.write(held)
    assert bench.budgets.read(empty.pool) == first == replace(held, revision=first.revision)
    with pytest.raises(Conflict):
        bench.budgets.write(held)
    freed = bench.budgets.write(replace(first, holders={}, waiting=()))
    assert bench.budgets.read(empty.pool) == freed
    with bench.budgets.reading(empty.pool) as found, bench.budgets.reading(f"{empty.pool}.other") as other:
        assert (other(), found()) == (Budget(f"{empty.pool}.other"), freed)


def test_a_change_is_made_of_what_is_there_and_again_where_somebody_was_faster(bench: Bench) -> None:
    pool, seen = f"restart.{bench.run}", list[tuple[str, ...]]()

    def joined(name: str) -> Callable[[Budget], Budget]:
        def make(budget: Budget) -> Budget:
            seen.append(budget.waiting)
            return replace(budget, waiting=(*budget.waiting, name))

        return make

    first = bench.budgets.change(pool, joined("a"))
    assert first == bench.budgets.read(pool) == Budget(pool, {}, ("a",), first.revision)
    bench.budgets.write(replace(first, waiting=("a", "others")))  # behind our back
    assert bench.budgets.change(pool, joined("b")) == bench.budgets.read(pool)
    assert bench.budgets.read(pool).waiting == ("a", "others", "b")
    assert seen[-1] == ("a", "others")


def test_that_there_is_nothing_to_change_is_believed_of_the_newest_alone(bench: Bench) -> None:
    pool = f"restart.{bench.run}"
    known = bench.budgets.change(pool, lambda budget: replace(budget, waiting=("a",)))
    written = bench.budgets.write(replace(known, waiting=("a", "b")))
    assert bench.budgets.change(pool, lambda budget: budget) == written
    assert bench.budgets.change(pool, lambda budget: budget) == written


def test_nobody_is_faster_for_ever(bench: Bench) -> None:
    pool = f"restart.{bench.run}"

    def overtaken(budget: Budget) -> Budget:
        bench.budgets.write(replace(budget, waiting=(*budget.waiting, "others")))
        return replace(budget, waiting=(*budget.waiting, "ours"))

    with pytest.raises(Conflict):
        bench.budgets.change(pool, overtaken)
    assert "ours" not in bench.budgets.read(pool).waiting


@pytest.mark.e2e
def test_changes_of_one_process_at_once_cost_one_request_each(openbao: OpenBao) -> None:
    pool, turns = f"rotate.{uuid4().hex[:12]}", Turns()
    steps = [VaultBudgets(openbao.engine(), turns=turns) for _ in range(4)]
    steps[0].read(pool)
    openbao.calls.clear()
    with ThreadPoolExecutor(8) as hands:
        list(hands.map(lambda number: steps[number % 4].change(pool, _waits(f"n{number}")), range(24)))
    kinds = [kind for _, kind in openbao.calls]
    assert (kinds.count("write"), kinds.count("read")) == (24, 1)
    assert sorted(steps[0].read(pool).waiting) == sorted(f"n{number}" for number in range(24))


def _waits(name: str) -> Callable[[Budget], Budget]:
    return lambda budget: replace(budget, waiting=(*budget.waiting, name))


# --- reminders -----------------------------------------------------------------------------------------------------


def test_reminders_come_due_in_order(bench: Bench) -> None:
    late = Reminder(MINUTE + timedelta(minutes=1), "restart", bench.ref("a").subject)
    early = Reminder(MINUTE, "restart", bench.ref("z").subject)
    others = Reminder(MINUTE, "adopted", bench.ref("a").subject)
    for reminder in (late, early, others, early):
        bench.reminders.set(reminder)
    assert bench.reminders.due("restart", MINUTE - timedelta(seconds=1)) == ()
    assert bench.reminders.due("restart", MINUTE) == (early,)
    assert bench.reminders.due("restart", MINUTE + timedelta(days=1)) == (early, late)
    assert bench.reminders.due("adopted", MINUTE) == (others,)


def test_a_reminder_is_removed_and_set_again(bench: Bench) -> None:
    reminder = Reminder(MINUTE, "restart", bench.ref("a").subject)
    bench.reminders.set(reminder)
    bench.reminders.remove(reminder)
    bench.reminders.remove(reminder)
    assert bench.reminders.due("restart", MINUTE) == ()
    bench.reminders.set(reminder)
    assert bench.reminders.due("restart", MINUTE) == (reminder,)
