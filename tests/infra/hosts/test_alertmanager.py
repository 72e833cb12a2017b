"""The webhook as an application: whoever sends slowly holds up neither the memory nor other reporters."""

import asyncio
import hashlib
from collections.abc import Iterable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import Any

from events.cloudevent import CloudEvent
from infra.broker.principal import Principal
from infra.hosts.alertmanager import PATH, Alertmanager, Beside
from infra.hosts.alerts import Surroundings
from infra.hosts.asgi import Message, Receive, Scope, Send
from infra.hosts.configuration import Reporter
from infra.hosts.reporters import Reporters

BODY = b'{"version": "4", "groupKey": "{}", "alerts": []}'


def taken(events: Iterable[CloudEvent], by: Principal) -> Future[tuple[int, ...]]:
    done: Future[tuple[int, ...]] = Future()
    done.set_result(tuple(range(len(tuple(events)))))
    return done


def around() -> Surroundings:
    return Surroundings("/lockstep/test/alertmanager", datetime.now(UTC), timedelta(minutes=15), lambda text: None)


APP = Alertmanager(
    taken,
    Reporters(
        Reporter(name=name, token_sha256=hashlib.sha256(name.encode()).hexdigest()) for name in ("one", "two", "three")
    ),
    around,
)


async def posted(token: str, arrives: asyncio.Event) -> int:
    """The status that a reporter is answered whose body comes when `arrives` is set."""
    answers: list[int] = []

    async def receive() -> Message:
        await arrives.wait()
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answers.append(message["status"])

    scope: dict[str, Any] = {
        "method": "POST",
        "path": PATH,
        "headers": [(b"authorization", f"Bearer {token}".encode())],
    }
    await APP(scope, receive, send)
    return answers[0]


async def reported() -> tuple[list[int], list[int]]:
    """What is answered at once while others send slowly, and what those are answered in the end."""
    later, now = asyncio.Event(), asyncio.Event()
    now.set()
    slow = [asyncio.create_task(posted("one", later)) for _ in range(2)]
    await asyncio.sleep(0)  # they have begun
    quick = [await posted("one", now), await posted("two", now)]
    slow += [asyncio.create_task(posted("two", later)) for _ in range(2)]
    await asyncio.sleep(0)
    quick.append(await posted("three", now))
    later.set()
    ended = await asyncio.gather(*slow)
    quick.append(await posted("one", now))
    return quick, list(ended)


def test_one_reporter_does_not_silence_the_others() -> None:
    quick, slow = asyncio.run(reported())
    assert quick == [503, 200, 503, 200]  # its own third; another's; one too many of all; and room again
    assert slow == [200] * 4


def test_beside_another_application_it_takes_its_own_path_alone() -> None:
    reached: list[str] = []

    async def others(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope["path"])

    async def ask(path: str) -> list[int]:
        answers: list[int] = []

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answers.append(message["status"])

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        await Beside(APP, others)({"method": "POST", "path": path, "headers": []}, receive, send)
        return answers

    assert asyncio.run(ask(PATH)) == [401]
    assert [asyncio.run(ask(path)) for path in ("/health/readiness", f"{PATH}/", "/")] == [[], [], []]
    assert reached == ["/health/readiness", f"{PATH}/", "/"]
