"""The instance that func-python is given. The real server around it: tests/infra/hosts/test_one_step_hosts.py."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.hosts.func_python import new
from infra.hosts.func_python.function import Function
from tests.infra.hosts.steps import CANARY
from tests.infra.wiring.samples import STORE, push, together
from tests.instance import wait_for


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Function]:
    """A function over wiring and an authority that is not there."""
    (tmp_path / "wiring").mkdir()
    (tmp_path / "wiring" / "all.yaml").write_text(together(STORE, push()))
    function = new()
    cfg = {"LOCKSTEP_STEP": "publish", "LOCKSTEP_ROOT": str(tmp_path)}
    function.start({**cfg, "BAO_ADDR": "http://127.0.0.1:9", "BAO_TOKEN": "unused"})
    yield function
    function.stop()


class Sender:
    """func-python's `send`: the ASGI messages that come through `http`."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    async def http(self, message: Any) -> None:
        self.messages.append(message)


class Broken:
    """An event of the SDK whose data cannot be had."""

    def get_attributes(self) -> dict[str, Any]:
        return {}

    def get_data(self) -> Any:
        raise ValueError(CANARY)


async def _never() -> Any:
    raise AssertionError("the body was received already")


def test_alive_but_not_ready_until_it_is_started() -> None:
    assert new().alive() == (True, "OK")
    assert new().ready() == (False, "not started")


def test_not_ready_without_the_authority(started: Function, capsys: pytest.CaptureFixture[str]) -> None:
    assert started.alive()[0]
    wait_for(lambda: "not found out" not in started.ready()[1], "the reason")
    assert started.ready()[0] is False
    started.stop()
    assert started.ready() == (False, "not started")


def test_what_is_raised_is_answered_without_its_text(started: Function, caplog: pytest.LogCaptureFixture) -> None:
    sender = Sender()
    asyncio.run(started.handle({"event": Broken(), "headers": []}, _never, sender))
    assert sender.messages[0]["status"] == 500
    assert CANARY not in f"{sender.messages}{caplog.text}"


def test_it_stops_once() -> None:
    function = new()
    function.stop()
    function.stop()
