"""What a made Secret must not be or carry, and what no store may name (DESIGN, "Who may say and do what")."""

from functools import lru_cache

REFUSED_TYPES = frozenset(("kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"))

# Ours, External Secrets Operator's, Kubernetes' own bookkeeping, Helm's ownership, and tools that copy Secrets on.
_RESERVED_DOMAINS = (
    "lockstep.dev",
    "external-secrets.io",
    "kubernetes.io",
    "k8s.io",
    "meta.helm.sh",
    "reflector.v1.k8s.emberstack.com",
    "replicator.v1.mittwald.de",
    "kubed.appscode.com",
)
# The recommended labels are for everybody; only managed-by says who owns an object.
_OPEN_DOMAIN = "app.kubernetes.io"


def reserved_metadata(key: str) -> bool:
    """Whether a label or annotation may not be set by a template."""
    domain, slash, name = key.rpartition("/")
    if not slash:
        return False
    if domain == _OPEN_DOMAIN:
        return name == "managed-by"
    return any(domain == each or domain.endswith("." + each) for each in _RESERVED_DOMAINS)


# The authority's own, in every namespace; and where Lockstep keeps its claims, tombstones, anchors and key.
_SYSTEM_MOUNTS = frozenset(("sys", "auth", "identity", "cubbyhole"))
OWN_MOUNTS = frozenset(("lockstep", "lockstep-transit"))
# What follows a KV mount in a request: `secret/data/a` as a mount would be another name for paths of `secret`.
_KV_AREAS = frozenset(("data", "metadata", "delete", "undelete", "destroy", "subkeys", "config"))


@lru_cache(maxsize=256)  # asked for every manifest, of a handful of mounts
def reserved_mount(mount: str, own: frozenset[str] | tuple[str, ...] = OWN_MOUNTS) -> str | None:
    """Why no manifest may name this canonical mount, None where it may; `own` are the mounts that Lockstep keeps."""
    segments = mount.split("/")
    if _SYSTEM_MOUNTS.intersection(segments):
        return f"names {mount!r}, which is the authority's own; name a KV version 2 mount"
    if any(mount == each or mount.startswith(f"{each}/") or mount.endswith(f"/{each}") for each in own):
        return f"names {mount!r}, where Lockstep keeps its own documents; name the mount of the values"
    if area := next((segment for segment in segments[1:] if segment in _KV_AREAS), None):
        return f"names {mount!r}, which is no mount but paths of one (it holds {area!r}); name the mount alone"
    return None
