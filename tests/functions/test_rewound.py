"""What steps reply is delivered before it is durable: a crash may undo several steps' replies, and nothing they did.

The broker then begins again with an event that the state has long passed, and with the sweep that each start makes:
whoever gets these must carry on from there, without waiting for a reminder. Such batches of every flow are lost once.
"""

from collections.abc import Iterator

import pytest

from events.leak import LeakContained
from tests.fakes.world import World
from tests.functions import rotating
from tests.functions import test_leak_survival as leaks
from tests.functions import test_renew as leases
from tests.functions import test_restart_survival as restarts
from tests.functions import test_rotation_survival as rotations
from tests.functions import test_survival as distribution
from tests.functions.leaking import OLD, ORDERS, LeakWorld, fingerprint, leaking, record, report, requested, told
from tests.functions.leased import HOUR, LeasedWorld, leased
from tests.functions.rollouts import APP, stuck, versions
from tests.functions.rotating import PATH
from tests.functions.test_survival import Fuse

pytestmark = pytest.mark.orderly("it says itself what is lost")
SPANS = (0, 1, 2, 4, 7)  # deliveries more than one that a batch holds


class Rewinding(Fuse):
    """Instead of killing at a call: loses the batch of these deliveries."""

    def __init__(self, first: int = 0, last: int = 0) -> None:
        super().__init__()
        self.lost = (first, last)

    def install(self, world: World) -> None:
        world.delivered, world.rewound = 0, self.lost


class RewindingRotation(rotating.Fuse):
    """The same, where rotations are."""

    def __init__(self, first: int = 0, last: int = 0) -> None:
        super().__init__()
        self.lost = (first, last)

    def install(self, world: World) -> None:
        world.delivered, world.rewound = 0, self.lost


def batches(delivered: int) -> Iterator[tuple[int, int]]:
    """The first and the last delivery of each."""
    assert delivered > 3, "the flow is looked at"
    for first in range(1, delivered + 1):
        yield from ((first, first + more) for more in SPANS if first + more <= delivered)


@pytest.mark.parametrize("name", distribution.SCENARIOS)
def test_distribution(name: str) -> None:
    scenario = distribution.SCENARIOS[name]
    for lost in batches(distribution.play(scenario, Rewinding()).delivered):
        distribution.check(distribution.play(scenario, Rewinding(*lost)), scenario.expected, scenario.writes)


@pytest.mark.parametrize("name", restarts.SCENARIOS)
def test_restarts(name: str) -> None:
    for lost in batches(restarts.play(name, Rewinding()).delivered):
        world = restarts.play(name, Rewinding(*lost))
        assert len(world.workloads.restarts(APP)) == 1, lost
        assert (versions(world), stuck(world), world.dead) == ([2], [], []), lost
        known = world.rollouts.read(APP)
        assert known is not None, lost
        assert (known.state, known.told) == ("adopted", True), lost


@pytest.mark.parametrize(("name", "strategy"), rotations.PLAYS)
def test_rotations(name: str, strategy: str) -> None:
    scenario = rotations.SCENARIOS[name]
    whole = rotations.play(scenario, strategy, RewindingRotation(), lambda _: None)
    ended = whole.rotations.known(PATH)
    assert ended is not None
    for lost in batches(whole.delivered):
        world = rotations.play(scenario, strategy, RewindingRotation(*lost), lambda _: None)
        rotations.check(world, scenario, strategy, f"deliveries {lost} lost")


def test_leaks() -> None:
    def play(fuse: Rewinding) -> LeakWorld:
        world = leaking()
        fuse.install(world)
        report(world, fingerprint=fingerprint(world, OLD))
        return world

    for lost in batches(play(Rewinding()).delivered):
        assert requested(play(Rewinding(*lost))).keys() == {str(ORDERS)}, lost


def test_containment() -> None:
    world, _ = leaks.play(Rewinding())
    for lost in batches(world.delivered):
        world, leak = leaks.play(Rewinding(*lost))
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
        world = play(Rewinding(*lost))
        world.minutes(15)  # while one order is out, the lease is looked at seldom: it lasts
        assert world.replacements(), lost
