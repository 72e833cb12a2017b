"""GET diff: what would change if the steps ran now, by key names."""

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta

from events.event import Event
from events.orders import MaterializeRequested, PublishRequested
from events.references import ManifestRef, PathRef
from functions._ports import Ports
from infra.hosts.control.arguments import choice, lookups, ports_of
from infra.hosts.control.documents import Document, blocked, change
from infra.hosts.control.request import Arguments, ControlError
from infra.hosts.local.instance import Parts
from infra.hosts.views.changes import Blocked
from infra.hosts.views.choice import Choice
from infra.hosts.views.pipeline import PathState, path_state
from infra.hosts.views.rehearsal import Rehearsal
from infra.hosts.views.selection import Chosen

_AHEAD = 200  # orders whose values are read, and held, at the same time


def diff(parts: Parts, arguments: Arguments, by: str) -> Document:
    """Of `names`, of a `namespace`, or of everything; then retractions that are due are among it."""
    if not parts.authority.gate.ready():
        raise ControlError(503, f"{parts.authority.gate.health().reason}; without it nothing can be compared")
    narrowed = bool(arguments.get("names") or arguments.get("namespace"))
    asked = lookups(parts)
    return differences(
        ports_of(parts), choice(arguments, parts), lambda path: path_state(path, asked), lifetime(parts),
        everything=not narrowed,
    )  # fmt: skip


def differences(
    ports: Callable[[str], Ports], choice: Choice, now: Callable[[PathRef], PathState], lasts: timedelta, *,
    everything: bool,
) -> Document:  # fmt: skip
    """What the steps would change, run over drafts; `everything`: retractions that are due are looked at too.

    `now` looks at a path once more: what was not in step before the steps were run may be meanwhile.
    """
    rehearsal, chosen = Rehearsal(ports), choice.chosen
    wanted = list(orders(chosen, lasts))
    for first in range(0, len(wanted), _AHEAD):
        rehearsal.look_ahead(wanted[first : first + _AHEAD])
        for order in wanted[first : first + _AHEAD]:
            rehearsal.tell(order)
    if everything:
        rehearsal.tombstones_due()
    found = [*rehearsal.blocked, *_suspended(chosen)]
    told = {one.about for one in found} | {one.target.subject for one in rehearsal.changes}
    found += [*_waiting(chosen, told, now), *_hindered(choice)]
    return {
        "changes": [change(one) for one in rehearsal.changes],
        "blocked": [blocked(one) for one in dict.fromkeys(found)],
        "looked": {"paths": len(chosen), "tombstones": everything},
    }


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


def _waiting(chosen: Chosen, told: AbstractSet[str], now: Callable[[PathRef], PathState]) -> Iterator[Blocked]:
    """What no step would change, and is not in step all the same. Who only waits for its path is not told of beside."""
    for state, consumers in chosen:
        here = {state.path.subject, *(each.target.subject for each in consumers if state.version is not None)}
        if not (state.wrong or any(each.wrong for each in consumers)) or here <= told:
            continue
        fresh, meant = now(state.path), {each.manifest for each in consumers}
        if fresh.wrong and state.path.subject not in told:
            yield Blocked("publish" if state.producer else "materialize", state.path.subject, "waiting", fresh.wrong)
        for each in fresh.consumers if fresh.version is not None else ():
            if each.wrong and each.manifest in meant and each.target.subject not in told:
                yield Blocked("materialize", each.target.subject, "waiting", each.wrong)


def _hindered(choice: Choice) -> Iterator[Blocked]:
    """What the wiring would say, could it be read and followed as it is written."""
    for one in choice.hindrances:
        yield Blocked("wiring", one.about, one.kind, str(one))
