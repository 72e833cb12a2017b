"""POST suspend, POST resume, GET suspensions: stopping the steps' writes for a scope, on record."""

from collections.abc import Iterator
from datetime import UTC, datetime

from pydantic import ValidationError

from events.operation import ScopeRef, SuspensionChanged
from infra.broker.errors import BrokerError
from infra.hosts.control import surroundings
from infra.hosts.control.arguments import lookups, text
from infra.hosts.control.diffing import lifetime, orders
from infra.hosts.control.documents import Document
from infra.hosts.control.ordering import give
from infra.hosts.control.request import Arguments, ControlError
from infra.hosts.local.instance import Parts
from infra.hosts.local.suspensions import Suspension
from infra.hosts.views.pipeline import ConsumerState, PathState
from infra.hosts.views.selection import everything


def suspensions(parts: Parts, arguments: Arguments, by: str) -> Document:
    """What is suspended."""
    return {"suspensions": surroundings.suspensions(parts.suspensions)}


def suspend(parts: Parts, arguments: Arguments, by: str) -> Document:
    """Stop writing for `scope` because of `reason`. In force at once; `covers` says how much of the wiring it is."""
    scope, reason = _scope(arguments), text(arguments, "reason")
    event = _event(scope, suspended=True, by=by, explanation=reason, serial=0)
    serial = parts.suspensions.suspend(Suspension(scope.scope, reason, by, datetime.now(UTC)))
    _record(parts, event.model_copy(update={"serial": serial}), "suspended")
    return {"scope": scope.scope, "covers": len(list(_covered(parts, scope.scope)))}


def resume(parts: Parts, arguments: Arguments, by: str) -> Document:
    """Release `scope`, and order what it covered to be looked at again."""
    scope = _scope(arguments)
    covered = tuple(_covered(parts, scope.scope))
    serial = parts.suspensions.resume(scope.scope)
    if serial is None:
        raise ControlError(404, f"{scope.scope} is not suspended; `lockstep suspend --list` shows what is")
    _record(parts, _event(scope, suspended=False, by=by, explanation="resumed", serial=serial), "resumed")
    # Events that came meanwhile were answered and are gone: the orders stand for them.
    given = give(parts, orders(covered, lifetime(parts), f"{scope.scope} was resumed by {by}"), by)
    return {"scope": scope.scope, "covers": len(covered), "orders": len(given)}


def _scope(arguments: Arguments) -> ScopeRef:
    scope = text(arguments, "scope")
    try:
        return ScopeRef(scope=scope)
    except ValidationError:
        raise ControlError(400, "a scope is '*', NAMESPACE, NAMESPACE/NAME or MOUNT/PATH") from None


def _event(scope: ScopeRef, *, suspended: bool, by: str, explanation: str, serial: int) -> SuspensionChanged:
    try:
        return SuspensionChanged(scope=scope, suspended=suspended, by=by, explanation=explanation, serial=serial)
    except ValidationError:
        raise ControlError(400, "a reason is one line of at most 512 characters") from None


def _record(parts: Parts, event: SuspensionChanged, done: str) -> None:
    try:
        parts.tell["operators"](event)
    except BrokerError as failure:
        # In force all the same: stopping must not depend on a disk that is full.
        raise ControlError(503, f"{event.scope.scope} is {done}, but the ledger does not say so: {failure}") from None


def _covered(parts: Parts, scope: str) -> Iterator[tuple[PathState, tuple[ConsumerState, ...]]]:
    """The paths and consumers that a scope stops."""
    for state in everything(None, lookups(parts)):
        whole = scope in _scopes(state)
        consumers = tuple(each for each in state.consumers if scope in _consumer_scopes(each))
        if whole or consumers:
            producer = state if whole else _without_producer(state)
            yield producer, consumers


def _scopes(state: PathState) -> set[str]:
    found = {"*", str(state.path)}
    if state.producer is not None:
        found |= {state.producer.namespace, f"{state.producer.namespace}/{state.producer.name}"}
    return found


def _consumer_scopes(consumer: ConsumerState) -> set[str]:
    manifest, target = consumer.manifest, consumer.target
    return {"*", manifest.namespace, f"{manifest.namespace}/{manifest.name}", str(target)}


def _without_producer(state: PathState) -> PathState:
    return PathState(
        path=state.path, classification=state.classification, origin=state.origin, producer=None, sources=(),
        version=state.version, consumers=state.consumers, in_step=state.in_step,
    )  # fmt: skip
