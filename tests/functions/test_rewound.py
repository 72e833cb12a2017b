"""What steps reply is delivered before it is durable: a crash may undo several steps' replies, and nothing they did.

The broker then begins again with an event that the state has long passed, and with the sweep that each start makes:
whoever gets these must carry on from there, without waiting for a reminder. Such batches of every flow are lost once.
"""

from collections.abc import Callable, Iterator

import pytest

from events.leak import LeakConfirmed, LeakContained
from events.rotated import RotationCompleted, RotationPromoted, RotationRevoked
from events.secret import SecretPublished
from functions._ports import Settings
from tests.fakes.world import World, path, rotation
from tests.functions import test_leak_survival as leaks
from tests.functions import test_renew as leases
from tests.functions import test_restart_survival as restarts
from tests.functions import test_rotation_survival as rotations
from tests.functions import test_survival as distribution
from tests.functions.fuses import Rewinding
from tests.functions.leaking import (
    OLD,
    ORDERS,
    PROMETHEUS,
    LeakWorld,
    fingerprint,
    leaking,
    record,
    report,
    requested,
    told,
)
from tests.functions.leased import HOUR, LeasedWorld, leased
from tests.functions.rollouts import APP, stuck, versions
from tests.functions.rotating import (
    FIRST,
    PATH,
    STRATEGIES,
    ask,
    live,
    login,
    newest,
    rotating,
    slots,
    staged_values,
    system_of,
    until,
)
from tests.functions.rotating import record as rotated

pytestmark = pytest.mark.orderly("it says itself what is lost")
SPANS = (0, 1, 2, 4, 7, 15, 40)  # deliveries more than one that a batch holds


def batches(delivered: int) -> Iterator[tuple[int, int]]:
    """The first and the last delivery of each."""
    assert delivered > 3, "the flow is looked at"
    for first in range(1, delivered + 1):
        yield from ((first, first + more) for more in SPANS if first + more <= delivered)


@pytest.mark.parametrize("name", distribution.SCENARIOS)
def test_distribution(name: str) -> None:
    scenario = distribution.SCENARIOS[name]
    for lost in batches(distribution.play(scenario, Rewinding()).delivered):
        distribution.check(distribution.play(scenario, Rewinding(lost=lost)), scenario)


@pytest.mark.parametrize("name", restarts.SCENARIOS)
def test_restarts(name: str) -> None:
    for lost in batches(restarts.play(name, Rewinding()).delivered):
        world = restarts.play(name, Rewinding(lost=lost))
        assert len(world.workloads.restarts(APP)) == 1, lost
        assert (versions(world), stuck(world), world.dead) == ([2], [], []), lost
        known = world.rollouts.read(APP)
        assert known is not None, lost
        assert (known.state, known.told) == ("adopted", True), lost


def scheduled(world: World) -> None:
    """A sweep finds that it is due."""
    world.clock.advance(25 * 3600)
    world.tick()


def due_again(world: World) -> None:
    """The reminder of the former rotation says that it is due."""
    world.clock.advance(25 * 3600)
    world.tick("rotations")


def followed(world: World) -> None:
    """Somebody asks to rotate what has just been promoted."""
    ask(world)
    until(world, "promoted")
    ask(world)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("begun", [scheduled, due_again, followed])
def test_a_rotation_that_nobody_ordered(begun: Callable[[World], None], strategy: str) -> None:
    """What is delivered again names no rotation, or the one before it."""

    def play(fuse: Rewinding) -> World:
        world = rotating(strategy, schedule={"interval": "24h"})
        if begun is due_again:
            ask(world)
            world.settle()
        fuse.install(world)
        begun(world)
        world.settle()
        return world

    whole = play(Rewinding())
    values = len(staged_values(whole))
    assert values == (1 if begun is scheduled else 2)
    for lost in batches(whole.delivered):
        world = play(Rewinding(lost=lost))
        done = rotated(world)
        assert (done.phase, done.told, world.dead) == ("completed", True, []), lost
        assert (len(staged_values(world)), newest(world)) == (values, newest(whole)), lost
        assert login(world, live(world)), lost
        assert len({one.rotation for one in world.events(RotationCompleted)}) == values, lost  # type: ignore[attr-defined]


