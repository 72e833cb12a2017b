"""What a made Secret must not be or carry (DESIGN, "Who may say and do what")."""

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
