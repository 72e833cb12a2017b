"""What is staged for a rotation, if it is exactly what the rotation's record names."""

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from events.references import PathRef
from functions._ports import Ports
from functions._rotation_records import GivenUp
from functions._rotations import Record, Staged


class StagedAhead:
    """What is staged for a path, asked for beside its record; a context manager.

    What was asked for that early counts where it is what the record names, for that never changes; else it is read.
    """

    def __init__(self, path: PathRef, ports: Ports) -> None:
        self._path, self._ports = path, ports
        self._open = ExitStack()
        self._asked: Callable[[], Staged | None] | None = None

    def __enter__(self) -> Self:
        self._asked = self._open.enter_context(self._ports.pending.reading(self._path))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    def staged_for(self, record: Record) -> Staged:
        """The staged value of the record's rotation. Raises GivenUp where it is gone, or another one stands there."""
        asked, self._asked = self._asked, None
        staged = asked() if asked is not None else None
        if not is_staged(staged, record):
            staged = self._ports.pending.read(record.path)
        if staged is None or not is_staged(staged, record):
            raise GivenUp("staged-lost")
        return staged


def is_staged(staged: Staged | None, record: Record) -> bool:
    """Whether this is what the record names."""
    if staged is None or staged.version is None:
        return False
    return (staged.rotation, staged.version) == (record.id, record.staged)


def found(record: Record, ports: Ports) -> Staged | None:
    """What is staged for this rotation, whichever version of it; None where nothing is."""
    staged = ports.pending.read(record.path)
    return staged if staged is not None and staged.rotation == record.id else None
