"""How many calls at the authority a report of a leak makes until its rotation is asked for: each thing is read once."""

from collections import Counter

import pytest

from events.rotation import RotationRequested
from tests.fakes.authority import Instrumented
from tests.functions.leaking import ORDERS, LeakWorld, indexed, leaking, record, report, unsettled

MOST = {
    # Side by side: what is known of the finding and of its path, and what reports may set going.
    "leaks.read": 1, "leaks.of_path": 1, "authority.head": 1, "index.read": 1, "index.round": 1, "rotations.read": 1,
    "budgets.read": 1,
    # Side by side, then the record.
    "budgets.write": 1, "leaks.link": 1, "reminders.set": 1, "leaks.write": 1,
    # Whether anything else has the same values: one for each of them.
    "index.find": 1,
}  # fmt: skip


def calls(world: LeakWorld) -> Counter[str]:
    fakes = {name: fake for name, fake in vars(world).items() if isinstance(fake, Instrumented)}
    return Counter(f"{name}.{operation}" for name, fake in fakes.items() for operation, _ in fake.calls)


def delivered(world: LeakWorld, step: str) -> Counter[str]:
    """What the deliveries to a step call, of those that there are now."""
    before = calls(world)
    for one in [one for one in world.queue if one.step.name == step]:
        world.queue.remove(one)
        world.deliver(one)
    return calls(world) - before


@pytest.mark.orderly("counts what is said, or delivers in order")
def test_a_report_makes_no_call_too_many() -> None:
    world = indexed(leaking())
    with unsettled(world):
        leak = report(world, path=ORDERS)
        found = delivered(world, "triage")
        assert {call: count for call, count in found.items() if count > MOST.get(call, 0)} == {}
        assert len(world.events(RotationRequested)) == 1
        assert "its rotation away from version 1 was asked for" in record(world, leak).missing[0]
        # Its rotation is in a hurry: who follows the leak looks later.
        assert delivered(world, "contain") == {"leaks.read": 1}


@pytest.mark.orderly("counts what is said, or delivers in order")
def test_a_report_that_is_repeated_changes_nothing() -> None:
    world = indexed(leaking())
    report(world, path=ORDERS)
    with unsettled(world):
        report(world, path=ORDERS)
        found = delivered(world, "triage")
        assert not [call for call in found if call.endswith((".write", ".link", ".set", ".remove"))]
