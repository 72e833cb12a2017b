"""Builds what is missing into the user's cache: one process at a time, each program whole or not at all."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TextIO

from infra.testbed import binaries, toolchain
from infra.testbed.failures import BuildError
from infra.testbed.progress import Progress
from infra.testbed.recipes import Recipe
from infra.testbed.toolchain import Go

_PER_COMPILER = 2 * 1024**3  # bytes; the largest packages take more than one
_FETCHES = 3  # attempts at fetching the modules; what has arrived stays
_TOLD = 12  # lines of a failed build's output


def provide(out: TextIO | None = None) -> binaries.Binaries:
    """The programs of this machine, built where they are missing. Raises BuildError."""
    if not binaries.wanting():
        return binaries.find()
    cache = binaries.cache()
    cache.mkdir(parents=True, exist_ok=True)
    with alone(cache / "lock", out):
        for recipe in binaries.wanting():  # what another process built meanwhile is not built again
            install(recipe, cache, toolchain.find(recipe.go, cache), out)
    return binaries.find()


def install(
    recipe: Recipe, cache: Path, go: Go, out: TextIO | None = None, finish: Callable[[Path], None] = lambda _: None
) -> Path:
    """Build one recipe's programs into the cache; the folder appears when all are there. Raises BuildError.

    `finish` adds to the folder what the programs make.
    """
    target = cache / recipe.folder_name
    with tempfile.TemporaryDirectory(prefix=".building-", dir=cache) as building:
        _build(recipe, Path(building), go, out)
        finish(Path(building))
        shutil.rmtree(target, ignore_errors=True)
        os.rename(building, target)
        Path(building).mkdir()  # for its context to remove
    return target


def parallel(cores: int, available: int) -> int:
    """How many compilers may run in this much memory (bytes)."""
    return max(1, min(cores, available // _PER_COMPILER))


def _build(recipe: Recipe, into: Path, go: Go, out: TextIO | None) -> None:
    what = f"building {' and '.join(recipe.programs)} {recipe.version}"
    packages = [package for _, package in recipe.packages]
    with Progress(what, out) as progress:
        total = len(_dependencies(packages, recipe, go, progress))
        compilers = parallel(os.cpu_count() or 1, _available())
        command = ["build", "-mod=readonly", "-v", "-trimpath", f"-p={compilers}", f"-ldflags={recipe.ldflags}", "-o"]
        # Several are named for their packages; a single one is given its name: etcd's package has another.
        target = into / recipe.programs[0] if len(packages) == 1 else f"{into}{os.sep}"
        _run([*command, str(target), *packages], recipe, go, progress, total)


def _dependencies(packages: list[str], recipe: Recipe, go: Go, progress: Progress) -> list[str]:
    """Every package that will be compiled, after fetching its module: hundreds of calls, of which one may fail."""
    for attempt in range(_FETCHES):
        try:
            listed = _run(["list", "-mod=readonly", "-deps", *packages], recipe, go, progress)
        except BuildError:
            if attempt == _FETCHES - 1:
                raise
            progress.detail = "fetching failed; trying again"
        else:
            return [line for line in listed if not line.startswith("go: ")]
    return []


def _run(arguments: list[str], recipe: Recipe, go: Go, progress: Progress, total: int = 0) -> list[str]:
    """Run go to its end; the lines that it wrote. Raises BuildError with the last of them."""
    environ = {**os.environ, **go.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
    written: list[str] = []
    with subprocess.Popen(  # noqa: S603 - go, no shell
        [str(go.path), *arguments],
        cwd=recipe.folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            written.append(line.rstrip())
            progress.detail = _detail(line.strip(), len(written), total)
    if process.returncode:
        raise BuildError(_failure(recipe, arguments[0], written[-_TOLD:]))
    return written


def _detail(line: str, done: int, total: int) -> str:
    if line.startswith("go: downloading"):
        return line.removeprefix("go: ")
    return f"{done} of {total} packages, now {line}" if total else f"looking at {line}"


def _failure(recipe: Recipe, verb: str, told: list[str]) -> str:
    lines = "\n  ".join(told)
    return (
        f"`go {verb}` of {' and '.join(recipe.programs)} {recipe.version} in {recipe.folder} failed:\n  {lines}\n"
        "Go fetches the modules by its settings (`go env GOPROXY`), and needs 6 GB of disk and 4 GB of memory. "
        "Run it again, or put the programs on PATH or into the directory that KUBEBUILDER_ASSETS names"
    )


def _available() -> int:
    """Bytes of memory that are free to be used; a guess where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 2 * _PER_COMPILER


@contextlib.contextmanager
def alone(lock: Path, out: TextIO | None) -> Iterator[None]:
    """Wait until no other process builds."""
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            with Progress("waiting for another process that builds", out):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def paths(found: binaries.Binaries) -> Mapping[str, str]:
    """Each program and where it is."""
    return {
        "etcd": str(found.etcd),
        "kube-apiserver": str(found.kube_apiserver),
        "kube-controller-manager": str(found.kube_controller_manager),
        "kubectl": str(found.kubectl or "(none)"),
    }
