"""Which cluster, as whom: from a kubeconfig, or from inside the cluster.

The host reads the environment and hands it in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from infra.kubernetes.credentials import ANONYMOUS, Credentials, TokenFile

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")  # where every Pod finds its own
IN_CLUSTER = "in-cluster"


class InvalidSettings(ValueError):
    """A setting cannot be used; the message names where it stands and says what it takes."""


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """One API server and one identity. Times are seconds, `max_response` bytes."""

    server: str  # http(s)://host[:port][/prefix]
    credentials: Credentials = ANONYMOUS
    context: str = ""  # the kubeconfig's context, or "in-cluster"
    namespace: str = "default"  # of the context or the ServiceAccount
    ca: bytes = field(default=b"", repr=False)  # PEM; with `ca_file` empty too, the system's authorities
    ca_file: str = ""
    tls_server_name: str = ""
    skip_verify: bool = False
    impersonate: Mapping[str, str] = field(default_factory=dict)  # Impersonate-… headers
    connect_timeout: float = 2.0
    read_timeout: float = 10.0
    max_response: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        parts = urlsplit(self.server)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InvalidSettings("the cluster's server is not http(s)://host[:port]; correct it in the kubeconfig")
        if parts.username or parts.query or parts.fragment:
            raise InvalidSettings("the cluster's server must be http(s)://host[:port][/prefix] and nothing else")


def settings_from(environ: Mapping[str, str], *, context: str = "", kubeconfig: str = "") -> ClusterSettings:
    """The cluster that kubectl would talk to, or the one that we run in. Raises InvalidSettings.

    The cluster around us where `context` is "in-cluster"; a `kubeconfig` or another `context` that somebody asked
    for; then KUBECONFIG, then the cluster around us, then ~/.kube/config.
    """
    if context == IN_CLUSTER:
        return in_cluster(environ)
    asked = bool(context or kubeconfig or environ.get("KUBECONFIG"))
    if not asked and environ.get("KUBERNETES_SERVICE_HOST"):
        return in_cluster(environ)
    from infra.kubernetes.kubeconfig import from_kubeconfig  # here: YAML is of no use inside a cluster

    return from_kubeconfig(environ, context=context, kubeconfig=kubeconfig)


def in_cluster(
    environ: Mapping[str, str], directory: Path = SERVICE_ACCOUNT, *, token_file: Path | None = None
) -> ClusterSettings:
    """The cluster around us, as the Pod's ServiceAccount, or as the one whose projected token is in `token_file`.

    Raises InvalidSettings.
    """
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise InvalidSettings("this is no Pod: KUBERNETES_SERVICE_HOST is not set; name a kubeconfig instead")
    try:
        ca = (directory / "ca.crt").read_bytes()
        namespace = (directory / "namespace").read_text().strip()
    except OSError as error:
        raise InvalidSettings(
            f"{directory} holds no ServiceAccount ({type(error).__name__}); set automountServiceAccountToken: true, "
            "or mount a projected volume with token, ca.crt and namespace there"
        ) from None
    return ClusterSettings(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        credentials=TokenFile(token_file or directory / "token"),
        context=IN_CLUSTER,
        namespace=namespace or "default",
        ca=ca,
    )
