"""Circles of a graph."""

from hypothesis import given
from hypothesis import strategies as st

from infra.wiring.graph import circles


def _reachable(edges: dict[int, list[int]], start: int) -> set[int]:
    seen: set[int] = set()
    waiting = list(edges.get(start, ()))
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting.extend(edges.get(node, ()))
    return seen


@given(st.dictionaries(st.integers(0, 8), st.lists(st.integers(0, 8), max_size=4), max_size=8))
def test_a_node_is_on_a_circle_when_it_reaches_itself(edges: dict[int, list[int]]) -> None:
    found = {node for circle in circles(edges) for node in circle}
    assert found == {node for node in edges if node in _reachable(edges, node)}


def test_a_long_chain_needs_no_recursion() -> None:
    edges = {n: [n + 1] for n in range(50_000)}
    assert circles(edges) == ()
    edges[50_000] = [0]
    assert [len(circle) for circle in circles(edges)] == [50_001]
