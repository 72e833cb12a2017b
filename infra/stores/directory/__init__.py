"""Secrets as directories, laid out as a kubelet mounts them (DESIGN; state ROOT layout: `lockstep up`).

The projection for machines without Kubernetes, and the embedded stand-in for a cluster.
"""

from infra.stores.directory.ownership import Owner
from infra.stores.directory.secrets import DirectorySecrets

__all__ = ["DirectorySecrets", "Owner"]
