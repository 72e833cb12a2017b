"""A thread that does one thing whenever somebody rings, as seldom as it can and as often as it must."""

import threading
from collections.abc import Callable

from infra.kubernetes.backoff import Backoff

_SETTLE = 0.01  # seconds that more rings are waited for: one `kubectl apply` rings many times


class Pump:
    """Calls `action` after rings, at least once after the last one, again and again until it does not raise."""

    def __init__(
        self, action: Callable[[], object], name: str, *, notice: Callable[[str], None] = lambda _: None,
        settle: float = _SETTLE,
    ) -> None:  # fmt: skip
        self._action = action
        self._name = name
        self._notice = notice
        self._settle = settle
        self._bell = threading.Event()
        self._stopping = threading.Event()
        self._tried = threading.Event()
        self._backoff = Backoff(longest=5.0)
        self.last_error: str | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def ring(self) -> None:
        """Have it done; from any thread, before the start too."""
        self._bell.set()

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """End the thread. Raises TimeoutError where `action` does not return."""
        self._stopping.set()
        self._bell.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                raise TimeoutError(f"{self._name} did not end within {timeout} s")

    def wait_first(self, timeout: float) -> bool:
        """Whether it was done, or at least tried, once within `timeout` seconds."""
        return self._tried.wait(timeout)

    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def mode(self) -> str:
        return "watch" if self.alive() else "stopped"

    def _run(self) -> None:
        while True:
            self._bell.wait()
            self._stopping.wait(self._settle)
            if self._stopping.is_set():
                return
            self._bell.clear()  # before the action: what is rung meanwhile is another round
            try:
                self._action()
            except Exception as error:  # noqa: BLE001 - whatever it raises it is done again, and shown
                text = f"{self._name} failed and is done again ({type(error).__name__})"
                if text != self.last_error:
                    self._notice(text)
                self.last_error = text
                self._tried.set()
                self._stopping.wait(self._backoff.failed())
                self._bell.set()
            else:
                self._backoff.succeeded()
                self.last_error = None
                self._tried.set()
