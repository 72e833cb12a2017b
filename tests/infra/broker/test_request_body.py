"""A request's body is read to its end, and no further than it may be long."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from infra.broker.errors import RefusedError
from infra.broker.request_body import Limit, whole_body

LIMIT = Limit(10, "too large", "cut off")
Message = MutableMapping[str, Any]


def read(*messages: Message, announced: bytes = b"") -> tuple[bytes | RefusedError, int]:
    """What comes of it, and how many messages were left unread."""
    waiting = list(messages)

    async def receive() -> Message:
        return waiting.pop(0)

    headers = [(b"Content-Length", announced)] if announced else []
    try:
        return asyncio.run(whole_body(headers, receive, LIMIT)), len(waiting)
    except RefusedError as refused:
        return refused, len(waiting)


def part(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.mark.parametrize(
    "messages",
    [(part(b"0123456789"),), (part(b"01234", more=True), part(b"56789")),
     (part(b"0123456789", more=True), {"type": "http.request"})],
)  # fmt: skip
def test_all_of_it(messages: tuple[Message, ...]) -> None:
    assert read(*messages) == (b"0123456789", 0)


def test_what_announces_too_much_is_not_waited_for() -> None:
    found, left = read(part(b"x"), announced=b"11")
    assert isinstance(found, RefusedError)
    assert (found.status, found.reason, left) == (413, "too large", 1)


@pytest.mark.parametrize("announced", [b"", b"3", b"-5", b"0x10", b"eleven"])
def test_what_grows_too_long_is_refused_whatever_it_announced(announced: bytes) -> None:
    found, left = read(part(b"012345", more=True), part(b"67890", more=True), part(b"x"), announced=announced)
    assert isinstance(found, RefusedError)
    assert (found.status, left) == (413, 1)


def test_what_is_cut_off_is_refused() -> None:
    found, _ = read(part(b"0123", more=True), {"type": "http.disconnect"})
    assert isinstance(found, RefusedError)
    assert (found.status, found.reason) == (400, "cut off")
