"""External Secrets Operator's definitions, generated from its own Go types by the generator that it uses itself.

Its module and the generator's are pinned in go/external-secrets/go.mod; nothing of either is kept here.
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from infra.testbed import binaries, toolchain
from infra.testbed.building import alone, install
from infra.testbed.failures import BuildError
from infra.testbed.progress import Progress
from infra.testbed.recipes import EXTERNAL_SECRETS
from infra.testbed.toolchain import Go

GROUP = "external-secrets.io"
_TYPES = f"{EXTERNAL_SECRETS.module}/apis/externalsecrets"
_VERSIONS = ("v1", "v1alpha1", "v1beta1")  # a kind's versions make one definition together
_FOLDER = "crds"
_TOLD = 600  # characters of what the generator said


def folder(environ: Mapping[str, str] | None = None) -> Path:
    """Where the definitions are, once they are provided."""
    return binaries.cache(environ) / EXTERNAL_SECRETS.folder_name / _FOLDER


def provide(out: TextIO | None = None) -> Path:
    """The directory of the definitions, generated where they are missing. Raises BuildError."""
    if not folder().exists():
        cache = binaries.cache()
        cache.mkdir(parents=True, exist_ok=True)
        with alone(cache / "lock", out):
            if not folder().exists():  # nobody made them meanwhile
                go = toolchain.find(EXTERNAL_SECRETS.go, cache)
                install(EXTERNAL_SECRETS, cache, go, out, finish=lambda building: _generate(building, go, out))
    return folder()


def _generate(building: Path, go: Go, out: TextIO | None) -> None:
    """Raises BuildError."""
    (program,) = EXTERNAL_SECRETS.programs
    made = building / _FOLDER
    paths = [f"paths={_TYPES}/{version}" for version in _VERSIONS]
    # The generator finds the types as `go` does: in the module of the working directory, by the `go` on PATH.
    search = os.pathsep.join((str(go.path.parent), os.environ.get("PATH", "")))
    environ = {**os.environ, **go.environ, "PATH": search, "GOWORK": "off", "GOFLAGS": "-mod=readonly"}
    with Progress(f"generating definitions of {EXTERNAL_SECRETS.module} {EXTERNAL_SECRETS.version}", out):
        done = subprocess.run(  # noqa: S603 - the program that was just built, no shell
            [str(building / program), "crd", *paths, f"output:crd:dir={made}"],
            cwd=EXTERNAL_SECRETS.folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode or not any(made.glob("*.yaml")):
        told = (done.stderr or done.stdout).strip()[-_TOLD:] or "it said nothing"
        raise BuildError(
            f"{program} made no definitions of {EXTERNAL_SECRETS.module} {EXTERNAL_SECRETS.version}: {told}\n"
            "Run it again, or name a directory with the project's own files in LOCKSTEP_TESTBED_CRDS"
        )
