"""Every rotation survives a kill between any two I/O calls, an outage, a seal, and whatever broker there is.

The kills are exhaustive: each scenario is first counted, then run once for every call, killed before it and after it
took effect, for every strategy. At each death, and at rest, what the design promises is looked at.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from events.rotated import RotationCompleted, RotationRevoked
from events.rotation import AbortRequested
from events.secret import SecretPublished
from functions._orders import expiry
from functions._rotations import ENDED
from functions._workloads import Budget
from tests.fakes.world import Killed, World
from tests.functions.fuses import Fuse
from tests.functions.rotating import (
    FIRST,
    OTHER,
    PATH,
    PLAIN,
    STRATEGIES,
    TARGET,
    Phase,
    ask,
    failures,
    finished,
    live,
    login,
    record,
    rotating,
    slots,
    staged_values,
    system_of,
    tick,
    to_the_end,
    works_somewhere,
)


@dataclass(frozen=True)
class Scenario:
    """Phases in which somebody dies; how it ends, and how many values may be made."""

    phases: tuple[Phase, ...]
    phase: str = "completed"
    values: int = 1
    writes: int = 2
    strategies: tuple[str, ...] = STRATEGIES
    opted: bool = False  # whether its owner prefers an outage
    again: bool = False  # whether the path was rotated before, and is its Rotation's


def ordered(world: World) -> None:
    ask(world)


def leaked(world: World) -> None:
    ask(world, "leak")


def refusing(times: int) -> Phase:
    """The target's policy takes none of the first values."""

    def happens(world: World) -> None:
        refused: list[bytes] = []

        def refuses(value: bytes) -> bool:
            if value not in refused and len(refused) < times:
                refused.append(value)
            return value in refused

        system_of(world).refuses = refuses

    return happens


def rejecting(world: World) -> None:
    """What is applied lets nobody in: a right is missing."""
    system = system_of(world)
    kept = {name: [secret for _, secret in account.accepted] for name, account in system.accounts.items()}
    original = system.works

    def works(credential) -> bool:  # type: ignore[no-untyped-def]
        value = credential.fields.get("secret" if system.mints else "password")
        return value in kept.get(credential.account, []) and original(credential)

    system.works = works  # type: ignore[method-assign]


def aborted(world: World) -> None:
    """Somebody orders to stop, as soon as the target was told."""
    known = record(world)
    world.say(AbortRequested(path=PATH, rotation=known.id, by="uid:1000", expires=expiry(world.ports), reason="test"))


def until(phase: str) -> Phase:
    """Deliver until the record is in a phase."""

    def happens(world: World) -> None:
        ask(world)
        while True:
            known = world.rotations.known(PATH)
            if known is not None and known.phase == phase:
                return
            try:
                world.deliver(world.queue.popleft())
            except Killed:
                continue

    return happens


def crowded(world: World) -> None:
    """Others hold all slots."""
    holders = {f"1/secret/other-{number}": world.clock.now() + timedelta(minutes=30) for number in range(10)}
    world.budgets.pools["rotate"] = Budget("rotate", holders, (), 1)


def ordered_and_waiting(world: World) -> None:
    ask(world)
    to_the_end(world)


def intruded(world: World) -> None:
    """Somebody else writes the path while it is rotated."""
    world.authority.foreign_write(PATH, {"password": b"intruder", "username": b"mallory", "key": b"x", "secret": b"y"})


def waited(world: World) -> None:
    to_the_end(world)
    tick(world, 120, 3)


SCENARIOS: dict[str, Scenario] = {
    "planned": Scenario((ordered,)),
    "planned again": Scenario((ordered,), writes=3, again=True),
    "leaked": Scenario((leaked,)),
    "leaked again": Scenario((leaked,), writes=3, again=True),
    "revoked first": Scenario((leaked,), opted=True),
    "joined by a leak": Scenario((until("staged"), leaked)),
    "refused once": Scenario((refusing(1), ordered), values=2, strategies=PLAIN),
    "refused twice": Scenario((refusing(2), ordered), phase="failed", values=2, writes=1, strategies=PLAIN),
    "not accepted": Scenario((rejecting, ordered, waited), phase="failed", writes=1, strategies=PLAIN),
    "made twice, and not accepted": Scenario(
        (rejecting, ordered, waited), phase="failed", values=2, writes=1, strategies=("minted",)
    ),
    "given up": Scenario((until("applied"), aborted), phase="aborted", writes=1),
    "given up in line": Scenario((crowded, ordered_and_waiting, aborted), phase="aborted", writes=1),
    "written by others": Scenario((until("verified"), intruded), writes=3),
}
PLAYS = [(name, strategy) for name, scenario in SCENARIOS.items() for strategy in scenario.strategies]


def play(scenario: Scenario, strategy: str, fuse: Fuse, look: Callable[[World], None]) -> World:
    world = rotating(strategy, leak={"response": "revoke-first"}) if scenario.opted else rotating(strategy)
    if scenario.again:
        ask(world)
        world.settle()
        world.said.clear()
        world.pending.history.clear()
    fuse.install(world)
    for phase in scenario.phases:
        phase(world)
    while True:
        try:
            world.settle()
        except Killed:
            look(world)
            continue
        return world


@pytest.mark.parametrize(("name", "strategy"), PLAYS)
def test_killed_at_every_call(name: str, strategy: str) -> None:
    scenario, counting = SCENARIOS[name], Fuse()
    play(scenario, strategy, counting, lambda world: None)
    assert counting.count > 20
    for at in range(1, counting.count + 1):
        for after in (False, True):
            where = f"{name}, {strategy}, killed {'after' if after else 'before'} call {at}"

            def look(world: World, where: str = where) -> None:
                assert scenario.opted or works_somewhere(world, strategy), where

            world = play(scenario, strategy, Fuse(at=at, after=after), look)
            Fuse().install(world)
            recover(world)
            check(world, scenario, strategy, where)


def recover(world: World) -> None:
    """Ticks and a sweep, until it is over and known to be."""
    for _ in range(12):
        known = world.rotations.known(PATH)
        if known is not None and known.phase in ENDED and known.told and not world.queue:
            return
        tick(world, 60)
        world.tick()
        to_the_end(world)


def check(world: World, scenario: Scenario, strategy: str, where: str) -> None:
    known = record(world)
    if scenario.phase == "aborted" and world.dead:
        # The order died, and came when the rotation was promoted: whoever gave it is told so.
        assert [(one.received.event.TYPE, known.phase) for one, _ in world.dead] == [(AbortRequested.TYPE, "completed")]
        return
    assert (known.phase, known.told) == (scenario.phase, True), (where, known)
    assert world.dead == [], (where, world.dead)
    assert world.pending.known(PATH) is None, where
    assert "1/secret/runtime/orders/database" not in slots(world), where
    assert login(world, live(world)), where
    for ref in (TARGET, OTHER):
        assert login(world, world.target(ref)), where
    assert len(staged_values(world)) <= scenario.values, where
    head = world.authority.head(PATH)
    assert head is not None
    assert head.version.number == scenario.writes, (where, "a value was written without a change, or none was")
    if scenario.phase == "completed":
        finished(world, values=scenario.values)
        assert len({one.rotation for one in world.events(RotationCompleted)}) == 1, where  # type: ignore[attr-defined]
        assert world.events(RotationRevoked), where
        assert world.events(SecretPublished), where
    else:
        accepted = {value for name in system_of(world).accounts for value in system_of(world).accepted(name)}
        assert accepted <= {FIRST, b"nobody-knows"}, (where, accepted)
        assert failures(world)[-1][2], where
