"""Failures say one printable line, which fits into an event, a log and a terminal."""

import pytest

from events.orders import MaterializeRequested
from functions._failures import Conflict, Reject, Retry, StepFailure, Unavailable
from tests.fakes.world import World, external_secret, path, push_secret, secret


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("1 error occurred:\n\t* permission denied\n\n", "1 error occurred: * permission denied"),
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("right\u202eto left, next\u2028line", "right to left, next line"),
        ("a name that is no text: \udcff", "a name that is no text:"),
        ("é 漢 🔑", "é 漢 🔑"),
    ],
)
def test_a_reason_is_one_printable_line(reason: str, shown: str) -> None:
    for failure in (
        StepFailure(reason),
        Retry(reason, 1.0),
        Reject(reason),
        Conflict(reason),
        Unavailable("x", reason),
    ):
        assert (failure.reason, str(failure)) == (shown, shown)


def test_what_a_retry_carries() -> None:
    assert (Retry("x").after, Retry("x", 2.5).after) == (None, 2.5)
    failure = Unavailable("authority", "sealed", 5.0)
    assert (failure.dependency, failure.after) == ("authority", 5.0)
    assert not isinstance(Conflict("x"), Retry)


def test_a_failure_of_many_lines_does_not_stop_a_fan_out() -> None:
    """One consumer's failure is an outcome: its text, whatever the store wrote into it, must fit the event."""
    world = World()
    world.push(push_secret("all", "postgres/credentials", {"a": "platform-data/postgres/all#a"}))
    for name in ("temporal", "backstage"):
        world.external(external_secret(f"{name}/postgres", {"a": "platform-data/postgres/all#a"}))

    def refuse(call: str, ref: object) -> None:
        if call == "create" and str(ref) == "temporal/postgres":
            raise Reject("2 errors:\n\t* first\n\t* second\x00")

    world.secrets.before = refuse
    world.source(secret("postgres/credentials"), {"a": b"1"})
    world.settle()
    assert world.target(secret("backstage/postgres")) == {"a": b"1"}
    orders = [event for event in world.events(MaterializeRequested) if isinstance(event, MaterializeRequested)]
    assert {order.reason for order in orders} == {"2 errors: * first * second"}
    assert world.path(path("platform-data/postgres/all")) == {"a": b"1"}
