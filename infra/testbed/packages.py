"""Servers that the tests take from Debian packages: unpacked into the user's cache, without root's rights.

apt checks what it fetches by the archive's signature; nothing is installed, and no script of a package runs.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from infra.testbed.binaries import cache
from infra.testbed.building import alone
from infra.testbed.failures import BuildError, NoBinariesError
from infra.testbed.progress import Progress

_ROUNDS = 4  # a library's own libraries, and theirs
_TOLD = 600  # characters of what a program said


@dataclass(frozen=True)
class Server:
    """A program, and the packages that it is in."""

    program: str
    packages: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """Where a program is, and what its environment needs beside."""

    path: Path
    environ: Mapping[str, str]


REDIS = Server("redis-server", ("redis-server", "redis-tools"))  # the first is a link into the second
ALERTMANAGER = Server("prometheus-alertmanager", ("prometheus-alertmanager",))
SERVERS = (REDIS, ALERTMANAGER)


def find(server: Server, environ: Mapping[str, str] | None = None) -> Found:
    """The program on PATH, or the cache's. Raises NoBinariesError."""
    environ = os.environ if environ is None else environ
    if on_path := shutil.which(server.program, path=environ.get("PATH", "")):
        return Found(Path(on_path).absolute(), {})
    folder = _folder(server, environ)
    if not (folder / "usr" / "bin" / server.program).exists():
        raise NoBinariesError(f"no {server.program}: run `make testbed` (it is neither on PATH nor in {folder})")
    return _unpacked(server, folder)


def provide(server: Server, out: TextIO | None = None) -> Found:
    """The program, fetched where it is missing. Raises BuildError."""
    try:
        return find(server)
    except NoBinariesError:
        pass
    kept = cache()
    kept.mkdir(parents=True, exist_ok=True)
    with alone(kept / "packages.lock", out):
        folder = _folder(server, os.environ)
        if not folder.exists():  # nobody fetched it meanwhile
            with tempfile.TemporaryDirectory(prefix=".fetching-", dir=kept) as fetching:
                _fetch(server, Path(fetching), out)
                os.rename(Path(fetching) / "root", folder)
    return find(server)


def _folder(server: Server, environ: Mapping[str, str]) -> Path:
    return cache(environ) / f"{server.program}-{_release()}"


def _release() -> str:
    """Which release of which distribution this is: its libraries are what the program is linked against."""
    try:
        told = dict(re.findall(r'^(ID|VERSION_ID)="?([^"\n]*)"?$', Path("/etc/os-release").read_text(), re.MULTILINE))
    except OSError:
        told = {}
    return f"{told.get('ID', 'unknown')}{told.get('VERSION_ID', '')}"


def _unpacked(server: Server, folder: Path) -> Found:
    libraries = sorted({str(file.parent) for file in folder.glob("**/*.so*")})
    environ = {"LD_LIBRARY_PATH": os.pathsep.join(libraries)} if libraries else {}
    return Found(folder / "usr" / "bin" / server.program, environ)


def _fetch(server: Server, into: Path, out: TextIO | None) -> None:
    for tool in ("apt-get", "apt-cache", "dpkg-deb", "dpkg-query", "ldd"):
        if shutil.which(tool) is None:
            raise BuildError(f"there is no {tool} to get {server.program} with; install it and put it on PATH")
    root = into / "root"
    root.mkdir()
    with Progress(f"fetching {server.program} from its Debian package", out) as progress:
        apt = _Apt(into, progress)
        had, wanted, missing = set[str](), set(server.packages), list[str]()
        for _ in range(_ROUNDS):
            apt.unpack(wanted - had, root)
            had |= wanted
            missing = _missing_libraries(server, root)
            if not missing:
                return
            wanted = {
                one for one in apt.depended(had) if one.startswith("lib") and one not in had and not _installed(one)
            }
    raise BuildError(
        f"{server.program} lacks {', '.join(missing)}; install the package that has it, or {server.program}"
    )


class _Apt:
    """apt-get with the machine's lists of packages; where these are missing or old, with lists of its own."""

    def __init__(self, directory: Path, progress: Progress) -> None:
        self._directory = directory
        self._progress = progress
        # Root would hand downloads to a user who may not write here.
        self._options = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []

    def unpack(self, packages: Iterable[str], root: Path) -> None:
        names = sorted(packages)
        self._progress.detail = f"fetching {', '.join(names)}"
        try:
            self._download(names)
        except BuildError:
            self._update()
            self._download(names)
        for archive in sorted(self._directory.glob("*.deb")):
            _run(["dpkg-deb", "-x", str(archive), str(root)], self._directory)
            archive.unlink()

    def depended(self, packages: Iterable[str]) -> list[str]:
        """The names of what these depend on."""
        told = _run(["apt-cache", *self._options, "depends", "--important", *sorted(packages)], self._directory)
        return re.findall(r"^ *\|?(?:Pre)?Depends: (\S+)$", told, re.MULTILINE)

    def _download(self, names: list[str]) -> None:
        if names:
            _run(["apt-get", *self._options, "download", *names], self._directory)

    def _update(self) -> None:
        self._progress.detail = "fetching lists of packages"
        lists, kept = self._directory / "lists", self._directory / "archives"
        for one in (lists / "partial", kept / "archives" / "partial"):
            one.mkdir(parents=True, exist_ok=True)
        self._options += ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={kept}"]
        _run(["apt-get", *self._options, "update"], self._directory)


def _missing_libraries(server: Server, root: Path) -> list[str]:
    found = _unpacked(server, root)
    told = _run(["ldd", str(found.path)], root, found.environ, may_fail=True)  # fails for what is linked statically
    return re.findall(r"^\s*(\S+) => not found", told, re.MULTILINE)


def _installed(package: str) -> bool:
    told = _run(["dpkg-query", "-W", "-f", "${db:Status-Status}", package], Path("/"), may_fail=True)
    return told.startswith("installed")


def _run(command: list[str], folder: Path, environ: Mapping[str, str] | None = None, *, may_fail: bool = False) -> str:
    """What it said. Raises BuildError."""
    done = subprocess.run(  # noqa: S603 - programs of the distribution, no shell
        command,
        check=False,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C", **(environ or {})},
    )
    if done.returncode and not may_fail:
        raise BuildError(f"`{' '.join(command[:1] + command[-3:])}` failed: {done.stderr.strip()[-_TOLD:]}")
    return done.stdout
