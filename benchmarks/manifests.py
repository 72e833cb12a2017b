"""The wiring of the benchmarks: sources in one namespace, each with consumers in others."""

from collections.abc import Sequence
from pathlib import Path

PRODUCERS = "bench-data"
KEYS = ("username", "password")

STORE = """\
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: vault-backend}
spec:
  provider:
    vault: {server: "https://vault:8200", path: secret, version: v2}
"""
_PUSH = """\
---
apiVersion: external-secrets.io/v1alpha1
kind: PushSecret
metadata: {{name: {name}, namespace: {producers}}}
spec:
  secretStoreRefs: [{{name: vault-backend, kind: ClusterSecretStore}}]
  selector: {{secret: {{name: {name}}}}}
  data:
"""
_ENTRY = "    - match: {{secretKey: {key}, remoteRef: {{remoteKey: {path}, property: {key}}}}}\n"
_PULL = """\
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  secretStoreRef: {{name: vault-backend, kind: ClusterSecretStore}}
  dataFrom:
    - extract: {{key: {path}}}
"""


def remote_path(name: str) -> str:
    """Where a source is published, below the mount."""
    return f"{PRODUCERS}/postgres/{name}"


def consumer(name: str, namespace: str, path: str) -> str:
    """An ExternalSecret that extracts a path into a Secret of its own name."""
    return _PULL.format(name=name, namespace=namespace, path=path)


def manifests(name: str, consumers: Sequence[str]) -> str:
    """One source, published, and one consumer of it in each of these namespaces."""
    path = remote_path(name)
    push = _PUSH.format(name=name, producers=PRODUCERS) + "".join(_ENTRY.format(key=key, path=path) for key in KEYS)
    return push + "".join(consumer(name, namespace, path) for namespace in consumers)


def write_wiring(root: Path, names: Sequence[str], consumers: Sequence[str], *, per_file: int = 100) -> None:
    """ROOT/wiring for these sources, so many to a file."""
    folder = root / "wiring"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "store.yaml").write_text(STORE, encoding="utf-8")
    for first in range(0, len(names), per_file):
        text = "".join(manifests(name, consumers) for name in names[first : first + per_file])
        (folder / f"secrets-{first:06d}.yaml").write_text(text, encoding="utf-8")
