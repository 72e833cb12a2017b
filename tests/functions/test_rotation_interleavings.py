"""Rotations under random operators, leaks, outages, crashes, clocks and foreign writers; and calls that come late."""

import random

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from events.rotation import AbortRequested, RotationRequested
from functions._orders import expiry
from functions._rotations import ENDED
from functions._systems import Credential
from tests.fakes.world import Killed, World
from tests.functions.fuses import Fuse
from tests.functions.rotating import (
    FIRST,
    PATH,
    STRATEGIES,
    abort,
    ask,
    live,
    login,
    newest,
    record,
    rotating,
    seal,
    slots,
    staged_values,
    system_of,
    tick,
    until,
    works_somewhere,
)


class Rotations(RuleBasedStateMachine):
    """One path of one strategy; at every moment somebody can log in, and at rest nothing is left over."""

    strategy = "single"

    def __init__(self) -> None:
        super().__init__()
        self.world: World = World()

    @initialize(strategy=st.sampled_from(STRATEGIES))
    def wire(self, strategy: str) -> None:
        self.strategy = strategy
        self.world = rotating(strategy, schedule={"interval": "24h"}, maximumAge="48h")
        self.world.rng, self.world.duplicate, self.world.shuffle = random.Random(3), 0.3, True

    @rule(policy=st.sampled_from(["planned", "leak"]), attempt=st.integers(1, 3))
    def order(self, policy: str, attempt: int) -> None:
        ask(self.world, policy, attempt=attempt)

    @rule()
    def order_again(self) -> None:
        """A late, repeated order."""
        for event in self.world.said:
            if isinstance(event, RotationRequested):
                self.world.say(event)
                return

    @rule()
    def abort(self) -> None:
        known = self.world.rotations.known(PATH)
        if known is not None and known.phase not in ENDED:
            self.world.say(
                AbortRequested(path=PATH, rotation=known.id, by="x", expires=expiry(self.world.ports), reason="test")
            )

    @rule(count=st.integers(1, 6))
    def deliver(self, count: int) -> None:
        for _ in range(count):
            if self.world.queue:
                self.world.queue.rotate(self.world.rng.randrange(len(self.world.queue)))
                delivery = self.world.queue.popleft()
                delivery.attempts = 0
                self.world.deliver(delivery)

    @rule(at=st.integers(1, 15), after=st.booleans())
    def killed(self, at: int, after: bool) -> None:
        Fuse(at=at, after=after).install(self.world)
        try:
            self.deliver(3)
        except Killed:
            pass
        finally:
            Fuse().install(self.world)

    @rule()
    def sealed(self) -> None:
        seal(self.world, True)
        self.deliver(3)
        seal(self.world, False)

    @rule(admin=st.booleans())
    def outage(self, admin: bool) -> None:
        system = system_of(self.world)
        system.down, system.admin = not admin, not admin
        self.deliver(3)
        system.down, system.admin = False, True

    @rule()
    def refused_by_policy(self) -> None:
        system_of(self.world).refuses = lambda value: True
        self.deliver(3)
        system_of(self.world).refuses = lambda value: False

    @rule(seconds=st.sampled_from([-3600, 30, 120, 4000, 90_000]))
    def clock(self, seconds: int) -> None:
        self.world.clock.advance(seconds)
        self.world.tick("rotations")

    @rule()
    def sweep(self) -> None:
        self.world.tick()

    @rule()
    def intrude(self) -> None:
        if PATH in self.world.publications.known:  # before, nobody could tell it from the authority's own
            self.world.authority.foreign_write(PATH, {"username": b"mallory", "password": b"x", "key": b"k"})

    @invariant()
    def somebody_can_log_in(self) -> None:
        if self.world.systems.systems:
            assert works_somewhere(self.world, self.strategy)

    @invariant()
    def one_value_for_each_attempt(self) -> None:
        for known in self.world.rotations.history[-1:]:
            staged = {one.version for one in self.world.pending.history if one.rotation == known.id}
            assert len(staged) <= (2 if known.regenerated else 1) + (1 if known.phase in ENDED else 0)

    def teardown(self) -> None:
        if not self.world.systems.systems:
            return
        for _ in range(8):
            self.world.settle(limit=20000)
            tick(self.world, 700)
            self.world.tick()
        self.world.settle(limit=20000)
        known = self.world.rotations.known(PATH)
        if known is None:
            return
        assert known.phase in ENDED
        assert self.world.pending.known(PATH) is None or known.phase != "completed"
        assert slots(self.world) == []
        if known.phase == "completed" and newest(self.world) == known.promoted:
            assert login(self.world, live(self.world))
            current = {value for one in self.world.pending.history for value in _secrets(one.data)}
            accepted = [v for name in system_of(self.world).accounts for v in system_of(self.world).accepted(name)]
            assert len([value for value in accepted if value in current | {FIRST}]) == 1


