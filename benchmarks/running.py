"""A real `lockstep up` as a process, its metrics, and what it costs."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_TICKS = os.sysconf("SC_CLK_TCK")


def environment() -> dict[str, str]:
    """The environment of measured processes: their bytecode is cached, as in any installation, outside the tree."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VAULT_", "BAO_", "LOCKSTEP_"))}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**kept, "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / f"lockstep-bench-pycache-{os.getuid()}")}


class Lockstep:
    """`lockstep up --root ROOT` from its start to SIGTERM."""

    def __init__(self, root: Path, environ: Mapping[str, str] | None = None, patience: float = 120.0) -> None:
        self.root = root
        self._environ = {**environment(), **(environ or {})}
        self._patience = patience
        self.ready_after = 0.0  # seconds
        self.process: subprocess.Popen[str]

    def __enter__(self) -> Self:
        self.root.mkdir(parents=True, exist_ok=True)
        command = [str(Path(sys.executable).parent / "lockstep"), "up", "--root", str(self.root)]
        began = time.perf_counter()
        with (self.root / "stderr.log").open("w") as errors:
            self.process = subprocess.Popen(
                [*command, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=errors, text=True,
                env=self._environ,
            )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.ready_after = time.perf_counter() - began
        if "ready" not in line:
            self.process.wait()
            raise RuntimeError(f"lockstep up did not start: {(self.root / 'stderr.log').read_text()[-2000:]}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(self._patience)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            if self.process.stdout is not None:
                self.process.stdout.close()

    def metrics(self) -> dict[tuple[str, str], float]:
        """Every sample of `/metrics`, by name and labels as they stand there."""
        connection = UnixConnection(self.root / "state" / "lockstep.sock")
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        return {(name, labels or ""): float(value) for name, labels, value in _SAMPLE.findall(text)}

    def calls(self) -> dict[str, int]:
        """Requests to the authority so far, by kind, without those of health checks."""
        found = self.metrics()
        name = "lockstep_authority_calls_total"
        counts = {labels.split('"')[1]: int(value) for (metric, labels), value in found.items() if metric == name}
        return {kind: count for kind, count in counts.items() if kind != "health"}

    def memory(self) -> float:
        """Resident memory, in MB."""
        return resident(self.process.pid)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=600)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(600)
        self.sock.connect(str(self._path))


def resident(pid: int) -> float:
    """A process's resident memory, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
