"""Every step survives a kill between any two I/O calls, duplicates, reordering, and a sealed authority.

The kills are exhaustive: each scenario is first counted, then run once for every call, killed before it and after
it took effect. What is checked are the invariants of DESIGN: one authority, nothing lost, no write without a change.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from events.references import PathRef, SecretRef
from events.secret import SecretConflicted, SecretRetracted, SecretWritten
from functions._values import SecretValue
from tests.fakes.world import Killed, World, external_secret, path, push_secret, secret
from tests.functions.fuses import Fuse

SOURCE = secret("postgres/credentials")
PATH = path("platform-data/postgres/temporal")
TARGET = secret("temporal/postgres")
OTHER = secret("backstage/postgres")


def start() -> World:
    world = World()
    world.push(push_secret("temporal", str(SOURCE), {"password": f"{PATH.path}#password"}, deletion="Delete"))
    world.external(external_secret(str(TARGET), {"password": f"{PATH.path}#password"}))
    world.external(external_secret(str(OTHER), {"password": f"{PATH.path}#password"}))
    world.push(push_secret("stays", "redis/credentials", {"p": "platform-data/redis/temporal#password"}))
    return world


@dataclass(frozen=True)
class Scenario:
    """`before` happens in peace; then each phase, with a kill somewhere; what holds at the end."""

    phases: tuple[Callable[[World], None], ...]
    expected: bytes | None
    writes: int
    before: tuple[Callable[[World], None], ...] = ()
    foreign: bool = False  # whether somebody else wrote the path


def changed(value: bytes) -> Callable[[World], None]:
    return lambda world: world.source(SOURCE, {"password": value})


def changed_unnoticed(world: World) -> None:
    world.secrets.put(SOURCE, {"password": b"two"})


def intruded(world: World) -> None:
    world.authority.foreign_write(PATH, {"password": "stolen"})


def told_by_the_audit_stream(world: World) -> None:
    world.say(SecretWritten(path=PATH, seen="r-1"))


def swept(world: World) -> None:
    world.tick()


def unwired(world: World) -> None:
    for ref in (*world.wiring.pushes, *world.wiring.externals):
        if ref.name != "stays":
            world.unwire(ref)


def grace_over(world: World) -> None:
    world.clock.advance(3601)


SCENARIOS = {
    "first value": Scenario((changed(b"one"),), b"one", 1),
    "second value": Scenario((changed(b"two"),), b"two", 2, before=(changed(b"one"),)),
    "foreign write": Scenario((swept,), b"one", 3, before=(changed(b"one"), intruded), foreign=True),
    "foreign write told": Scenario(
        (told_by_the_audit_stream,), b"one", 3, before=(changed(b"one"), intruded), foreign=True
    ),
    "missed change": Scenario((swept,), b"two", 2, before=(changed(b"one"), changed_unnoticed)),
    "unwired": Scenario((unwired, grace_over, swept), None, 1, before=(changed(b"one"),)),
}


def run_to_the_end(world: World) -> None:
    while True:
        try:
            world.settle()
        except Killed:
            continue
        return


def play(scenario: Scenario, fuse: Fuse) -> World:
    world = start()
    for phase in scenario.before:
        world.settle()
        phase(world)
    world.settle()
    fuse.install(world)
    for phase in scenario.phases:
        phase(world)
        run_to_the_end(world)
    return world


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_every_call(name: str) -> None:
    scenario, counting = SCENARIOS[name], Fuse()
    play(scenario, counting)
    assert counting.count > 10
    for at in range(1, counting.count + 1):
        for after in (False, True):
            world = play(scenario, Fuse(at=at, after=after))
            Fuse().install(world)
            world.tick()
            world.settle()
            check(world, scenario)


def check(world: World, scenario: Scenario) -> None:
    expected, writes = scenario.expected, scenario.writes
    assert world.dead == []
    held = None if expected is None else {"password": expected}
    assert world.path(PATH) == held
    assert world.target(TARGET) == held
    assert world.target(OTHER) == held
    head = world.authority.head(PATH)
    assert head is not None
    assert head.version.number == writes, "a value was written again without a change"
    assert world.tombstones.list() == ()
    gone = {PATH, TARGET, OTHER} if expected is None else set()
    assert {one.target for one in retracted(world)} == gone, "what was deleted was told"
    told = {one.version.number for one in world.events(SecretConflicted)}  # type: ignore[attr-defined]
    assert told == ({2} if scenario.foreign else set()), "what somebody else wrote was told, and nothing else"


def retracted(world: World) -> Iterator[SecretRetracted]:
    for event in world.events(SecretRetracted):
        if isinstance(event, SecretRetracted) and event.outcome == "retracted":
            yield event


@pytest.mark.parametrize("seed", range(8))
def test_shuffled_and_duplicated_deliveries_converge(seed: int) -> None:
    world = World(rng=random.Random(seed), duplicate=0.5, shuffle=True)
    world.push(push_secret("temporal", str(SOURCE), {"password": f"{PATH.path}#password"}))
    world.external(external_secret(str(TARGET), {"password": f"{PATH.path}#password"}))
    for value in (b"a", b"b", b"a", b"c"):
        world.source(SOURCE, {"password": value})
        for _ in range(world.rng.randrange(4)):
            if world.queue:
                world.deliver(world.queue.popleft())
    world.settle()
    assert world.target(TARGET) == {"password": b"c"}
    assert world.authority.count("write") <= 4


class Lockstep(RuleBasedStateMachine):
    """Random operators, producers, intruders and crashes; at every rest, the invariants."""

    sources = st.sampled_from([secret("postgres/credentials"), secret("redis/credentials")])
    values = st.sampled_from([b"a", b"b", b"c", b""])
    consumers = st.sampled_from(["temporal", "backstage", "orders"])

    def __init__(self) -> None:
        super().__init__()
        self.world = World(rng=random.Random(7), duplicate=0.2, shuffle=True)
        self.wanted: dict[SecretRef, dict[str, bytes]] = {}
        self.stamps: dict[tuple[SecretRef, str], int] = {}

    @initialize()
    def wire(self) -> None:
        for ref in (secret("postgres/credentials"), secret("redis/credentials")):
            self.world.push(push_secret(ref.namespace, str(ref), {"password": f"{self.path_of(ref).path}#password"}))

    @staticmethod
    def path_of(ref: SecretRef) -> PathRef:
        return path(f"platform-data/{ref.namespace}/all")

    @rule(ref=sources, value=values)
    def change(self, ref: SecretRef, value: bytes) -> None:
        self.wanted[ref] = {"password": value}
        self.world.source(ref, {"password": value})

    @rule(ref=sources, value=values)
    def change_unnoticed(self, ref: SecretRef, value: bytes) -> None:
        self.wanted[ref] = {"password": value}
        self.world.secrets.put(ref, {"password": value})

    @rule(ref=sources, consumer=consumers)
    def consume(self, ref: SecretRef, consumer: str) -> None:
        entries = {"password": f"{self.path_of(ref).path}#password"}
        self.world.external(external_secret(f"{consumer}/{ref.namespace}", entries))

    @rule(ref=sources)
    def intrude(self, ref: SecretRef) -> None:
        if ref in self.wanted and self.world.claims.all():
            claimed = {claim.path for claim in self.world.claims.all()}
            if self.path_of(ref) in claimed:
                self.world.authority.foreign_write(self.path_of(ref), {"password": SecretValue(b"intruder")})

    @rule(ref=sources, consumer=consumers)
    def drift(self, ref: SecretRef, consumer: str) -> None:
        target = secret(f"{consumer}/{ref.namespace}")
        if self.world.target(target) is not None:
            self.world.secrets.drift(target, "password", b"drifted")

    @rule(count=st.integers(1, 5))
    def deliver(self, count: int) -> None:
        for _ in range(count):
            if self.world.queue:
                self.world.queue.rotate(self.world.rng.randrange(len(self.world.queue)))
                self.world.deliver(self.world.queue.popleft())

    @rule(at=st.integers(1, 12), after=st.booleans())
    def killed(self, at: int, after: bool) -> None:
        fuse = Fuse(at=at, after=after)
        fuse.install(self.world)
        try:
            for _ in range(3):
                if self.world.queue:
                    self.world.deliver(self.world.queue.popleft())
        except Killed:
            pass
        finally:
            Fuse().install(self.world)

    @rule()
    def seal(self) -> None:
        self._sealed(True)
        for _ in range(3):
            if self.world.queue:
                delivery = self.world.queue.popleft()
                delivery.attempts = 0  # the broker holds deliveries to a step that is not ready
                self.world.deliver(delivery)
        self._sealed(False)

    def _sealed(self, sealed: bool) -> None:
        world = self.world
        for fake in (world.authority, world.claims, world.tombstones, world.rollouts, world.budgets, world.reminders):
            fake.sealed = sealed

    @rule(seconds=st.integers(-30, 30))
    def clock(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @invariant()
    def stamps_never_move_back(self) -> None:
        for consumer in self.world.wiring.external_secrets():
            head = self.world.secrets.head(consumer.target)
            for name, version in (head.stamp if head else {}).items():
                key = (consumer.target, name)
                assert version.number >= self.stamps.get(key, 0)
                self.stamps[key] = version.number

    @invariant()
    def one_owner_per_path(self) -> None:
        owners = [claim.path for claim in self.world.claims.all()]
        assert len(owners) == len(set(owners))

    @invariant()
    def nothing_foreign_reaches_a_consumer(self) -> None:
        for consumer in self.world.wiring.external_secrets():
            assert (self.world.target(consumer.target) or {}).get("password") != b"intruder"

    def teardown(self) -> None:
        for _ in range(3):
            self.world.settle(limit=20000)
            self.world.tick()
        self.world.settle(limit=20000)
        for ref, data in self.wanted.items():
            assert self.world.path(self.path_of(ref)) == data
        for consumer in self.world.wiring.external_secrets():
            source = secret(f"{consumer.name}/credentials")
            assert self.world.target(consumer.target) == self.wanted.get(source)


TestLockstep = Lockstep.TestCase
