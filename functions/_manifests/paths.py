"""From a manifest's store and remote key to the canonical path at the authority."""

from collections.abc import Callable
from functools import lru_cache

from pydantic import ValidationError

from events.references import PathRef
from functions._failures import Reject

# The canonical mount of a ClusterSecretStore by its name; None where there is no such store.
MountOf = Callable[[str], str | None]

CLUSTER_STORE = "ClusterSecretStore"


def mount(store: str, kind: str, mount_of: MountOf) -> str:
    """The mount that a store reference leads to. Raises Reject with what to mend."""
    if kind != CLUSTER_STORE:
        raise Reject(f"refers to {kind} {store!r}; refer to a ClusterSecretStore (seed 001, 5a.6.3)")
    found = mount_of(store)
    if found is None:
        raise Reject(f"refers to ClusterSecretStore {store!r}, which is not wired as a Vault store; add its manifest")
    return found


@lru_cache(maxsize=16_384)  # each manifest's paths are asked for with every event that concerns it
def remote_path(mount_name: str, key: str) -> PathRef:
    """The path of a remote key, which is written without the mount. Raises Reject with what to mend."""
    try:
        return PathRef(mount=mount_name, path=key)
    except ValidationError as error:
        raise Reject(f"remote key {key[:80]!r} {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None
