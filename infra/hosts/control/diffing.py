"""GET diff: what would change if the steps ran now, by key names."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from events.event import Event
from events.orders import MaterializeRequested, PublishRequested
from events.references import ManifestRef
from functions._ports import Ports
from infra.hosts.control.arguments import lookups, lookups_of_all, optional_text, ports_of, selections
from infra.hosts.control.documents import Document, blocked, change
from infra.hosts.control.request import Arguments, ControlError
from infra.hosts.local.instance import Parts
from infra.hosts.views.changes import Blocked
from infra.hosts.views.pipeline import ConsumerState, PathState
from infra.hosts.views.rehearsal import Rehearsal
from infra.hosts.views.selection import everything, states

Chosen = tuple[tuple[PathState, tuple[ConsumerState, ...]], ...]
_AHEAD = 200  # orders whose values are read, and held, at the same time


def diff(parts: Parts, arguments: Arguments, by: str) -> Document:
    """Of `names`, of a `namespace`, or of everything; then retractions that are due are among it."""
    if not parts.authority.gate.ready():
        raise ControlError(503, f"{parts.authority.gate.health().reason}; without it nothing can be compared")
    narrowed = bool(arguments.get("names") or arguments.get("namespace"))
    return differences(ports_of(parts), tuple(_chosen(parts, arguments)), lifetime(parts), everything=not narrowed)


def differences(ports: Callable[[str], Ports], chosen: Chosen, lasts: timedelta, *, everything: bool) -> Document:
    """What the steps would change, run over drafts; `everything`: retractions that are due are looked at too."""
    rehearsal = Rehearsal(ports)
    wanted = list(orders(chosen, lasts))
    for first in range(0, len(wanted), _AHEAD):
        rehearsal.look_ahead(wanted[first : first + _AHEAD])
        for order in wanted[first : first + _AHEAD]:
            rehearsal.tell(order)
    if everything:
        rehearsal.tombstones_due()
    found = [*rehearsal.blocked, *_suspended(chosen)]
    return {
        "changes": [change(one) for one in rehearsal.changes],
        "blocked": [blocked(one) for one in dict.fromkeys(found)],
        "looked": {"paths": len(chosen), "tombstones": everything},
    }


def _chosen(parts: Parts, arguments: Arguments) -> Iterator[tuple[PathState, tuple[ConsumerState, ...]]]:
    if not arguments.get("names"):
        for state in everything(optional_text(arguments, "namespace"), lookups_of_all(parts)):
            yield state, state.consumers
        return
    asked = lookups(parts)
    for selection in selections(arguments, parts):
        for state in states(selection, asked):
            yield state, selection.chosen(state)


def lifetime(parts: Parts) -> timedelta:
    """How long an order of this installation counts."""
    return timedelta(seconds=parts.shared.settings.order_lifetime)


def orders(chosen: Chosen, lasts: timedelta, reason: str = "looked at by hand") -> Iterator[Event]:
    """To look at each path that has a producer again, and then at each consumer, once."""
    expires = datetime.now(UTC) + lasts
    for state, _ in chosen:
        if state.producer is not None:
            yield PublishRequested(path=state.path, expires=expires, reason=reason)
    done: set[ManifestRef] = set()
    for _, consumers in chosen:
        for consumer in consumers:
            if consumer.manifest not in done:
                done.add(consumer.manifest)
                yield MaterializeRequested(
                    consumer=consumer.manifest, secret=consumer.target, expires=expires, reason=reason
                )


def _suspended(chosen: Chosen) -> Iterator[Blocked]:
    """A suspended step changes nothing and says nothing: that is told here."""
    for state, consumers in chosen:
        if state.suspended and state.producer is not None:
            yield Blocked("publish", state.path.subject, "suspended", state.suspended)
        for consumer in consumers:
            if consumer.suspended:
                yield Blocked("materialize", consumer.target.subject, "suspended", consumer.suspended)
