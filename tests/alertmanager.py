"""Pytest plugin: real Alertmanagers (Debian's prometheus-alertmanager, `make testbed`)."""

import contextlib
import http.client
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infra.testbed import packages
from infra.testbed.processes import spawn, stop, tail
from tests.ports import free_port
from tests.redis import server_or_skip

_DEADLINE = 30.0
_TEMPLATES = "/usr/share/prometheus/alertmanager"


@dataclass
class Alertmanager:
    """A server with one configuration (the text of alertmanager.yml), in a directory of its own."""

    directory: Path
    program: packages.Found
    configuration: str
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.directory / "log"

    def start(self) -> None:
        """Start it and wait until it is ready."""
        file = self.directory / "alertmanager.yml"
        file.write_text(self.configuration)
        command = [
            str(_runnable(self.program, self.directory)), f"--config.file={file}",
            f"--storage.path={self.directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address=", "--log.level=debug",
        ]  # fmt: skip
        self._process = spawn(command, self.log, self.program.environ)
        ends = time.monotonic() + _DEADLINE
        while time.monotonic() < ends and self._process.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.request("GET", "/-/ready")[0] == 200:
                    return
            time.sleep(0.02)
        raise RuntimeError(f"Alertmanager did not start:\n{tail(self.log, 20)}")

    def stop(self) -> None:
        """End it at once; what it keeps stays for another start."""
        if self._process is not None:
            stop(self._process)
            self._process = None

    def fire(self, *alerts: Mapping[str, Any]) -> None:
        """Post alerts, as Prometheus does: {"labels": {...}, "annotations": {...}, "startsAt": ..., "endsAt": ...}."""
        status, answer = self.request("POST", "/api/v2/alerts", json.dumps(alerts))
        if status != 200:
            raise RuntimeError(f"Alertmanager refuses the alerts: {status} {answer!r}")

    def request(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        """Status and body of the answer to one request to its API."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def _runnable(program: packages.Found, directory: Path) -> Path:
    """The program; where Debian's templates are not installed, a copy that looks for them beside itself.

    Debian builds their absolute path in, and there is no option for it: another of the same length takes its place.
    """
    beside = program.path.parents[1] / Path(_TEMPLATES).relative_to("/usr")
    if Path(_TEMPLATES).exists() or not beside.exists():
        return program.path
    kept = directory / "bin"
    kept.mkdir(exist_ok=True)
    for template in beside.glob("*.tmpl"):
        shutil.copy(template, directory)
    there = str(directory).ljust(len(_TEMPLATES), "/").encode()
    if len(there) != len(_TEMPLATES):
        raise RuntimeError(f"{directory} is too long a name; set TMPDIR to a shorter one")
    copy = kept / program.path.name
    copy.write_bytes(program.path.read_bytes().replace(_TEMPLATES.encode(), there))
    copy.chmod(0o700)
    return copy


@pytest.fixture(scope="session")
def alertmanager_program() -> packages.Found:
    return server_or_skip(packages.ALERTMANAGER)


@pytest.fixture
def start_alertmanager(alertmanager_program: packages.Found) -> Iterator[Callable[[str], Alertmanager]]:
    """`start_alertmanager(configuration)`: a running server of the test's own, stopped afterwards."""
    with contextlib.ExitStack() as stack:

        def start(configuration: str) -> Alertmanager:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ls-alertmanager-")))
            server = Alertmanager(directory, alertmanager_program, configuration)
            stack.callback(server.stop)
            server.start()
            return server

        yield start
