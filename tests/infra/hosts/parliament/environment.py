"""An environment with the real parliament, which cannot share one with the CloudEvents SDK of the other tests.

It is made of the hashes in `infra/hosts/parliament/requirements.txt`, in the user's cache, once per such file and
interpreter: seconds the first time, nothing afterwards.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).parents[4] / "infra" / "hosts" / "parliament" / "requirements.txt"


def python() -> Path:
    """Its interpreter. Processes that need it at the same time wait for the one that makes it."""
    made = _place()
    made.parent.mkdir(parents=True, exist_ok=True)
    with made.with_suffix(".lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        complete = made / "complete"
        if not complete.exists():
            shutil.rmtree(made, ignore_errors=True)
            _run(sys.executable, "-m", "venv", str(made))
            pip = (str(made / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input")
            _run(*pip, "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "-r", str(REQUIREMENTS))
            complete.touch()
    return made / "bin" / "python"


def _place() -> Path:
    what = REQUIREMENTS.read_bytes() + sys.version.encode() + os.path.realpath(sys.executable).encode()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "lockstep" / f"parliament-{hashlib.sha256(what).hexdigest()[:16]}"


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
