"""Target Secrets read ahead: the next ones are on their way while the authority, or another target, is worked with.

A target that was read a little earlier is as good: whatever is written compares its state.
"""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from events.references import SecretRef
from functions._ports import Ports, Secret

_AHEAD = 2  # most paths have no more consumers, and those wait for the authority together


class TargetsAhead:
    """Reads targets in order, a few ahead of the one that is taken; a context manager.

    A target that is taken out of order, or again, is read when it is.
    """

    def __init__(self, refs: Iterable[SecretRef], ports: Ports) -> None:
        self._targets = ports.targets
        self._coming = iter(dict.fromkeys(refs))
        self._asked: dict[SecretRef, Callable[[], Secret | None]] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        for _ in range(_AHEAD):
            self._ask()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    def read(self, ref: SecretRef) -> Secret | None:
        """As `TargetSecrets.read`."""
        asked = self._asked.pop(ref, None)
        found = self._targets.read(ref) if asked is None else asked()
        self._ask()
        return found

    def _ask(self) -> None:
        ref = next(self._coming, None)
        if ref is not None:
            self._asked[ref] = self._open.enter_context(self._targets.reading(ref))
