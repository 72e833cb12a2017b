"""Server processes: started so that they die with the process that started them."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_INHERITED = ("HOME", "PATH", "LANG", "TZ", "TMPDIR")
# Run as `python -c`: becomes another user if it is told to, asks the kernel to signal this process when the thread that
# started it ends (which a change of user would undo), then becomes the server. A parent that died before the request is
# noticed by its changed id.
_DIE_WITH_PARENT = f"""\
import ctypes, os, sys
parent, sent, user = map(int, sys.argv[1:4])
if user >= 0:
    os.setgroups([]), os.setgid(user), os.setuid(user)
ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, sent, 0, 0, 0)
if os.getppid() != parent:
    os._exit(1)
os.execv(sys.argv[4], sys.argv[4:])
"""


def spawn(
    command: Sequence[str],
    log: Path,
    environ: Mapping[str, str] | None = None,
    *,
    with_parent: signal.Signals = signal.SIGKILL,
    user: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a server that writes to `log`. The calling thread must live as long as the server shall.

    `with_parent`: what the server is sent when that thread ends (Linux). `user`: the id of the user and group that it
    runs as, where this process may choose.
    """
    group: dict[str, Any] = {}
    if sys.platform == "linux":
        told = (str(os.getpid()), str(int(with_parent)), str(-1 if user is None else user))
        command = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, *told, *command]
    elif user is not None:
        group = {"user": user, "group": user, "extra_groups": []}
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    with log.open("ab") as file:
        return subprocess.Popen(  # noqa: S603 - our own programs and file names, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env={**inherited, **(environ or {})},
            cwd=log.parent,
            **group,
        )


def stop(process: subprocess.Popen[bytes], patience: float = 0.0) -> None:
    """End it and wait: SIGTERM, and SIGKILL after `patience` seconds (0: at once); also when it is paused."""
    if patience > 0 and process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    if process.poll() is None:
        process.kill()
    process.wait()


def tail(log: Path, lines: int = 5) -> str:
    """The last lines that a server wrote: what a failure is reported with."""
    try:
        written = log.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join(line[:400] for line in written[-lines:])
