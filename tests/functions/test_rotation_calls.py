"""How many calls at the authority each step of a rotation makes: an answer to a leak is as fast as these are few."""

from collections import Counter

import pytest

from events.rotated import RotationCompleted
from tests.fakes.authority import Instrumented
from tests.fakes.world import World
from tests.functions.fuses import documents
from tests.functions.rotating import PATH, ask, finished, record, rotating

# Of the steps that rotate, in a rotation of a path that is ours already and nobody else is about. An adapter makes one
# request of each, but for `pending.remove`, which makes two; and `budgets.change` is a read here as well as a write.
MOST = {
    "create": {
        "rotations.read": 1, "authority.read": 1, "claims.read": 1, "budgets.read": 1, "budgets.write": 1,
        "pending.create": 1, "rotations.write": 1,
    },
    "apply": {"rotations.read": 1, "pending.read": 1, "rotations.write": 2},
    "verify": {"rotations.read": 1, "pending.read": 1, "proofs.write": 1, "rotations.write": 1},
    "promote": {
        "rotations.read": 1, "pending.read": 1, "proofs.read": 1, "authority.read": 1, "claims.read": 1,
        "rotations.write": 1, "authority.write": 1,
    },
    "revoke": {
        # Told of the promotion: both credentials are read, and the old one ends as soon as consumers have moved; then
        # the slot, and what was staged. Told that consumers moved, by each, and that it is over: a look.
        "authority.read": 2, "rotations.read": 6, "rotations.write": 2, "pending.remove": 1, "budgets.read": 2,
        "budgets.write": 1,
    },
}  # fmt: skip


def calls_of(world: World) -> dict[str, Counter[str]]:
    """Deliver until nothing is left, and count by step and port."""
    names = {id(getattr(world, name)): name for name in vars(world) if isinstance(getattr(world, name), Instrumented)}
    found: dict[str, Counter[str]] = {}
    while world.queue:
        delivery = world.queue.popleft()
        before = {id(fake): len(fake.calls) for fake in _kept(world)}
        world.deliver(delivery)
        counts = found.setdefault(delivery.step.name, Counter())
        for fake in _kept(world):
            counts.update(f"{names[id(fake)]}.{operation}" for operation, _ in fake.calls[before[id(fake)] :])
    return found


def _kept(world: World) -> list[Instrumented]:
    return [fake for fake in documents(world) if isinstance(fake, Instrumented)]


@pytest.mark.orderly("counts what is said, or delivers in order")
@pytest.mark.parametrize("strategy", ["single", "alternating"])
def test_an_answer_to_a_leak_makes_no_call_too_many(strategy: str) -> None:
    world = rotating(strategy)
    ask(world)
    world.settle()
    world.said.clear()
    ask(world, "leak")
    found = calls_of(world)
    for step, most in MOST.items():
        more = {call: count for call, count in found[step].items() if count > most.get(call, 0)}
        assert not more, f"{step} makes more calls than it has to: {more}"
    assert len(world.events(RotationCompleted)) == 1
    assert record(world, PATH).policy == "leak"
    finished(world, values=2)


@pytest.mark.orderly("counts what is said, or delivers in order")
def test_a_repeated_delivery_of_what_is_done_reads_what_is_asked_for_at_once_and_no_more() -> None:
    world = rotating("alternating")
    ask(world)
    deliveries = []
    while world.queue:
        deliveries.append(world.queue.popleft())
        world.deliver(deliveries[-1])
    ends = ("apply", "verify")
    for delivery in [one for one in deliveries if one.step.name in ends]:
        before = sum(len(fake.calls) for fake in _kept(world))
        world.deliver(delivery)
        assert sum(len(fake.calls) for fake in _kept(world)) == before + 2
