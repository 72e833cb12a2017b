"""Orders of an operator, handed to the broker in the operator's own name."""

from collections.abc import Iterable
from datetime import UTC, datetime

from events.envelope import issue
from events.event import Event
from infra.broker.principal import Principal
from infra.hosts.local.feeds import ACCEPT_TIMEOUT
from infra.hosts.local.instance import Parts

_AT_ONCE = 200  # orders that are taken or refused together


def give(parts: Parts, orders: Iterable[Event], by: str) -> list[int]:
    """Give orders; their sequence numbers, once they are durable. Raises what the broker raises."""
    now, source = datetime.now(UTC), f"/lockstep/{parts.configuration.cluster}/operators"
    wires = [issue(order, source=source, now=now, ordinal=number) for number, order in enumerate(orders)]
    who, batches = operator(by), range(0, len(wires), _AT_ONCE)
    # All are handed over before any is waited for: the steps begin with the first while the last is being stored.
    taken = [parts.evidence.accept_many(wires[first : first + _AT_ONCE], who) for first in batches]
    return [sequence for accepted in taken for sequence in accepted.result(timeout=ACCEPT_TIMEOUT)]


def operator(by: str) -> Principal:
    """The principal of whoever asks: `by` is `operator:<uid>`, as the socket's peer credentials say."""
    return Principal("operator", by.removeprefix("operator:"))
