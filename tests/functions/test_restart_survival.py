"""restart and adopted survive a kill between any two calls, GitOps, autoscalers and each other.

What is checked: one restart per workload and change of data however often it is delivered, never more at once than
the budget allows, nobody restarted who did not ask, what was taken back told once; and that in the end every workload
runs what its Secrets carry, or somebody was told why it does not.
"""

import random
from collections.abc import Callable
from typing import TypeGuard

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from events.consumer import ConsumerAdopted, ConsumerRestarted, ConsumerStuck, WorkloadChanged, WorkloadRef
from functions._consumed import Heads, consumed, digest_of, marks_of, stale
from functions._marks import RESTART
from functions._ports import Settings
from tests.fakes.workloads import workload_ref
from tests.fakes.world import Killed, World
from tests.functions.fuses import Fuse
from tests.functions.rollouts import APP, ASKED, ENV, SOURCE, TARGET, complete, running, stuck, tick, versions, wired
from tests.functions.test_survival import run_to_the_end

Phase = Callable[[World], None]


def changes(world: World) -> None:
    world.source(SOURCE, {"password": b"two"})


def completes(world: World) -> None:
    world.clock.advance(30)
    world.workloads.complete(APP, world.clock.now())
    world.say(WorkloadChanged(workload=APP, seen="done"))


def completes_unseen(world: World) -> None:
    world.clock.advance(120)
    world.workloads.complete(APP, world.clock.now())
    world.tick("rollouts")


def is_missed(world: World) -> None:
    """Somebody opts in long after the change, and only the sweep sees it."""
    world.workloads.change(APP, annotations=ASKED)
    world.tick()


SCENARIOS: dict[str, tuple[bool, tuple[Phase, ...]]] = {
    "a change": (True, (changes, completes)),
    "a change, without a watch": (True, (changes, completes_unseen)),
    "found by the sweep": (False, (changes, is_missed, completes)),
}


def play(name: str, fuse: Fuse) -> World:
    asked, phases = SCENARIOS[name]
    world = wired()
    running(world, annotations=ASKED if asked else {})
    fuse.install(world)
    for phase in phases:
        phase(world)
        run_to_the_end(world)
    return world


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_every_call(name: str) -> None:
    counting = Fuse()
    play(name, counting)
    assert counting.count > 20
    for at in range(1, counting.count + 1):
        for after in (False, True):
            world = play(name, Fuse(at=at, after=after))
            Fuse().install(world)
            world.tick()
            world.settle()
            for _ in range(2):
                tick(world, 120)
            where = f"killed {'after' if after else 'before'} call {at}"
            assert len(world.workloads.restarts(APP)) == 1, where
            assert versions(world) == [2], where
            assert {event.state for event in world.events(ConsumerRestarted)}, where
            assert stuck(world) == [], where
            assert world.dead == [], where
            assert world.reminders.entries == set(), where
            assert world.budgets.read("restart.temporal").holders == {}, where
            record = world.rollouts.read(APP)
            assert record is not None, where
            assert (record.state, record.told) == ("adopted", True), where


def test_taken_back_between_restarting_and_dying() -> None:
    reached = 0
    for at in range(1, 80):  # more than all calls of it
        world = wired()
        running(world)
        Fuse(at=at, after=True).install(world)
        changes(world)
        try:
            world.settle()
        except Killed:
            if world.workloads.restarts(APP):
                reached += 1
                world.workloads.revert(APP)
        Fuse().install(world)
        world.settle()
        tick(world, 120)
        assert len(world.workloads.restarts(APP)) == 1
        assert set(stuck(world)) <= {"reverted"}
    assert reached > 3


REFS = tuple(workload_ref(f"temporal/app-{number}") for number in range(3))
LIMIT = 2


