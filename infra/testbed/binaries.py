"""Where the programs are: KUBEBUILDER_ASSETS, PATH, then our own cache."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.testbed.failures import NoBinariesError
from infra.testbed.recipes import ETCD, KUBERNETES, Recipe

# A controller manager must not be newer than its API server, so both come from one place. kubectl is for people.
_SERVERS = ("kube-apiserver", "kube-controller-manager")


@dataclass(frozen=True)
class Binaries:
    """Absolute paths; `kubectl` is None where the place that has the servers has none, nor PATH."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kubectl: Path | None


def cache(environ: Mapping[str, str] | None = None) -> Path:
    """The user's cache of built programs."""
    environ = os.environ if environ is None else environ
    base = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".cache")
    return Path(base) / "lockstep" / "testbed"


def find(environ: Mapping[str, str] | None = None) -> Binaries:
    """The programs of this machine. Raises NoBinariesError, which says where they were looked for."""
    environ = os.environ if environ is None else environ
    servers = _together(_SERVERS, _places(KUBERNETES, environ))
    etcd = _together(ETCD.programs, _places(ETCD, environ))
    missing = [*(() if servers else _SERVERS), *(() if etcd else ETCD.programs)]
    if servers is None or etcd is None:
        raise NoBinariesError(
            f"no test cluster: run `make testbed` ({', '.join(missing)} not found in KUBEBUILDER_ASSETS, "
            f"on PATH or in {cache(environ)})"
        )
    kubectl = shutil.which("kubectl", path=os.pathsep.join((str(servers[0].parent), environ.get("PATH", ""))))
    return Binaries(etcd[0], servers[0], servers[1], Path(kubectl) if kubectl else None)


def wanting(environ: Mapping[str, str] | None = None) -> tuple[Recipe, ...]:
    """What has to be built before `find` succeeds."""
    environ = os.environ if environ is None else environ
    needed = ((ETCD, ETCD.programs), (KUBERNETES, _SERVERS))
    return tuple(recipe for recipe, programs in needed if _together(programs, _places(recipe, environ)) is None)


def _places(recipe: Recipe, environ: Mapping[str, str]) -> list[str]:
    """Search paths, best first; one that has all programs wins."""
    paths = [environ.get("KUBEBUILDER_ASSETS", ""), environ.get("PATH", ""), str(cache(environ) / recipe.folder_name)]
    return [path for path in paths if path]


def _together(programs: Sequence[str], places: Sequence[str]) -> tuple[Path, ...] | None:
    for place in places:
        found = [shutil.which(program, path=place) for program in programs]
        if all(found):
            return tuple(Path(path).absolute() for path in found if path)
    return None
