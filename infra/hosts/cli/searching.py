"""Where a search for secrets looks: files below a directory, or the history of a Git repository. It only reads."""

import errno
import os
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from infra.hosts.cli.candidates import candidates, lines_of, pieces
from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.cli.patches import FORMAT, Place, added

_NOT_FOLLOWED = "symbolic links are not followed; name what they lead to"
_NAMED = 3  # links that are named
LARGEST = 256 * 1024 * 1024  # bytes of a file; larger ones are told of

Found = Iterator[tuple[Place, bytes]]
Skipped = Callable[[str], None]


def in_files(path: Path, skipped: Skipped) -> Found:
    """Candidates of a file, or of all files below a directory but Git's own.

    Symbolic links are not followed. One that leads to what is searched anyway is not worth a word; others are told of.
    """
    links = _Links(path)
    for file in _files(path, links, skipped):
        try:
            with _opened(file) as opened:
                for one in candidates(lines_of(pieces(opened))):
                    yield Place(str(file), one.line), one.value
        except OSError as error:
            link = error.errno == errno.ELOOP
            skipped(f"{file}: {_NOT_FOLLOWED if link else error.strerror or type(error).__name__}")
    links.tell(skipped)


def in_history(repository: Path, skipped: Skipped) -> Found:
    """Candidates of everything that was ever added in any branch, tag, stash or reflog, and of commit messages.

    Raises CommandError where there is no Git, or no repository.
    """
    with _log(repository) as (output, ended):
        yield from added(output)
        ended()


class _Links:
    """Symbolic links below a directory, of which those are told that lead to what is not searched."""

    def __init__(self, path: Path) -> None:
        self._within = os.path.realpath(path)
        self._elsewhere: list[str] = []

    def passed(self, path: str) -> bool:
        """Whether it is one, and so nothing to open."""
        if not os.path.islink(path):
            return False
        inside = Path(os.path.realpath(path))
        if not inside.is_relative_to(self._within) or ".git" in inside.relative_to(self._within).parts:
            self._elsewhere.append(path)
        return True

    def tell(self, skipped: Skipped) -> None:
        """Say it once for all of them."""
        if self._elsewhere:
            count, more = len(self._elsewhere), "" if len(self._elsewhere) <= _NAMED else ", …"
            named = ", ".join(self._elsewhere[:_NAMED])
            skipped(f"{count} symbolic link{'s' if count > 1 else ''} to elsewhere ({named}{more}): {_NOT_FOLLOWED}")


def _files(path: Path, links: _Links, skipped: Skipped) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return

    def refused(error: OSError) -> None:
        skipped(f"{error.filename}: {error.strerror}")

    for folder, below, names in os.walk(path, onerror=refused):
        below[:] = sorted(name for name in below if name != ".git" and not links.passed(os.path.join(folder, name)))
        yield from (Path(folder) / name for name in sorted(names) if not links.passed(os.path.join(folder, name)))


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    """A regular file; nothing that waits (a pipe) or has effects (a device) is opened. Raises OSError."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as opened:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "not a regular file")
        if found.st_size > LARGEST:
            raise OSError(0, f"larger than {LARGEST // 2**20} MiB")
        yield opened


@contextmanager
def _log(repository: Path) -> Iterator[tuple[IO[bytes], Callable[[], None]]]:
    # A repository's own configuration may name programs to run: none of those is wanted.
    command = [
        "git", "-C", str(repository), "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null",
        "-c", "log.showSignature=false", "--no-pager", "log", "--all", "--reflog", "-p", "-U0", "--no-color",
        "--no-ext-diff", "--no-textconv", "--no-renames", "--text", "-m", f"--format={FORMAT}",
    ]  # fmt: skip
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    said = tempfile.TemporaryFile()  # noqa: SIM115  closed below; a pipe that nobody empties would stop it
    try:
        process = subprocess.Popen(  # noqa: S603  the program and its options are ours
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, env=environment
        )
    except FileNotFoundError:
        raise CommandError("there is no `git` on this machine; --git needs it", Exit.UNREACHABLE) from None

    def ended() -> None:
        if process.wait() != 0:  # it has said all by now
            said.seek(0)
            last = said.read(65536).decode(errors="replace").strip().splitlines()[-1:]
            raise CommandError(f"git cannot read the history of {repository}: {''.join(last)[:300]}")

    try:
        if process.stdout is None:
            raise RuntimeError("its output was asked for")
        yield process.stdout, ended
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        said.close()
