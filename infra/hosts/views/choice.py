"""What a question is about: by names, by a namespace, or everything; with what hinders it."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from infra.hosts.views.hindrances import Hindrance, of_named, of_wired, wired_namespaces
from infra.hosts.views.pipeline import Lookups, PathState
from infra.hosts.views.selection import Chosen, everything, select, states

_SHOWN = 10  # namespaces that a message names


@dataclass(frozen=True, slots=True)
class Choice:
    """Paths with those of their consumers that are meant, and what keeps manifests beside them from acting.

    `unknown` says that the namespace that was asked about is none in which anything is wired; "" where it is.
    """

    chosen: Chosen
    hindrances: tuple[Hindrance, ...] = ()
    unknown: str = ""

    def states(self) -> tuple[PathState, ...]:
        """Each path once, with all of its consumers."""
        return tuple({state.path: state for state, _ in self.chosen}.values())


def named(names: Sequence[str], namespace: str | None, lookups: Lookups) -> Choice:
    """What some names stand for. Raises UnknownName."""
    selections = tuple(select(name, namespace, lookups) for name in names)
    chosen = tuple((state, one.chosen(state)) for one in selections for state in states(one, lookups))
    return Choice(chosen, tuple(of_named(selections, chosen, lookups)))


def wired(namespace: str | None, lookups: Lookups) -> Choice:
    """Everything, or what a namespace produces or consumes."""
    if namespace is not None and not lookups.written().unnamed():
        there = sorted(wired_namespaces(lookups))
        if namespace not in there:
            return Choice((), unknown=_unknown(namespace, there))
    chosen = tuple((state, state.consumers) for state in everything(namespace, lookups))
    return Choice(chosen, tuple(of_wired(namespace, chosen, lookups)))


def _unknown(namespace: str, there: Sequence[str]) -> str:
    said = f"nothing is wired in namespace {namespace}"
    if near := difflib.get_close_matches(namespace, there, n=3):
        return f"{said}; did you mean {' or '.join(near)}?"
    if not there:
        return f"{said}, nor anywhere else; `lockstep status` tells what could be read"
    more = f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else ""
    return f"{said}; something is in {', '.join(there[:_SHOWN])}{more}"
