"""A leak's answer survives a kill between any two calls, duplicates and any order; nothing is asked for twice."""

import random

import pytest

from events.leak import LeakConfirmed, LeakContained, LeakHeld
from tests.functions.fuses import Fuse
from tests.functions.leaking import (
    OLD,
    ORDERS,
    PRODUCED,
    LeakWorld,
    carries,
    fingerprint,
    leaking,
    record,
    report,
    requested,
    rotated,
    told,
    unindexed,
    unsettled,
    version,
)


def fused(world: LeakWorld, fuse: Fuse) -> None:
    fuse.install(world)
    for fake in (world.leaks, world.index, world.fingerprints, world.rotations):
        fake.before, fake.after = fuse._before, fuse._after


def play(fuse: Fuse) -> tuple[LeakWorld, str]:
    world = leaking()
    world.survives = True
    fused(world, fuse)
    leak = report(world, fingerprint=fingerprint(world, OLD))
    fused(world, Fuse())
    rotated_under(world, fuse)
    return world, leak


def rotated_under(world: LeakWorld, fuse: Fuse) -> None:
    """The rotation itself is not killed here: that what answers it is."""
    with unsettled(world):
        rotated(world)
        carries(world, version(world))
    fused(world, fuse)
    world.settle()
    world.clock.advance(120)
    world.tick("rotations")
    world.settle()


def test_killed_at_every_call() -> None:
    counting = Fuse()
    play(counting)
    assert counting.count > 50
    for at in range(1, counting.count + 1):
        for after in (False, True):
            where = f"killed {'after' if after else 'before'} call {at}"
            world, leak = play(Fuse(at=at, after=after))
            fused(world, Fuse())
            for _ in range(3):
                world.clock.advance(660)
                world.tick("rotations")
                world.settle()
            assert record(world, leak).state == "contained", where
            assert requested(world).keys() == {str(ORDERS)}, where
            assert len({fact.state for fact in told(world, LeakConfirmed)}) == 1, where
            assert len({fact.state for fact in told(world, LeakContained)}) == 1, where
            assert told(world, LeakHeld) == [], where
            slots = [one.partition(" ")[2] for one in world.budgets.read("leak").holders]
            assert slots == [f"{ORDERS.subject}@1"], where
            assert world.reminders.entries == set(), where
            assert world.leaks.of_path(ORDERS) == (), where
            claim = world.claims.read(ORDERS)
            assert claim is not None, where
            assert len(claim.revoked) == 1, where
            assert world.dead == [], where


@pytest.mark.parametrize("seed", range(20))
def test_any_order_any_number_of_times(seed: int) -> None:
    world = leaking()
    world.rng, world.duplicate, world.shuffle = random.Random(seed), 0.5, True
    leak = report(world, fingerprint=fingerprint(world, OLD))
    report(world, fingerprint=fingerprint(world, OLD), status="resolved")
    rotated(world)
    carries(world, version(world))
    for _ in range(3):
        world.clock.advance(660)
        world.tick("rotations")
        world.settle()
    assert record(world, leak).state == "contained"
    assert world.dead == []
    assert world.reminders.entries == set()


def joining(fuse: Fuse) -> tuple[LeakWorld, str, str]:
    """A finding that has a record of its own, as it waited for the index, joins one that is answered."""
    world = leaking()
    world.survives = True
    with unindexed(world):
        waiting = report(world, "waiting", fingerprint=f"v1.{'ab' * 32}", path=ORDERS)
    world.clock.advance(1)
    first = report(world, path=ORDERS)
    world.clock.advance(700)
    fused(world, fuse)
    world.tick("rotations")
    world.settle()
    return world, first, waiting


def test_killed_at_every_call_while_a_finding_joins_another() -> None:
    counting = Fuse()
    joining(counting)
    assert counting.count > 15
    for at in range(1, counting.count + 1):
        for after in (False, True):
            where = f"killed {'after' if after else 'before'} call {at}"
            world, first, waiting = joining(Fuse(at=at, after=after))
            fused(world, Fuse())
            for _ in range(2):
                world.clock.advance(660)
                world.tick("rotations")
                world.settle()
            assert world.leaks.ids() == (first,), where
            assert record(world, first).joined == (waiting,), where
            assert not any(waiting in one.subject for one in world.reminders.entries), where
            assert world.dead == [], where


def widening(fuse: Fuse) -> tuple[LeakWorld, str]:
    """Another property of what is answered turns out to be out as well."""
    world = leaking()
    world.survives = True
    world.authority.foreign_write(PRODUCED, {"password": "a-secret-of-redis-1", "token": "another-secret-4711"})
    leak = report(world, path=PRODUCED, key="password")
    world.clock.advance(1)
    fused(world, fuse)
    report(world, "other", path=PRODUCED, key="token")
    return world, leak


def test_killed_at_every_call_while_a_finding_is_widened() -> None:
    counting = Fuse()
    widening(counting)
    assert counting.count > 5
    for at in range(1, counting.count + 1):
        for after in (False, True):
            where = f"killed {'after' if after else 'before'} call {at}"
            world, leak = widening(Fuse(at=at, after=after))
            fused(world, Fuse())
            for _ in range(2):
                world.clock.advance(660)
                world.tick("rotations")
                world.settle()
            assert [one.key for one in record(world, leak).exposures] == [None], where
            assert told(world, LeakConfirmed)[-1].exposures[0].key is None, where
            assert record(world, leak).told, where
            assert world.dead == [], where
