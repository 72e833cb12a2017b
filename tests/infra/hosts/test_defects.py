"""What is told of a defect."""

import pytest

from infra.hosts.asgi import Application, Message, Receive, Scope, Send
from infra.hosts.defects import LastResort, place_of


def test_a_place_is_where_it_was_raised() -> None:
    with pytest.raises(ValueError, match="invalid literal") as failure:
        int("canary")
    assert place_of(failure.value).startswith("tests.infra.hosts.test_defects:")
    assert place_of(ValueError("canary")) == "an unknown place"


def _ask(app: Application) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    coroutine = LastResort(app)({"type": "http"}, receive, send)
    with pytest.raises(StopIteration):
        coroutine.send(None)  # it never waits
    return sent


def test_what_was_not_begun_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("canary")

    sent = _ask(app)
    assert (sent[0]["status"], b"canary" in sent[1]["body"], "canary" in caplog.text) == (500, False, False)


def test_what_was_begun_is_cut_off() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        raise KeyError("canary")

    assert [message["type"] for message in _ask(app)] == ["http.response.start"]


def test_nothing_else_is_swallowed() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _ask(app)
