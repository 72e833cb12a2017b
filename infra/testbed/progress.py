"""What is being done and since when, told every few seconds: a build without a word for minutes looks broken."""

import sys
import threading
import time
from types import TracebackType
from typing import Self, TextIO

_PAUSE = 5.0  # seconds between lines


class Progress:
    """Tells its line while the block lasts; `detail` may be set from any thread."""

    def __init__(self, what: str, out: TextIO | None = None, pause: float = _PAUSE) -> None:
        self._what = what
        self._out = out or sys.stderr
        self._pause = pause
        self._began = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="progress", daemon=True)
        self.detail = ""

    def __enter__(self) -> Self:
        self._say("begins")
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        self._say("failed" if kind else "done")

    def _tell(self) -> None:
        while not self._over.wait(self._pause):
            self._say(self.detail or "under way")

    def _say(self, told: str) -> None:
        seconds = int(time.monotonic() - self._began)
        self._out.write(f"testbed: {self._what}: {told} ({seconds // 60}:{seconds % 60:02d})\n")
        self._out.flush()
