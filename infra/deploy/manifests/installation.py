"""What an operator chooses about an installation in a cluster."""

import re
from dataclasses import dataclass
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from infra.deploy.vault_roles import AUDIENCE, MOUNT

Target = Literal["knative", "kubernetes"]
BrokerKind = Literal["Kafka", "RabbitMQ", "JetStream", "InMemory"]
TARGETS: tuple[Target, ...] = get_args(Target)
BROKER_KINDS: tuple[BrokerKind, ...] = get_args(BrokerKind)
Document = dict[str, Any]

# Whoever installs names the image that he built or mirrored; nobody can pull this one by accident.
EXAMPLE_IMAGE = f"registry.example.com/lockstep@sha256:{'0' * 64}"
DEFAULT_AUTHORITY = "https://openbao.openbao.svc:8200"  # as OpenBao's Helm chart names its Service
AUTHORITY_PODS = (("app.kubernetes.io/name", "openbao"),)  # as OpenBao's Helm chart labels them
_PORTS_IN_USE = (8080, 8081)  # of our pods
_DIGEST = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")
_SERVICE = re.compile(r"[a-z0-9][-a-z0-9]*\.([a-z0-9][-a-z0-9]*)\.svc(\..*)?")


class InstallationError(ValueError):
    """A choice cannot be rendered; the message says what to give instead."""


@dataclass(frozen=True, slots=True)
class Installation:
    """`settings` and `access` are the texts of lockstep.yaml and access.yaml; "" where there is none."""

    target: Target = "knative"
    image: str = EXAMPLE_IMAGE
    broker: BrokerKind = "Kafka"
    authority: str = DEFAULT_AUTHORITY
    authority_ca: str = ""  # PEM of a private one; "" where the system's authorities vouch for it
    auth_mount: str = MOUNT
    audience: str = AUDIENCE
    cluster: str = "local"  # the name that claims and events carry, as in `settings`
    replicas: int = 2  # of each step that a change waits for
    api_server: tuple[str, ...] = ("0.0.0.0/0", "::/0")  # addresses at which the API server is reached
    settings: str = ""
    access: str = ""
    audit_port: int = 0  # at which the authority's audit device of type socket writes to us; 0: it does not
    audit_pods: tuple[tuple[str, str], ...] = AUTHORITY_PODS  # labels of the authority's pods, who alone may

    def __post_init__(self) -> None:
        if not _DIGEST.fullmatch(self.image):
            raise InstallationError(f"the image {self.image!r} has no digest; give NAME@sha256:..., which cannot move")
        url = urlsplit(self.authority)
        if url.scheme != "https" or not url.hostname or url.path.strip("/"):
            raise InstallationError(f"the authority {self.authority!r} is not https://host[:port]; values need TLS")
        if self.replicas < 1:
            raise InstallationError("a step needs at least one replica")
        if self.audit_port:
            self._check_audit()

    @property
    def authority_port(self) -> int:
        return urlsplit(self.authority).port or 443

    @property
    def authority_namespace(self) -> str:
        """The namespace of the authority's Service; "" for one outside the cluster."""
        found = _SERVICE.fullmatch(urlsplit(self.authority).hostname or "")
        return found[1] if found else ""

    def _check_audit(self) -> None:
        """Raises InstallationError."""
        if not 1024 <= self.audit_port <= 65535 or self.audit_port in _PORTS_IN_USE:
            raise InstallationError(
                f"audit.socket has port {self.audit_port}; give one from 1024 to 65535, and not "
                f"{' or '.join(map(str, _PORTS_IN_USE))}, which our pods serve at"
            )
        if not self.authority_namespace:
            raise InstallationError(
                f"the authority {self.authority} is outside the cluster, and audit devices speak no TLS: nobody could "
                "be let in to audit.socket. Run `lockstep watch --audit-file` beside the authority instead"
            )
        if not self.audit_pods:
            raise InstallationError("audit.socket is for the authority's pods alone; name their labels (--audit-pods)")
