"""The orders service: it logs in over and over, each time with what its mounted Secret holds at that moment."""

import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from examples.postgres.database import Credential, Database

_PAUSE = 0.02  # seconds between two logins


def mounted(secret: Path) -> Credential | None:
    """What a mounted Secret holds, both keys of one version; None where there is none yet."""
    for _ in range(100):
        try:
            version = secret / os.readlink(secret / "..data")
            return Credential((version / "username").read_text(), (version / "password").read_text())
        except FileNotFoundError:
            if not secret.exists():
                return None
            time.sleep(0.001)  # replaced between link and file: the next look finds the newer one
    return None


@dataclass
class Logins:
    """How many were tried, and what the server said to those that failed."""

    tried: int = 0
    refused: list[str] = field(default_factory=list)
    reread: int = 0  # of a version that its mount no longer held: tried anew with the current one, as clients do

    def __str__(self) -> str:
        again = f", {self.reread} tried anew with what had just been mounted" if self.reread else ""
        return f"{self.tried} logins, failed logins: {len(self.refused)}{again}"


class Orders:
    """The service, from `with` to the end of the block; `part()` begins another count."""

    def __init__(self, database: Database, secret: Path) -> None:
        self._database = database
        self._secret = secret
        self._now = Logins()
        self._changing = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="orders")

    def __enter__(self) -> "Orders":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def part(self) -> Logins:
        """What it counted since the last call."""
        with self._changing:
            counted, self._now = self._now, Logins()
        return counted

    def wait(self, logins: int, patience: float) -> None:
        """Until so many were tried since now. Raises TimeoutError."""
        begun, ends = self._now.tried, time.monotonic() + patience
        while self._now.tried < begun + logins:
            if time.monotonic() > ends or not self._thread.is_alive():
                raise TimeoutError("the orders service does not log in")
            time.sleep(0.01)

    def _run(self) -> None:
        while not self._stopping.wait(_PAUSE):
            if (credential := mounted(self._secret)) is not None:
                refusal, current = self._database.refusal(credential), mounted(self._secret)
                with self._changing:
                    self._now.tried += 1
                    if refusal and current != credential:
                        self._now.reread += 1
                    elif refusal:
                        self._now.refused.append(refusal)
