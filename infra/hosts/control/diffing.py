"""GET diff: what would change if the steps ran now, by key names."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from events.event import Event
from events.orders import MaterializeRequested, PublishRequested
from events.references import ManifestRef
from infra.hosts.control.arguments import lookups, lookups_of_all, optional_text, ports_of, selections
from infra.hosts.control.documents import Document, blocked, change
from infra.hosts.control.request import Arguments, ControlError
from infra.hosts.local.instance import Parts
from infra.hosts.views.changes import Blocked
from infra.hosts.views.pipeline import ConsumerState, PathState
from infra.hosts.views.rehearsal import Rehearsal
from infra.hosts.views.selection import everything, states

_AHEAD = 200  # orders whose values are read, and held, at the same time


def diff(parts: Parts, arguments: Arguments, by: str) -> Document:
    """Of `names`, of a `namespace`, or of everything; then retractions that are due are among it."""
    if not parts.authority.gate.ready():
        raise ControlError(503, f"{parts.authority.gate.health().reason}; without it nothing can be compared")
    rehearsal = Rehearsal(ports_of(parts))
    narrowed = bool(arguments.get("names") or arguments.get("namespace"))
    chosen = tuple(_chosen(parts, arguments))
    wanted = list(orders(parts, chosen))
    for first in range(0, len(wanted), _AHEAD):
        rehearsal.look_ahead(wanted[first : first + _AHEAD])
        for order in wanted[first : first + _AHEAD]:
            rehearsal.tell(order)
    if not narrowed:
        rehearsal.tombstones_due()
    found = [*rehearsal.blocked, *_suspended(chosen)]
    return {
        "changes": [change(one) for one in rehearsal.changes],
        "blocked": [blocked(one) for one in dict.fromkeys(found)],
        "looked": {"paths": len(chosen), "tombstones": not narrowed},
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


def orders(
    parts: Parts, chosen: tuple[tuple[PathState, tuple[ConsumerState, ...]], ...], reason: str = "looked at by hand"
) -> Iterator[Event]:
    """To look at each path that has a producer again, and then at each consumer, once."""
    expires = datetime.now(UTC) + timedelta(seconds=parts.shared.settings.order_lifetime)
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


def _suspended(chosen: tuple[tuple[PathState, tuple[ConsumerState, ...]], ...]) -> Iterator[Blocked]:
    """A suspended step changes nothing and says nothing: that is told here."""
    for state, consumers in chosen:
        if state.suspended and state.producer is not None:
            yield Blocked("publish", state.path.subject, "suspended", state.suspended)
        for consumer in consumers:
            if consumer.suspended:
                yield Blocked("materialize", consumer.target.subject, "suspended", consumer.suspended)
