"""A real `lockstep up` as a process, its metrics, and what it costs."""

import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'"([^"]*)"')
_PATIENCE = 900.0  # seconds until every delivery is over
_TICKS = os.sysconf("SC_CLK_TCK")


def environment() -> dict[str, str]:
    """The environment of measured processes: their bytecode is cached, as in any installation, outside the tree."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VAULT_", "BAO_", "LOCKSTEP_"))}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**kept, "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / f"lockstep-bench-pycache-{os.getuid()}")}


class Lockstep:
    """`lockstep up --root ROOT` from its start to SIGTERM."""

    def __init__(
        self, root: Path, environ: Mapping[str, str] | None = None, patience: float = 120.0,
        arguments: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.root = root
        self._arguments = tuple(arguments)
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
                [*command, "--listen", "127.0.0.1:0", *self._arguments], stdout=subprocess.PIPE, stderr=errors,
                text=True, env=self._environ,
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
        return {kind: count for (kind,), count in _counts("authority", self.metrics()).items() if kind != "health"}

    def all_calls(self) -> tuple[int, int]:
        """Requests so far to the API server and to the authority, but for what comes with the hour and not with
        secrets: health checks, watches that are opened again, logins, lists of rollouts that may be due, and the
        ledger's anchor with its signature."""
        found = self.metrics()
        cluster = _counts("kubernetes", found).items()
        authority = _counts("authority", found).items()
        hourly = ("health", "login", "list", "anchor", "sign")
        return (
            sum(count for (verb, resource), count in cluster if verb != "watch" and resource != "/version"),
            sum(count for (kind,), count in authority if kind not in hourly),
        )

    def wait_idle(self) -> None:
        """Until every delivery is over. Read from the broker's file: asking `/metrics` costs more."""
        database = sqlite3.connect(f"file:{self.root}/state/broker.db?mode=ro", uri=True)
        end = time.monotonic() + _PATIENCE
        try:
            while database.execute("SELECT count(*) FROM delivery WHERE finished IS NULL").fetchone()[0]:
                if time.monotonic() > end:
                    raise TimeoutError("the broker did not become idle")
                time.sleep(0.02)
        finally:
            database.close()

    def sweep(self) -> None:
        """Ask for a sweep of everything, as the schedule would: a hint, which anybody on the loopback may give."""
        url = urlsplit(json.loads((self.root / "state" / "instance.json").read_text())["ingress"])
        data = {"schedule": {"name": "sweep"}, "at": datetime.now(UTC).isoformat(), "shard": 0, "shards": 1}
        headers = {
            "content-type": "application/json", "ce-specversion": "1.0", "ce-id": "bench", "ce-source": "/bench",
            "ce-type": "dev.lockstep.schedule.ticked",
        }  # fmt: skip
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=60)
        try:
            connection.request("POST", url.path, json.dumps(data), headers)
            answer = connection.getresponse()
            if answer.status != 202:
                raise RuntimeError(f"the tick was answered {answer.status}: {answer.read()[:300]!r}")
        finally:
            connection.close()

    def memory(self) -> float:
        """Resident memory, in MB."""
        return resident(self.process.pid)


def _counts(service: str, found: Mapping[tuple[str, str], float]) -> dict[tuple[str, ...], int]:
    """A counter of calls, by its labels' values in the order that they stand in."""
    name = f"lockstep_{service}_calls_total"
    return {tuple(_LABEL.findall(labels)): int(value) for (metric, labels), value in found.items() if metric == name}


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=600)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(600)
        folder = os.open(self._path.parent, os.O_PATH)
        try:
            self.sock.connect(f"/proc/self/fd/{folder}/{self._path.name}")  # a path of its own may be too long
        finally:
            os.close(folder)


def resident(pid: int) -> float:
    """A process's resident memory, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
