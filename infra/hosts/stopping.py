"""Stopping what was started, whatever fails on the way."""

from collections.abc import Callable


def stop_all(parts: list[Callable[[], object]], failed: str = "not everything stopped cleanly") -> None:
    """Call and take out the last part first; every part is stopped even where another fails.

    Raises a group, with the text `failed`, of what they raised.
    """
    failures: list[Exception] = []
    while parts:
        try:
            parts.pop()()
        except Exception as failure:  # noqa: BLE001  collected, and raised when all have stopped
            failures.append(failure)
    if failures:
        raise ExceptionGroup(failed, failures)