def _secrets(data: object) -> list[bytes]:
    found = data.get("secret") or data.get("password")  # type: ignore[attr-defined]
    return [found.reveal()] if found is not None else []


TestRotations = Rotations.TestCase


@pytest.mark.parametrize("strategy", ["single", "dual"])
def test_an_apply_that_takes_effect_after_it_was_given_up_is_undone(strategy: str) -> None:
    """A delivery hangs within the call of the target, while everything else goes on to the end."""
    world = rotating(strategy)
    ask(world)
    while world.rotations.known(PATH) is None or record(world).phase != "staged":
        world.deliver(world.queue.popleft())
    stalled = world.queue.popleft()
    inside: list[str] = []

    def hang(operation: str, _account: str) -> None:
        if operation == "apply" and not inside:
            inside.append(operation)
            known = record(world)
            world.say(AbortRequested(path=PATH, rotation=known.id, by="x", expires=expiry(world.ports), reason="test"))
            world.settle()
            assert record(world).phase == "aborted"

    system_of(world).before = hang
    world.deliver(stalled)
    world.settle()
    assert inside
    assert login(world, live(world))
    assert system_of(world).accepted("app") == (FIRST,)
    assert (record(world).phase, record(world).told) == ("aborted", True)


def test_an_apply_that_takes_effect_after_the_end_leaves_the_old_credential_dead() -> None:
    world = rotating("dual")
    ask(world)
    while world.rotations.known(PATH) is None or record(world).phase != "staged":
        world.deliver(world.queue.popleft())
    stalled = world.queue.popleft()
    world.queue.append(type(stalled)(stalled.step, stalled.received))
    inside: list[str] = []

    def hang(operation: str, _account: str) -> None:
        if operation == "apply" and not inside:
            inside.append(operation)
            world.settle()
            assert record(world).phase == "completed"
            assert not system_of(world).lets_in("app", FIRST)

    system_of(world).before = hang
    world.deliver(stalled)
    world.settle()
    assert inside
    assert login(world, live(world))
    assert not system_of(world).works(Credential("app", {}))
    assert not system_of(world).lets_in("app", FIRST)
    assert len(staged_values(world)) == 1


@pytest.mark.parametrize("strategy", ["alternating", "dual"])
def test_whoever_takes_back_late_leaves_the_next_rotation_alone(strategy: str) -> None:
    """A delivery slept before the target was told to take the new credential back, while the next rotation ended."""
    world = rotating(strategy)
    ask(world)
    until(world, "applied")
    abort(world)
    until(world, "withdrawing")
    slept: list[str] = []

    def sleep(operation: str, _subject: str) -> None:
        if operation != "read" or slept:
            return
        slept.append(operation)
        world.settle()
        assert record(world).phase == "aborted"
        ask(world, attempt=2)
        world.settle()
        assert record(world).phase == "completed"

    delivery = next(one for one in world.queue if one.step.name == "revoke")
    world.pending.before = sleep
    world.deliver(type(delivery)(delivery.step, delivery.received))
    world.settle()
    assert slept
    assert login(world, live(world))


@pytest.mark.parametrize("phase", ["staged", "aborting"])
def test_whoever_applies_late_leaves_the_next_rotation_alone(phase: str) -> None:
    """A repeated apply, or the restoring of the base, slept before it told the target."""
    world = rotating("single")
    ask(world)
    until(world, "staged")
    if phase == "staged":  # told already, and the answer was lost
        system_of(world).down = True
        world.deliver(world.queue.popleft())
        system_of(world).down = False
    else:
        until(world, "applied")
        abort(world)
        until(world, "aborting")
    slept: list[str] = []

    def sleep(operation: str, _subject: str) -> None:
        if operation != "accepts" or slept:
            return
        slept.append(operation)
        if phase == "staged":
            abort(world)
        world.settle()
        assert record(world).phase == "aborted"
        ask(world, attempt=2)
        world.settle()
        assert record(world).phase == "completed"

    delivery = next(one for one in world.queue if one.step.name == "apply")
    system_of(world).before = sleep
    world.deliver(type(delivery)(delivery.step, delivery.received))
    world.settle()
    assert slept
    assert login(world, live(world))
    assert not system_of(world).lets_in("app", FIRST)
