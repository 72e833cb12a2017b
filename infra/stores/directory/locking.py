"""One writer of a Secret at a time, across threads and processes: flock on the handle of its directory."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from functions._failures import Retry
from infra.stores.directory.handles import Place

_FIRST_WAIT = 0.0002  # seconds; a write takes less than a millisecond
_LONGEST_WAIT = 0.01


@contextmanager
def locked(namespace: Place, name: str, *, subject: object, wait: float) -> Iterator[Place]:
    """The Secret's directory, held alone. The kernel releases it when the process dies.

    Raises FileNotFoundError where there is no such directory, and Retry after `wait` seconds: the namespace's
    owner can hold this lock too, and must not hold up more than their own Secret.
    """
    deadline = time.monotonic() + wait
    while True:
        with namespace.directory(name, subject) as place:
            _acquire(place, deadline)
            if _still_there(namespace, name, place):  # it may have been deleted while we waited
                yield place
                return


def _acquire(place: Place, deadline: float) -> None:
    pause = _FIRST_WAIT
    while True:
        try:
            fcntl.flock(place.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise Retry(f"{place.subject} is locked by another process", after=1.0) from None
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_WAIT)
        else:
            return


def _still_there(namespace: Place, name: str, place: Place) -> bool:
    try:
        found = os.stat(name, dir_fd=namespace.handle, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(found, place.status())
