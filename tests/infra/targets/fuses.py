"""Processes that die, and connections that break, at any point of a rotation: the real steps over real targets.

Points are numbered through a whole rotation. `killed`: the process dies before a call of a port, before a message to
the target, or after the last call of a delivery; whatever it does from then on, it does no more. So every moment
between two calls is met once: what a call did and nobody heard of is what the next point finds. A login changes
nothing at a target, so that it counts as one message. `unsent` and `unanswered`: a message to the target does not
reach it, or its answer is lost; the process lives and hears of it as its client tells it.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import psycopg
import pytest
import redis
from botocore.endpoint import Endpoint
from botocore.exceptions import EndpointConnectionError

from functions._failures import Unavailable
from functions._values import SecretValue
from infra.targets.opening import Answered, Calls
from infra.targets.postgres_login import _Stream
from tests.fakes.world import Killed, World
from tests.functions.fuses import documents

Mode = Literal["killed", "unsent", "unanswered"]
_ENOUGH = 3000  # deliveries


@dataclass
class Fuse:
    """Blows once, at the n-th point; counts only while a step is at work."""

    mode: Mode = "killed"
    at: int = -1
    count: int = 0
    blown: bool = False
    where: str = ""
    _armed: bool = False
    _dead: bool = False

    def point(self, where: str) -> None:
        """Between two calls."""
        if not self._armed or self.mode != "killed":
            return
        if self._dead:
            raise Killed
        if self._counted(where):
            self._dead = True
            raise Killed

    @contextlib.contextmanager
    def message(self, where: str, broken: Callable[[], Exception]) -> Iterator[None]:
        """Around a message to the target; `broken` is what its client says of a connection that is lost."""
        self.point(where)
        breaks = self._armed and self.mode != "killed" and self._counted(where)
        if breaks and self.mode == "unsent":
            raise broken()
        try:
            yield
        except Exception:
            if breaks:
                raise broken() from None
            raise
        if breaks:
            raise broken()

    def deliver(self, world: World, look: Callable[[], None]) -> None:
        """Deliver until nothing is left. A process that died is followed by another one, after a look."""
        for _ in range(_ENOUGH):
            if not world.queue:
                return
            try:
                self._deliver_one(world)
            except Killed:
                self._dead = False
                look()
        raise AssertionError(f"still {len(world.queue)} deliveries after {_ENOUGH}: a loop")

    def _deliver_one(self, world: World) -> None:
        delivery = world.queue.popleft()
        step = delivery.step

        def handle(event: Any, ports: Any) -> Iterator[Any]:
            yield from step.handle(event, ports)
            self.point(f"the end of {step.name}")

        delivery.step = replace(step, handle=handle)
        self._armed = True
        try:
            world.deliver(delivery)
        finally:
            self._armed = False
            delivery.step = step

    def _counted(self, where: str) -> bool:
        self.count += 1
        if self.count != self.at:
            return False
        self.blown, self.where = True, where
        return True

    # --- where it sits ---

    def install(self, world: World) -> None:
        """At every port but the target's, whose calls begin with a message (`tapped`)."""
        for fake in (*documents(world), world.workloads):
            name = type(fake).__name__
            fake.before = lambda operation, _, name=name: self.point(f"{name}.{operation}")  # type: ignore[attr-defined]  # every fake has it
        world.publications.before = lambda operation, _: self.point(f"publications.{operation}")
        world.secrets.before = lambda operation, _: self.point(f"secrets.{operation}")


class TappedCalls:
    """A step's own way to the authority, for targets that are engines of it."""

    def __init__(self, fuse: Callable[[], Fuse], calls: Calls) -> None:
        self._fuse, self._calls = fuse, calls

    def call(self, method: str, path: str, **options: Any) -> Answered:
        with self._fuse().message(f"{method} {path}", lambda: Unavailable("authority", "the authority is away")):
            return self._calls.call(method, path, **options)

    def bearing(self, token: SecretValue) -> "TappedCalls":
        return TappedCalls(self._fuse, self._calls.bearing(token))


@contextlib.contextmanager
def tapped(fuse: Callable[[], Fuse]) -> Iterator[None]:
    """Every message of the targets' clients passes the fuse of the moment, until this ends."""
    with pytest.MonkeyPatch.context() as patch:
        _tap_postgres(fuse, patch)
        _tap_redis(fuse, patch)
        _tap_aws(fuse, patch)
        yield


def _tap_postgres(fuse: Callable[[], Fuse], patch: pytest.MonkeyPatch) -> None:
    connect, execute, log_in = psycopg.connect, psycopg.Cursor.execute, _Stream.connect
    gone = lambda: psycopg.OperationalError("the connection is lost")  # noqa: E731  one of several

    def connecting(*places: Any, **options: Any) -> Any:
        made: Any = None
        try:
            with fuse().message("connect", gone):
                made = connect(*places, **options)
        except psycopg.OperationalError:
            if made is not None:
                made.close()
            raise
        return made

    def executing(self: Any, query: Any, *values: Any, **options: Any) -> Any:
        try:
            with fuse().message(f"execute {str(query)[:60]}", gone):
                return execute(self, query, *values, **options)
        except psycopg.OperationalError:
            self.connection.close()
            raise

    def logging_in(self: Any) -> None:
        with fuse().message("login", lambda: ConnectionResetError("lost")):
            log_in(self)

    patch.setattr(psycopg, "connect", connecting)
    patch.setattr(psycopg.Cursor, "execute", executing)
    patch.setattr(_Stream, "connect", logging_in)


def _tap_redis(fuse: Callable[[], Fuse], patch: pytest.MonkeyPatch) -> None:
    """A command goes out with `send_command`; what it did is known with `read_response`."""
    connection: Any = redis.connection.Connection
    send, read = connection.send_command, connection.read_response
    gone = lambda: redis.exceptions.ConnectionError("lost")  # noqa: E731  one of several

    def sending(self: Any, *words: Any, **options: Any) -> None:
        if fuse().mode == "unanswered":
            send(self, *words, **options)
            return
        with fuse().message(" ".join(_word(word) for word in words[:2]), gone):
            send(self, *words, **options)

    def reading(self: Any, *places: Any, **options: Any) -> Any:
        if fuse().mode != "unanswered":
            return read(self, *places, **options)
        with fuse().message("an answer", gone):
            return read(self, *places, **options)

    patch.setattr(connection, "send_command", sending)
    patch.setattr(connection, "read_response", reading)


def _tap_aws(fuse: Callable[[], Fuse], patch: pytest.MonkeyPatch) -> None:
    """Beneath the SDK's own repetitions: what it says when they are over."""
    make = Endpoint.make_request

    def making(self: Any, operation: Any, request: Any) -> Any:
        with fuse().message(operation.name, lambda: EndpointConnectionError(endpoint_url=self.host)):
            return make(self, operation, request)

    patch.setattr(Endpoint, "make_request", making)


def _word(word: Any) -> str:
    return word.decode(errors="replace") if isinstance(word, bytes) else str(word)
