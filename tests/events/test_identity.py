from hypothesis import given
from hypothesis import strategies as st

from events.identity import fact_id, order_id

_parts = st.tuples(st.text(), st.text(), st.text(), st.text())


@given(_parts, _parts)
def test_facts_share_an_id_only_when_they_are_the_same(
    one: tuple[str, str, str, str], other: tuple[str, str, str, str]
) -> None:
    assert (fact_id(*one) == fact_id(*other)) == (one == other)


def test_where_one_part_ends_counts() -> None:
    assert fact_id("ab", "c", "", "") != fact_id("a", "bc", "", "")


def test_an_order_is_no_fact() -> None:
    assert order_id("a", "b", "c", 1) != fact_id("a", "b", "c", "1")


def test_orders_of_one_cause_differ_by_their_place() -> None:
    assert order_id("a", "b", "c", 0) != order_id("a", "b", "c", 1)


def test_ids_stay_what_they_are() -> None:
    """They stand in ledgers and databases: a change of the hash would make every redelivery a new event."""
    assert fact_id("t", "s", "1", "o") == "05f1b449a73cc5d189f0b633eb7f9797"
    assert order_id("c", "p", "s", 0) == "47e8db877fa4ad176b0473d31464d0de"
