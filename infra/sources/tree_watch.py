"""A thread that tells what changed below some paths; for secrets, wiring and policy alike."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from infra.sources.kernel_notifications import KernelNotifications
from infra.sources.looking import LookedForChanges
from infra.sources.notifications import Notifications

_AFTER_ERROR = 1.0  # seconds before trying again what failed

OnChange = Callable[[frozenset[Path]], None]
OnTime = Callable[[], float | None]
Notice = Callable[[str], None]


class TreeWatch:
    """Calls `on_change` with the paths that changed, from one thread.

    A path means that it, or anything below it, may have changed; after anything uncertain (the start, an error, an
    overflow of the kernel's queue, a root that came back) the roots themselves are told. Roots may be files, and need
    not exist. `on_time` is called after each batch and when the seconds that it returned are over (None: not again).
    `notice` receives what an operator should see. Directories are watched `depth` levels below each root. What changes
    in directories that are `unhurried` alone may be told of a moment later.
    """

    def __init__(
        self, paths: Sequence[Path], on_change: OnChange, *, on_time: OnTime | None = None, depth: int = 8,
        notice: Notice | None = None, interval: float = 1.0, name: str = "tree-watch",
        unhurried: Callable[[str], bool] = lambda directory: False,
    ) -> None:  # fmt: skip
        self._unhurried = unhurried
        self.paths = tuple(path.absolute() for path in paths)
        self.mode = "stopped"  # then "inotify" or "polling"
        self.last_error: str | None = None
        self._on_change = on_change
        self._on_time = on_time
        self._depth = depth
        self._notice = notice or (lambda _: None)
        self._interval = interval
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._asked = False
        self._notifications: Notifications | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """End the thread and wait for it. Raises TimeoutError where `on_change` does not return."""
        self._stopping.set()
        self.ring()
        if self._thread.ident is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                raise TimeoutError(f"{self._thread.name} did not end within {timeout} s")

    def alive(self) -> bool:
        return self._thread.is_alive()

    def wait_ready(self, timeout: float) -> bool:
        """Whether all is watched and was told once, within `timeout` seconds."""
        return self._ready.wait(timeout)

    def look_again(self) -> None:
        """Have the roots told anew; from any thread."""
        self._asked = True
        self.ring()

    def ring(self) -> None:
        """Have `on_time` called now; from any thread."""
        with self._lock, contextlib.suppress(OSError):
            if self._notifications:
                self._notifications.ring()

    # --- the thread ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    self._follow()
                except Exception as error:  # noqa: BLE001 - a watch must outlive what its callbacks raise; it is shown
                    self._report(f"{type(error).__name__} while watching; watching anew", error)
                    self._stopping.wait(_AFTER_ERROR)
        finally:
            self.mode = "stopped"

    def _follow(self) -> None:
        notifications = self._open()
        try:
            with self._lock:
                self._notifications = notifications
            self._tell(frozenset(self.paths))  # after watching began, so that nothing falls between
            self._ready.set()
            due = self._time()
            while not self._stopping.is_set():
                changed = notifications.wait(due)
                if self._asked:
                    self._asked = False
                    changed = frozenset(self.paths)
                if changed:
                    self._tell(changed)
                due = self._time()
        finally:
            with self._lock:
                self._notifications = None
            notifications.close()

    def _open(self) -> Notifications:
        if self.mode != "polling":
            try:
                found = KernelNotifications(self.paths, self._depth, self._unhurried)
            except OSError as error:
                self._report(
                    f"the kernel cannot notify ({error.strerror}): looking every {self._interval:g} s instead; "
                    "raise fs.inotify.max_user_watches and max_user_instances, then restart",
                    error,
                )
            else:
                self.mode = "inotify"
                return found
        self.mode = "polling"
        return LookedForChanges(self.paths, self._depth, self._interval)

    def _tell(self, changed: frozenset[Path]) -> None:
        if not self._stopping.is_set():
            self._on_change(changed)

    def _time(self) -> float | None:
        return self._on_time() if self._on_time and not self._stopping.is_set() else None

    def _report(self, text: str, error: Exception) -> None:
        self.last_error = f"{text} ({type(error).__name__})" if type(error).__name__ not in text else text
        self._notice(self.last_error)
