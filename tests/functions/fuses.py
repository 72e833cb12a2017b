"""Ways to die: at a call to whatever a step speaks to, or with what several steps had said."""

from dataclasses import dataclass

from tests.fakes.world import Killed, World


@dataclass
class Fuse:
    """Dies at the n-th I/O call, before it or after its effect."""

    at: int = -1
    after: bool = False
    count: int = 0

    def install(self, world: World) -> None:
        for fake in instrumented(world):
            fake.before, fake.after = self._before, self._after  # type: ignore[attr-defined]  # every fake has both
        world.publications.before = lambda operation, _: self._before(operation, "")
        world.publications.after = lambda operation, _: self._after(operation, "")
        world.secrets.before = lambda call, _: self._before(call, "")
        world.secrets.after = lambda call, _: self._after(call, "")

    def _before(self, _operation: str, _subject: str) -> None:
        self.count += 1
        if self.count == self.at and not self.after:
            raise Killed

    def _after(self, _operation: str, _subject: str) -> None:
        if self.count == self.at and self.after:
            raise Killed


@dataclass
class Rewinding(Fuse):
    """Loses a batch instead: what was said in these deliveries, the first and the last, and nothing they did."""

    lost: tuple[int, int] = (0, 0)

    def install(self, world: World) -> None:
        world.delivered, world.rewound = 0, self.lost


def documents(world: World) -> tuple[object, ...]:
    """What the authority holds: sealed together."""
    return (
        world.authority, world.claims, world.tombstones, world.rollouts, world.budgets, world.reminders,
        world.rotations, world.pending, world.proofs,
    )  # fmt: skip


def instrumented(world: World) -> tuple[object, ...]:
    """Whatever a step may die at."""
    return (*documents(world), world.workloads, world.leases, *world.systems.systems.values())
