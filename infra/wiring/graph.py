"""Circles among Secrets and paths (DESIGN, "Time, capacity, fan-out"): strongly connected parts, without recursion."""

from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)


def circles(edges: Mapping[Node, Iterable[Node]]) -> tuple[frozenset[Node], ...]:
    """The sets of nodes that reach each other, and the nodes that reach themselves directly (Tarjan, linear time)."""
    order: dict[Node, int] = {}
    lowest: dict[Node, int] = {}
    stack: list[Node] = []
    on_stack: set[Node] = set()
    found: list[frozenset[Node]] = []

    def visit(root: Node) -> None:
        order[root] = lowest[root] = len(order)
        stack.append(root)
        on_stack.add(root)
        work = [(root, iter(edges.get(root, ())))]
        while work:
            node, rest = work[-1]
            for following in rest:
                if following not in order:
                    order[following] = lowest[following] = len(order)
                    stack.append(following)
                    on_stack.add(following)
                    work.append((following, iter(edges.get(following, ()))))
                    break
                if following in on_stack:
                    lowest[node] = min(lowest[node], order[following])
            else:
                work.pop()
                if work:
                    lowest[work[-1][0]] = min(lowest[work[-1][0]], lowest[node])
                close(node)

    def close(node: Node) -> None:
        if lowest[node] != order[node]:
            return
        part: set[Node] = set()
        while node not in part:
            member = stack.pop()
            on_stack.discard(member)
            part.add(member)
        if len(part) > 1 or node in set(edges.get(node, ())):
            found.append(frozenset(part))

    for each in edges:
        if each not in order:
            visit(each)
    return tuple(found)
