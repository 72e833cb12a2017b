"""Where people find and mend what Lockstep reads: files below ROOT, or objects of a cluster."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from events.references import ManifestRef, PathRef, SecretRef
from infra.hosts.located import located
from infra.hosts.platform import Platform
from infra.kubernetes.api import Api

ACCESS = "ConfigMap lockstep/access.yaml"


@runtime_checkable
class InCluster(Protocol):
    """A platform behind an API server."""

    @property
    def api(self) -> Api: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Names and deeds, as they hold on a machine (`api` is None) or in a cluster."""

    root: Path
    api: Api | None = None

    @classmethod
    def of(cls, platform: Platform, root: Path) -> "Place":
        return cls(root, platform.api if isinstance(platform, InCluster) else None)

    @property
    def access(self) -> str:
        """What holds the access policy."""
        return ACCESS if self.api is not None else "access.yaml"

    @property
    def write_access(self) -> str:
        """How to have a policy where there is none."""
        if self.api is not None:
            return f"apply {ACCESS} with the policy in its key access.yaml; it is followed, nothing is restarted"
        return f"write {self.root / 'access.yaml'}, then restart Lockstep"

    @property
    def correct_access(self) -> str:
        return f"correct {self.access}; it is {'followed' if self.api is not None else 'read again by itself'}"

    @property
    def correct_wiring(self) -> str:
        """What tells more of manifests that may not act."""
        if self.api is not None:
            return "correct the manifests and apply them again; `lockstep lint FOLDER` says more of the files"
        return f"run: lockstep lint {self.root / 'wiring'}"

    def allow(self, namespace: str, verb: str, path: PathRef) -> str:
        """What lets a namespace `publish` or `read` a path."""
        where = ACCESS if self.api is not None else str(self.root / "access.yaml")
        return f"name it in {where}: spec.namespaces.{namespace}.{verb}: [{path}]"

    def correct(self, manifest: ManifestRef, file: str, line: int) -> str:
        """What mends a manifest. Without a line it is an object, and `file` says which."""
        if self.api is None:
            return f"correct {located(file, line)}; it is read again when it is saved"
        return f"correct it where it is kept, or: kubectl -n {manifest.namespace} edit {manifest.kind.lower()} " + (
            f"{manifest.name}" if file == "the cluster" else f"{manifest.name} (made by {file})"
        )

    def make(self, source: SecretRef) -> str:
        """What makes a source that is missing."""
        if self.api is None:
            return f"create {self.root}/namespaces/{source}/<key>"
        return f"kubectl -n {source.namespace} create secret generic {source.name} --from-file=<key>=<file>"
