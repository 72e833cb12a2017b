"""Looking into objects that have no model here."""

from collections.abc import Hashable, Iterator
from typing import Any

from infra.wiring.tree import Mapping, Sequence

Place = tuple[Hashable, ...]


def mappings(tree: Any) -> Iterator[tuple[Place, Mapping]]:
    """Every mapping of a tree with its place, from the outside in."""
    waiting: list[tuple[Place, Any]] = [((), tree)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, Mapping):
            yield place, value
            waiting.extend(((*place, key), each) for key, each in value.items())
        elif isinstance(value, Sequence):
            waiting.extend(((*place, n), each) for n, each in enumerate(value))


def metadata_of(body: Mapping) -> tuple[str, str]:
    """Namespace ("default" where none is given) and name."""
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        return "default", ""
    return str(metadata.get("namespace") or "default"), str(metadata.get("name") or "")


def items_of(mapping: Any, key: str) -> list[Any]:
    """The list at a key, empty where there is none."""
    value = mapping.get(key) if isinstance(mapping, dict) else None
    return value if isinstance(value, list) else []


def mapping_of(mapping: Any, key: str) -> dict[str, Any]:
    """The mapping at a key, empty where there is none."""
    value = mapping.get(key) if isinstance(mapping, dict) else None
    return value if isinstance(value, dict) else {}


def names_of(mapping: Any, key: str) -> set[str]:
    """The texts in the list at a key; whatever else is in it is no name."""
    return {each for each in items_of(mapping, key) if isinstance(each, str)}