class Restarts(RuleBasedStateMachine):
    """Random changes, deployments, reverts, pauses and crashes around three workloads of one Secret."""

    refs = st.sampled_from(REFS)
    values = st.sampled_from([b"a", b"b", b"c"])

    def __init__(self) -> None:
        super().__init__()
        self.world = wired(settings=Settings(cluster="test", restart_limit=LIMIT))
        self.world.rng, self.world.duplicate, self.world.shuffle = random.Random(3), 0.3, True
        self.asked: set[WorkloadRef] = set()  # who ever asked since it was made
        self.reverted: set[tuple[str, str]] = set()

    @initialize()
    def deploy_all(self) -> None:
        for ref in REFS:
            self.deploy(ref, True)

    @rule(ref=refs, asks=st.booleans())
    def deploy(self, ref: WorkloadRef, asks: bool) -> None:
        self.world.clock.advance(5)
        self.world.workloads.put(
            ref, {TARGET.name: ENV}, annotations=ASKED if asks else {}, began=self.world.clock.now()
        )
        self.asked = self.asked | {ref} if asks else self.asked - {ref}
        self.world.clock.advance(5)

    @rule(ref=refs, asks=st.booleans())
    def ask(self, ref: WorkloadRef, asks: bool) -> None:
        self.world.workloads.change(ref, annotations=ASKED if asks else {RESTART: "false"})
        if asks:
            self.asked.add(ref)

    @rule(value=values)
    def change(self, value: bytes) -> None:
        self.world.source(SOURCE, {"password": value})

    @rule(ref=refs, paused=st.booleans())
    def pause(self, ref: WorkloadRef, paused: bool) -> None:
        self.world.workloads.change(ref, paused=paused)

    @rule(ref=refs)
    def scale(self, ref: WorkloadRef) -> None:
        self.world.workloads.change(ref)

    @rule(ref=refs)
    def revert(self, ref: WorkloadRef) -> None:
        workload = self.world.workloads.read(ref)
        if workload is not None and workload.restarted_for:
            self.reverted.add((workload.uid, workload.restarted_for))
            self.world.workloads.revert(ref)

    @rule(ref=refs, seen=st.booleans())
    def finish(self, ref: WorkloadRef, seen: bool) -> None:
        self.world.clock.advance(10)
        self.world.workloads.complete(ref, self.world.clock.now())
        if seen:
            self.world.say(WorkloadChanged(workload=ref, seen="x"))

    @rule(seconds=st.sampled_from([5, 60, 400]), schedule=st.sampled_from(["rollouts", "sweep"]))
    def time_passes(self, seconds: int, schedule: str) -> None:
        self.world.clock.advance(seconds)
        self.world.tick(schedule)

    @rule(count=st.integers(1, 6))
    def deliver(self, count: int) -> None:
        for _ in range(count):
            if self.world.queue:
                self.world.queue.rotate(self.world.rng.randrange(len(self.world.queue)))
                self.world.deliver(self.world.queue.popleft())

    @rule(at=st.integers(1, 15), after=st.booleans())
    def killed(self, at: int, after: bool) -> None:
        Fuse(at=at, after=after).install(self.world)
        try:
            for _ in range(3):
                if self.world.queue:
                    self.world.deliver(self.world.queue.popleft())
        except Killed:
            pass
        finally:
            Fuse().install(self.world)

    @invariant()
    def one_restart_per_workload_and_change(self) -> None:
        written = sum(call in (("create", str(TARGET)), ("update", str(TARGET))) for call in self.world.secrets.calls)
        for ref in REFS:
            restarts = self.world.workloads.restarts(ref)
            assert len(restarts) == len(set(restarts)), "restarted twice for one change"
            assert len(restarts) <= written

    @invariant()
    def nobody_is_restarted_who_did_not_ask(self) -> None:
        for ref in REFS:
            assert ref in self.asked or not self.world.workloads.restarts(ref)

    @invariant()
    def the_budget_is_kept(self) -> None:
        now = self.world.clock.now()
        for budget in self.world.budgets.pools.values():
            assert sum(until > now for until in budget.holders.values()) <= LIMIT

    def teardown(self) -> None:
        self.world.settle(limit=20000)
        for ref in REFS:
            self.world.workloads.change(ref, paused=False)
        for _ in range(12):
            self.world.clock.advance(700)
            self.world.tick()
            self.world.tick("rollouts")
            self.world.settle(limit=20000)
            for ref in REFS:
                complete(self.world, ref)
        self.world.settle(limit=20000)
        for ref in REFS:
            self._ends_well(ref)
        assert self.world.dead == []
        before = len(self.world.events(ConsumerAdopted)) + len(self.world.events(ConsumerStuck))
        for _ in range(3):
            tick(self.world, 700)
        assert len(self.world.events(ConsumerAdopted)) + len(self.world.events(ConsumerStuck)) == before

    def _ends_well(self, ref: WorkloadRef) -> None:
        workload, record = self.world.workloads.read(ref), self.world.rollouts.read(ref)
        assert workload is not None
        secrets = consumed(workload, Heads(self.world.ports), self.world.ports)
        if not secrets:
            return
        digest = digest_of(marks_of(secrets))
        assert record is not None
        assert record.digest == digest
        assert record.told
        if stale(secrets, self.world.workloads.pods(ref), digest):
            assert (record.state, record.reason) == ("stuck", "reverted")
        else:
            assert record.state == "adopted"
        told = {(event.seen, event.digest) for event in self.world.said if _reverted(event)}
        if (workload.uid, digest) in self.reverted:
            assert (workload.uid, digest) in told


def _reverted(event: object) -> TypeGuard[ConsumerStuck]:
    return isinstance(event, ConsumerStuck) and event.reason == "reverted"


TestRestarts = Restarts.TestCase
