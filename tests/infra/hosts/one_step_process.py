"""A step as a process of its own, started by the very commands that docs/hosts.md names."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.infra.hosts.parliament import environment
from tests.infra.hosts.served import Served
from tests.instance import wait_for
from tests.unix_http import Response

ROOT = Path(__file__).resolve().parents[3]
PLAIN, SERVE, FUNC_PYTHON, FUNC_PYTHON_HTTP, PARLIAMENT = HOSTS = (
    "python -m infra.hosts.step",
    "lockstep serve --root /srv/lockstep --listen 127.0.0.1:8080",
    "python -m infra.hosts.func_python",
    'python -c "from func_python.http import serve; from infra.hosts.func_python import new; serve(new)"',
    "/opt/parliament/bin/python -m parliament infra/hosts/parliament",
)
NAMES = ("plain", "serve", "func-python", "func-python-http", "parliament")
READINESS = {PARLIAMENT: "/"}  # elsewhere /health/readiness


def documented() -> set[str]:
    """The commands of docs/hosts.md."""
    return set(re.findall(r"^\$ (.+)$", (ROOT / "docs" / "hosts.md").read_text(encoding="utf-8"), re.MULTILINE))


@dataclass
class Process:
    """It runs, and answers."""

    host: str
    child: "subprocess.Popen[bytes]"
    port: int
    printed: Path

    connect = Served.connect

    def ask(
        self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        return Served.ask(self, method, target, body, headers)  # type: ignore[arg-type]  # it needs `connect` alone

    def readiness(self) -> Response:
        return self.ask("GET", READINESS.get(self.host, "/health/readiness"))

    def output(self) -> str:
        return self.printed.read_text(errors="replace")

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(30)

    def alive(self) -> bool:
        """Whether it answers. Raises AssertionError with what it said where it has ended."""
        assert self.child.poll() is None, self.output()
        try:
            return self.ask("GET", "/health/liveness").status == 200
        except OSError:
            return False


def command(host: str, root: Path, listen: str) -> list[str]:
    """The documented command with this machine's paths, and for parliament with another port."""
    words = shlex.split(host)
    if host == PARLIAMENT:
        python = str(environment.python())
        return [python, "-m", "tests.infra.hosts.parliament.anywhere", *words[3:]]
    if host == SERVE:
        place = {"lockstep": str(Path(sys.executable).with_name("lockstep")), "/srv/lockstep": str(root)}
        return [place.get(word, word) for word in words[:-1]] + [listen]
    return [sys.executable, *words[1:]]


def environ(host: str, root: Path, listen: str, more: Mapping[str, str]) -> dict[str, str]:
    """A clean environment for a step."""
    keep = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    ours = {"PYTHONPATH": str(ROOT), "HOME": str(root), "LOCKSTEP_ROOT": str(root), "LISTEN_ADDRESS": listen}
    if host != PARLIAMENT:  # its server leaves a socket open when it ends
        ours["PYTHONWARNINGS"] = "error"
    return {**keep, **ours, **more}


@contextmanager
def serving(host: str, root: Path, **more: str) -> Iterator[Process]:
    """Start it, wait until it answers, and make sure that it ends."""
    with reserved_port() as port:
        listen = f"127.0.0.1:{port}"
        printed = root.with_name(f"{root.name}.output")
        with printed.open("ab") as stream:
            child = subprocess.Popen(
                command(host, root, listen), env=environ(host, root, listen, more), cwd=ROOT,
                stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
            )  # fmt: skip
        process = Process(host, child, port, printed)
        try:
            wait_for(process.alive, f"{host} to answer", 60)
            yield process
        finally:
            child.kill()
            child.wait(30)


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port that nobody else is given meanwhile: it is bound, but nobody listens, so that a server still may."""
    with socket.socket() as reservation:
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reservation.bind(("127.0.0.1", 0))
        yield reservation.getsockname()[1]
