"""JSON documents held against what docs/cli.md promises of them."""

from collections.abc import Iterator
from typing import Any

from infra.hosts.cli.json_members import DOCUMENTS

_FREE = {"broker.held", "events[].versions", "versions"}  # members named by steps or paths


def members(value: Any, where: str = "") -> Iterator[str]:
    """Every member of a document, as `a.b[].c`."""
    if isinstance(value, list):
        for item in value:
            yield from members(item, f"{where}[]")
    elif isinstance(value, dict):
        for name, inner in value.items():
            member = f"{where}.{name}" if where else name
            yield member
            if member not in _FREE:
                yield from members(inner, member)


def promised(command: str) -> set[str]:
    """Members that the reference names, with those that contain them."""
    found = set()
    for member, _ in DOCUMENTS[command]:
        parts = member.split(".")
        found |= {".".join(parts[: count + 1]).removesuffix("[]") for count in range(len(parts))}
    return found


def check(command: str, document: Any) -> None:
    """A document holds nothing that is not promised, and all top-level members that are."""
    found = set(members(document))
    assert found <= promised(command), f"not in the reference: {sorted(found - promised(command))}"