def test_a_slot_that_is_handed_on() -> None:
    second = path("runtime/reports/database")

    def play(fuse: Rewinding) -> World:
        world = rotating("dual", settings=Settings(cluster="test", rotation_limit=1))
        system_of(world).open_account("reports", b"before")
        world.authority.foreign_write(second, {"username": b"reports", "password": b"before"})
        target: dict[str, object] = {"name": "orders", "account": "reports"}
        world.rotate(rotation("reports/database", second.path, strategy="dual", target=target))
        world.settle()
        fuse.install(world)
        ask(world)
        ask(world, at=second)
        world.settle()
        return world

    for lost in batches(play(Rewinding()).delivered):
        world = play(Rewinding(lost=lost))
        for at in (PATH, second):
            done = rotated(world, at)
            assert (done.phase, done.told) == ("completed", True), (lost, done)
        assert (slots(world), world.dead) == ([], []), lost


def test_a_leak_from_its_report_to_its_containment() -> None:
    def play(fuse: Rewinding) -> tuple[World, str]:
        world = rotating("dual", settings=Settings(cluster="test", reporters={PROMETHEUS: "rotate"}))
        world.tick("index")
        world.settle()
        fuse.install(world)
        leak = report(world, fingerprint=fingerprint(world, FIRST.decode()))
        return world, leak

    world, _ = play(Rewinding())
    for lost in batches(world.delivered):
        world, leak = play(Rewinding(lost=lost))
        assert (rotated(world).phase, rotated(world).told, world.dead) == ("completed", True, []), lost
        assert (len(staged_values(world)), system_of(world).lets_in("app", FIRST)) == (1, False), lost
        assert record(world, leak).state == "contained", lost
        for fact in (LeakConfirmed, RotationPromoted, RotationRevoked, RotationCompleted, LeakContained):
            assert world.events(fact), (lost, fact)
        assert {one.path for one in world.events(SecretPublished)} == {PATH}, lost  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "strategy"), rotations.PLAYS)
def test_rotations(name: str, strategy: str) -> None:
    scenario = rotations.SCENARIOS[name]
    whole = rotations.play(scenario, strategy, Rewinding(), lambda _: None)
    ended = whole.rotations.known(PATH)
    assert ended is not None
    for lost in batches(whole.delivered):
        world = rotations.play(scenario, strategy, Rewinding(lost=lost), lambda _: None)
        rotations.check(world, scenario, strategy, f"deliveries {lost} lost")


def test_leaks() -> None:
    def play(fuse: Rewinding) -> LeakWorld:
        world = leaking()
        fuse.install(world)
        report(world, fingerprint=fingerprint(world, OLD))
        return world

    for lost in batches(play(Rewinding()).delivered):
        assert requested(play(Rewinding(lost=lost))).keys() == {str(ORDERS)}, lost


def test_containment() -> None:
    world, _ = leaks.play(Rewinding())
    for lost in batches(world.delivered):
        world, leak = leaks.play(Rewinding(lost=lost))
        world.clock.advance(660)
        world.tick("rotations")
        world.settle()
        assert record(world, leak).state == "contained", lost
        assert len({fact.state for fact in told(world, LeakContained)}) == 1, lost
        assert world.reminders.entries == set(), lost


def test_leases() -> None:
    def play(fuse: Rewinding) -> LeasedWorld:
        world, lease = leased(ttl=HOUR, longest=HOUR + 60)
        fuse.install(world)
        leases.capped(world, lease)
        world.settle()
        world.minutes(5)
        return world

    for lost in batches(play(Rewinding()).delivered):
        world = play(Rewinding(lost=lost))
        world.minutes(15)  # while one order is out, the lease is looked at seldom: it lasts
        assert world.replacements(), lost
