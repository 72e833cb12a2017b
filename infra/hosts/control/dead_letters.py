"""Dead letters: seen, delivered again, or dropped; by name, and with who did it in the ledger."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

from events.cloudevent import CloudEvent
from events.envelope import read
from events.errors import EventError
from infra.broker.clock import rfc3339
from infra.broker.errors import DeadLetterError, UnknownDeadLetterError
from infra.broker.principal import Principal
from infra.broker.records import DeadLetter
from infra.hosts.control.arguments import is_whole, optional_text, whole
from infra.hosts.control.request import Arguments, ControlError
from infra.hosts.local.instance import Parts

PAGE = 100
_DURABLE = 30.0  # seconds for the broker to make an intervention durable


def listed(parts: Parts, arguments: Arguments, by: str) -> dict[str, Any]:
    """Dead letters above number `after`, oldest first; `all` shows those too that were replayed or dropped.

    `next` is what to ask after for more, null at the end.
    """
    limit = max(1, min(whole(arguments, "limit", PAGE), 1000))
    letters = parts.evidence.dead_letters.list(
        include_closed=bool(arguments.get("all")), limit=limit, after=whole(arguments, "after")
    )
    return {
        "items": [_document(letter) for letter in letters],
        "next": letters[-1].n if len(letters) == limit else None,
        "open": parts.evidence.dead_letters.count(),
    }


def shown(parts: Parts, arguments: Arguments, by: str) -> dict[str, Any]:
    """One dead letter with its event. Data that is not what its type asks is withheld: it might hold anything."""
    letter, event = _found(parts, whole(arguments, "number"))
    data, withheld = _data(event)
    return {**_document(letter), "event": event.attributes(), "data": data, "withheld": withheld}


def replayed(parts: Parts, arguments: Arguments, by: str) -> dict[str, Any]:
    """Deliver again the `numbers`, or every open one (`everything`, of `route` only where given)."""
    return _each(parts, arguments, parts.evidence.dead_letters.replay, by, "replayed")


def dropped(parts: Parts, arguments: Arguments, by: str) -> dict[str, Any]:
    """Give up for good; chosen as for `replayed`."""
    return _each(parts, arguments, parts.evidence.dead_letters.drop, by, "dropped")


def _each(
    parts: Parts, arguments: Arguments, act: Callable[[int, Principal], Future[None]], by: str, done: str
) -> dict[str, Any]:
    principal = Principal("operator", by.removeprefix("operator:"))  # the Unix socket knows no others
    pending = [(number, act(number, principal)) for number in _chosen(parts, arguments)]
    items: list[dict[str, Any]] = []
    for number, future in pending:
        try:
            future.result(_DURABLE)
        except DeadLetterError as refused:
            exists = not isinstance(refused, UnknownDeadLetterError)
            items.append({"number": number, "outcome": "refused", "reason": str(refused), "exists": exists})
        else:
            items.append({"number": number, "outcome": done, "reason": "", "exists": True})
    return {"items": items, "by": by}


def _chosen(parts: Parts, arguments: Arguments) -> list[int]:
    numbers = arguments.get("numbers")
    if not arguments.get("everything"):
        if not isinstance(numbers, list) or not all(is_whole(number) for number in numbers):
            raise ControlError(400, "name the dead letters by their numbers, or ask for all of them")
        return list(dict.fromkeys(numbers))
    route = optional_text(arguments, "route")
    return [letter.n for letter in _open(parts) if route in (None, letter.route)]


def _open(parts: Parts) -> Iterator[DeadLetter]:
    """Every open dead letter of this moment: listed as a whole before any is touched, so that none comes twice."""
    after = 0
    while page := parts.evidence.dead_letters.list(limit=1000, after=after):
        yield from page
        after = page[-1].n


def _found(parts: Parts, number: int) -> tuple[DeadLetter, CloudEvent]:
    try:
        return parts.evidence.dead_letters.show(number)
    except DeadLetterError as unknown:
        raise ControlError(404, str(unknown)) from None


def _document(letter: DeadLetter) -> dict[str, Any]:
    return {
        "number": letter.n,
        "at": rfc3339(letter.at),
        "step": letter.route,
        "destination": letter.destination,
        "status": letter.code,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "type": letter.type,
        "subject": letter.subject,
        "id": letter.id,
        "correlation": letter.correlation,
        "closed": rfc3339(letter.closed) if letter.closed is not None else None,
        "outcome": letter.outcome,
        "by": letter.closer,
    }


def _data(event: CloudEvent) -> tuple[Any, str]:
    """The event's data, or why it is not shown."""
    try:
        read(event)
    except EventError as error:
        return None, f"its data is not what its type asks, and might hold anything: {error}"
    return json.loads(event.data or b"{}"), ""
