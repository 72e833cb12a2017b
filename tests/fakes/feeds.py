"""An API server's lists and watches as a test scripts them."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeVar

from infra.kubernetes.mirror import Object
from infra.kubernetes.watching import WatchEvent

T = TypeVar("T")
DEADLINE = 20.0


class FakeStream:
    """Tells what it is given, then what `push` adds, until it is ended or closed."""

    def __init__(self, script: list[WatchEvent | Exception | None]) -> None:
        self._script = deque(script)
        self._turn = threading.Condition()
        self.left = False

    def push(self, happening: WatchEvent | Exception | None) -> None:
        with self._turn:
            self._script.append(happening)
            self._turn.notify()

    def __iter__(self) -> Iterator[WatchEvent]:
        while True:
            with self._turn:
                assert self._turn.wait_for(lambda: self._script, DEADLINE)
                happening = self._script.popleft()
            if happening is None:
                return
            if isinstance(happening, Exception):
                raise happening
            yield happening

    def __enter__(self) -> "FakeStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.left = True

    def close(self) -> None:
        self.push(None)


class FakeFeed:
    """Lists and watches as they are scripted; the last of each goes on."""

    def __init__(self, *lists: tuple[list[Object], int] | Exception) -> None:
        self.lists: deque[tuple[list[Object], int] | Exception] = deque(lists)
        self.streams: deque[FakeStream | Exception] = deque()
        self.opened: list[str] = []
        self.listed = 0
        self.open: FakeStream | None = None

    def list(self, make: Callable[[Object], T]) -> tuple[list[T], str]:
        self.listed += 1
        found = self.lists.popleft() if len(self.lists) > 1 else self.lists[0]
        if isinstance(found, Exception):
            raise found
        return [make(each) for each in found[0]], str(found[1])

    def watch(self, resource_version: str) -> FakeStream:
        self.opened.append(resource_version)
        stream = self.streams.popleft() if self.streams else FakeStream([])
        if isinstance(stream, Exception):
            raise stream
        self.open = stream
        return stream
