"""Who may send what."""

import pytest

from events.cloudevent import CloudEvent
from infra.broker.admission import Admission, Rule
from infra.broker.errors import RefusedError
from infra.broker.principal import ANONYMOUS, Principal
from tests.infra.broker.kit import event


def expiry(event: CloudEvent, now: float) -> str | None:
    return "its time is over" if event.extensions.get("until", "9") < str(int(now)) else None


TABLE = Admission(
    rules=(
        Rule("step:publish", "fact"),
        Rule("operator:*", "order", "paths/team-a"),
        Rule("source:directory", "hint"),
    ),
    hints=frozenset({"hint"}),
    reserved=frozenset({"fact", "order", "hint"}),
    expiry=expiry,
)


def status(principal: Principal, sent: CloudEvent, now: float = 0.0) -> int:
    try:
        TABLE.check(principal, sent, now)
    except RefusedError as refused:
        return refused.status
    return 202


@pytest.mark.parametrize(
    ("principal", "type_", "expected"),
    [
        (Principal("step", "publish"), "fact", 202),
        (Principal("step", "materialize"), "fact", 403),
        (Principal("step", "publish"), "order", 403),
        (Principal("source", "directory"), "hint", 202),
        (Principal("source", "directory"), "fact", 403),
        (Principal("operator", "1000"), "fact", 403),
        (ANONYMOUS, "hint", 202),
        (ANONYMOUS, "com.example.anything", 202),
        (ANONYMOUS, "fact", 401),
        (ANONYMOUS, "order", 401),
        (Principal("token", "ci"), "com.example.anything", 403),
    ],
)
def test_principal_by_type(principal: Principal, type_: str, expected: int) -> None:
    assert status(principal, event(1, type_)) == expected
    assert status(principal, event(1, type_)) == expected, "the second look is at what was remembered"


@pytest.mark.parametrize(
    ("subject", "expected"),
    [("paths/team-a", 202), ("paths/team-a/db", 202), ("paths/team-ab", 403), ("paths", 403), (None, 403)],
)
def test_a_prefix_ends_at_a_segment(subject: str | None, expected: int) -> None:
    assert status(Principal("operator", "1000"), event(1, "order", subject)) == expected


def test_what_expired_is_refused() -> None:
    order = event(1, "order", "paths/team-a", until="5")
    operator = Principal("operator", "0")
    assert [status(operator, order, now) for now in (4.0, 6.0)] == [202, 403]


def test_a_foreign_principal_named_like_a_pattern_gains_nothing() -> None:
    assert status(Principal("token", "operator:*"), event(1, "order", "paths/team-a")) == 403


@pytest.mark.parametrize(
    "principal", [ANONYMOUS, Principal("operator", "0"), Principal("token", "ci"), Principal("step", "publish")]
)
def test_an_unknown_type_of_ours_is_no_foreign_event(principal: Principal) -> None:
    table = Admission(rules=(Rule("token:*", "*"), Rule("step:*", "*")), reserved=frozenset({"our.known"}), own="our.")
    with pytest.raises(RefusedError, match=r"our\.newer: unknown type of ours: a newer version\?") as refused:
        table.check(principal, event(1, "our.newer"), 0.0)
    assert refused.value.status == 400
    table.check(principal, event(1, "ours.not"), 0.0)
