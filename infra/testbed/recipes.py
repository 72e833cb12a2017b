"""What is built, from which module, and in which version: the go.mod files are the only place that says."""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from infra.testbed.failures import BuildError

_MODULES = Path(__file__).parent / "go"
_BASE = "k8s.io/component-base/version"
_STRIPPED = "-s -w"


@dataclass(frozen=True)
class Recipe:
    """Programs of one Go module: `folder` has the go.mod that pins it, `packages` is (program, its package)."""

    name: str
    module: str
    packages: tuple[tuple[str, str], ...]
    folder: Path
    tells_version: bool = False  # by variables of k8s.io/component-base, which only the linker sets

    @property
    def programs(self) -> tuple[str, ...]:
        return tuple(program for program, _ in self.packages)

    @cached_property
    def version(self) -> str:
        """The pinned version, such as v1.36.3. Raises BuildError where the go.mod does not name it."""
        found = re.search(rf"^(?:require)?\s*{re.escape(self.module)} (v\S+)", self._text("go.mod"), re.MULTILINE)
        if found is None:
            raise BuildError(f"{self.folder / 'go.mod'} does not require {self.module}; add it with its version")
        return found[1]

    @cached_property
    def go(self) -> tuple[int, int]:
        """The oldest Go that builds it, as (major, minor)."""
        found = re.search(r"^go (\d+)\.(\d+)", self._text("go.mod"), re.MULTILINE)
        return (int(found[1]), int(found[2])) if found else (1, 21)

    @property
    def ldflags(self) -> str:
        """Clients refuse an API server that does not tell its version, and the linker is what tells it."""
        if not self.tells_version:
            return _STRIPPED
        major, minor, _ = self.version.removeprefix("v").split(".", 2)
        told = {"gitVersion": self.version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
        return " ".join([_STRIPPED, *(f"-X {_BASE}.{name}={value}" for name, value in told.items())])

    @cached_property
    def folder_name(self) -> str:
        """The folder in the cache: another version, set of programs or way of linking is another folder."""
        told = "\n".join((self._text("go.mod"), self._text("go.sum"), repr(self.packages), self.ldflags))
        return f"{self.name}-{self.version}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"

    def _text(self, name: str) -> str:
        return (self.folder / name).read_text()


KUBERNETES = Recipe(
    "kubernetes",
    "k8s.io/kubernetes",
    tuple((name, f"k8s.io/kubernetes/cmd/{name}") for name in ("kube-apiserver", "kube-controller-manager", "kubectl")),
    _MODULES / "kubernetes",
    tells_version=True,
)
ETCD = Recipe("etcd", "go.etcd.io/etcd/server/v3", (("etcd", "go.etcd.io/etcd/server/v3"),), _MODULES / "etcd")
# Not a program of the project, but its types and the generator with which it makes its definitions of them.
EXTERNAL_SECRETS = Recipe(
    "external-secrets",
    "github.com/external-secrets/external-secrets",
    (("controller-gen", "sigs.k8s.io/controller-tools/cmd/controller-gen"),),
    _MODULES / "external-secrets",
)
RECIPES = (ETCD, KUBERNETES, EXTERNAL_SECRETS)
