"""One instance per ROOT: an advisory lock that the kernel releases however the process ends."""

import fcntl
import json
import os
from pathlib import Path
from typing import Any


class AlreadyRunningError(RuntimeError):
    """Another instance holds this ROOT."""


class InstanceLock:
    """`ROOT/state/instance.lock`, held while the instance lives; what it says of itself is in `instance.json`."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._handle: int | None = None

    def acquire(self) -> None:
        """Raises AlreadyRunningError naming the process that holds it."""
        handle = os.open(self._state / "instance.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(handle, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(handle)
            raise AlreadyRunningError(
                f"{self._state.parent} is in use by process {pid}; stop that one, or give another --root"
            ) from None
        self._handle = handle
        os.ftruncate(handle, 0)
        os.pwrite(
            handle, f"{os.getpid()}\n".encode(), 0
        )  # instance.json comes later, and may be of one that was killed

    def describe(self, **facts: Any) -> None:
        """Say where the instance is to be reached. Never secrets."""
        target = self._state / "instance.json"
        temporary = self._state / ".instance.json.new"
        temporary.write_text(json.dumps({"pid": os.getpid(), **facts}), encoding="utf-8")
        temporary.replace(target)

    def read(self) -> dict[str, Any] | None:
        """What the running (or last) instance said of itself."""
        try:
            found = json.loads((self._state / "instance.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def release(self) -> None:
        """Let go; nothing where it is not held."""
        if self._handle is not None:
            (self._state / "instance.json").unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = None
