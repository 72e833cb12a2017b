"""Every rotation of every target survives a kill between any two I/O calls: the real steps over fakes, real servers.

Exhaustive: a rotation is killed at its first point, the next one at its second, until one gets through unharmed. The
points of a target are dealt to a few tests, so that they run side by side. What must hold is looked at after each
death, and at each end.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import pytest

from functions._rotations import ENDED, Record
from tests.contracts.minting import DynamicBench, IamBench, StaticBench
from tests.contracts.systems import PostgresBench, RedisBench
from tests.database_engine import make_engine
from tests.fakes.world import World, external_secret, rotation, rotation_target
from tests.functions.rotating import PATH, TARGET, abort, ask, live, record, slots
from tests.infra.targets.fuses import Fuse, Mode, TappedCalls, tapped
from tests.infra.targets.sites import (
    DynamicSite,
    GeneratedSite,
    IamSite,
    PostgresSite,
    RedisSite,
    RootSite,
    SecretsManagerSite,
    Site,
    StaticSite,
)

pytestmark = [pytest.mark.e2e, pytest.mark.orderly("numbers the calls of a rotation")]

# How many tests share the points of a target.
SHARES = {
    "postgres-single": 3, "postgres-alternating": 3, "redis-dual": 1, "redis-single": 1, "redis-alternating": 1,
    "aws-iam": 4, "aws-secrets-manager": 2, "openbao-static": 1, "openbao-dynamic": 1, "openbao-root": 3,
    "generated": 1,
}  # fmt: skip
SHARED = [pytest.param(kind, (part, parts), id=f"{kind}-{part}") for kind, parts in SHARES.items()
          for part in range(1, parts + 1)]  # fmt: skip
SPEAKING = [kind for kind in SHARES if kind != "generated"]
# What OpenBao overwrites in place cannot be made to work again.
UNDONE = [kind for kind in SPEAKING if kind not in ("openbao-static", "openbao-root")]

Make = Callable[[str, Callable[[], Fuse]], Site]
Plan = Literal["completed", "aborted"]


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Make:
    def password_site(kind: str) -> Site:
        server, _, strategy = kind.partition("-")
        if server == "postgres":
            return PostgresSite(PostgresBench(request.getfixturevalue("postgres")), strategy)
        return RedisSite(RedisBench(request.getfixturevalue("redis_server")), strategy)

    def engine_site(kind: str, fuse: Callable[[], Fuse]) -> Site:
        if kind == "openbao-root":  # of each engine once: its first password is what somebody knows
            own = make_engine(request.getfixturevalue("openbao"), request.getfixturevalue("postgres"))
            return RootSite(own, lambda calls: TappedCalls(fuse, calls))
        engine = request.getfixturevalue("database_engine")
        if kind == "openbao-static":
            return StaticSite(StaticBench(engine), lambda calls: TappedCalls(fuse, calls))
        return DynamicSite(DynamicBench(engine), lambda calls: TappedCalls(fuse, calls))

    def made(kind: str, fuse: Callable[[], Fuse]) -> Site:
        if kind == "generated":
            return GeneratedSite()
        if kind == "aws-iam":
            return IamSite(IamBench(request.getfixturevalue("aws"), deleteAfter="0s"))
        if kind == "aws-secrets-manager":
            return SecretsManagerSite(request.getfixturevalue("aws"))
        return engine_site(kind, fuse) if kind.startswith("openbao-") else password_site(kind)

    return made


@dataclass
class Rotated:
    """A path that is rotated at a site, again and again, and its consumer."""

    site: Site
    fuse: Fuse

    def __post_init__(self) -> None:
        self.world = world = World()
        if self.site.leases is not None:
            world.ports = replace(world.ports, leases=self.site.leases)
        world.systems.targets["orders"] = rotation_target()
        world.systems.systems["orders"] = cast("Any", self.site.system)
        if first := self.site.first():
            world.authority.foreign_write(PATH, dict(first))
        world.external(external_secret(str(TARGET), extract=PATH.path))
        world.rotate(rotation("orders/database", PATH.path, strategy=self.site.strategy, target=self.site.target))
        world.settle()
        if not first:
            self.turn("completed", 1)

    def held(self) -> dict[str, bytes]:
        """What the consumer has."""
        return self.world.target(TARGET) or {}

    def turn(self, plan: Plan, attempt: int) -> Record:
        """One rotation to its end, whatever happens to it."""
        ask(self.world, attempt=attempt)
        if plan == "aborted":
            self._deliver_until("applied")
            abort(self.world)
            self.world.deliver(self.world.queue.pop())  # the order itself, before anybody goes on
        for _ in range(12):
            self.fuse.deliver(self.world, self.look)
            known = record(self.world)
            if known.phase in ENDED and known.told:
                break
            self.world.clock.advance(60)
            self.world.tick("rotations")
            self.world.tick()
        return record(self.world)

    def _deliver_until(self, phase: str) -> None:
        """In peace."""
        while (known := self.world.rotations.known(PATH)) is None or known.phase != phase:
            self.world.deliver(self.world.queue.popleft())

    def look(self) -> None:
        """Somebody gets in, with what the consumer has or is about to get."""
        found = [self.held(), live(self.world) or {}]
        staged = self.world.pending.known(PATH)
        if staged is not None and self.site.strategy == "single":
            found.append({name: value.reveal() for name, value in staged.data.items()})
        assert self.site.serves([data for data in found if data]), f"nobody gets in: {self.fuse}"

    def check(self, done: Record, plan: Plan, former: dict[str, bytes], values: int) -> None:
        world, held, where = self.world, self.held(), str(self.fuse)
        assert (done.phase, done.told) == (plan, True), (where, done)
        assert world.dead == [], where
        assert world.pending.known(PATH) is None, where
        assert slots(world) == [], where
        assert done.orphans == (), where
        assert held == live(world), where
        assert self.site.serves([held]), where
        assert len(world.pending.history) <= values, f"a second value was made: {where}"
        if plan == "aborted":
            assert held == former, where
        else:
            assert held != former, where
            assert self.site.refuses(former), f"the old one works: {where}"
        credential = done.new if plan == "completed" else done.old
        assert credential is not None
        self.site.check_clean(held, credential.id)


def play(make: Make, kind: str, mode: Mode, plan: Plan, share: tuple[int, int] = (1, 1)) -> int:
    """Rotate, with a fault at each point of a share in turn, until there is none; how many points were met."""
    fuse, (at, parts) = Fuse(), share

    def present() -> Fuse:
        return fuse

    with tapped(present):
        rotated, attempt = Rotated(make(kind, present), fuse), 1
        while True:
            former, values = rotated.held(), len(rotated.world.pending.history) + 1
            fuse = rotated.fuse = Fuse(mode, at)
            fuse.install(rotated.world)
            rotated.check(rotated.turn(plan, attempt), plan, former, values)
            if not fuse.blown:
                return at
            at, attempt = at + parts, attempt + 1 if plan == "aborted" else 1
            if rotated.site.once:
                rotated.site.close()
                fuse = Fuse()
                rotated = Rotated(make(kind, present), fuse)


@pytest.mark.parametrize(("kind", "share"), SHARED)
def test_killed_between_any_two_calls(make: Make, kind: str, share: tuple[int, int]) -> None:
    assert play(make, kind, "killed", "completed", share) > 50


@pytest.mark.parametrize("kind", UNDONE)
def test_killed_between_any_two_calls_of_giving_up(make: Make, kind: str) -> None:
    assert play(make, kind, "killed", "aborted") > 20


@pytest.mark.parametrize("kind", SPEAKING)
@pytest.mark.parametrize("mode", ["unsent", "unanswered"])
def test_any_message_to_the_target_is_lost(make: Make, kind: str, mode: Mode) -> None:
    assert play(make, kind, mode, "completed") > 5
