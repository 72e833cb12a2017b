"""What one look at a finding reads: each thing once, and side by side where it is known what will be asked.

An answer to a leak waits for it. What it decides by is as it was when the look began; whatever it writes is compared.
"""

from collections.abc import Callable, Hashable
from contextlib import ExitStack
from types import TracebackType
from typing import Generic, Self, TypeVar

from events.references import PathRef
from functions._leaks import Indexed
from functions._ports import PathHead, Ports
from functions._rotations import Record
from functions._workloads import Budget

POOL = "leak"  # of the slots that reports take

Name = TypeVar("Name", bound=Hashable)
Found = TypeVar("Found")


class Once(Generic[Name, Found]):
    """A read of a port that finds the same each time."""

    def __init__(self, read: Callable[[Name], Found]) -> None:
        self._read = read
        self._coming: dict[Name, Callable[[], Found]] = {}
        self._found: dict[Name, Found] = {}

    def __call__(self, name: Name) -> Found:
        if name not in self._found:
            coming = self._coming.pop(name, None)
            self._found[name] = coming() if coming is not None else self._read(name)
        return self._found[name]

    def expect(self, name: Name, coming: Callable[[], Found]) -> None:
        """It is on its way, and `coming` waits for it."""
        self._coming[name] = coming


class Seen:
    """A context manager, within which reads that were asked for early are under way."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._asked = ExitStack()
        self.head = Once[PathRef, PathHead | None](ports.authority.head)
        self.index = Once[PathRef, Indexed | None](ports.index.read)
        self.rotation = Once[PathRef, Record | None](ports.rotations.read)
        self.open = Once[PathRef, tuple[str, ...]](ports.leaks.of_path)
        self.budget = Once[str, Budget](ports.budgets.read)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._asked.close()

    def ask(self, path: PathRef) -> None:
        """Ask at once for what a finding about this path is looked up by: it is on its way while other things are done.

        The limit too, which most findings come to: read last, it would be waited for alone.
        """
        ports, asked = self._ports, self._asked.enter_context
        self.head.expect(path, asked(ports.authority.heading(path)))
        self.rotation.expect(path, asked(ports.rotations.reading(path)))
        self.index.expect(path, asked(ports.index.reading(path)))
        self.open.expect(path, asked(ports.leaks.reading_of_path(path)))
        if ports.wiring.rotation_of_path(path) is not None:
            self.budget.expect(POOL, asked(ports.budgets.reading(POOL)))
