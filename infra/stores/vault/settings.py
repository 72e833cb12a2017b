"""Where the authority is and how to speak to it; the host reads the environment and hands it in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from functions._values import SecretValue

DEFAULT_ADDRESS = "https://127.0.0.1:8200"  # what `vault` and `bao` assume too
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}


class InvalidSettings(ValueError):
    """A setting cannot be used; the message names it and says what it takes."""


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """One Vault or OpenBao. Times are seconds, `max_response` bytes; `namespace` is "" for the root namespace."""

    address: str
    namespace: str = ""
    token: SecretValue | None = field(default=None, repr=False)
    ca_cert: str = ""  # a PEM file; "" for the system's authorities
    ca_path: str = ""  # a directory of PEM files
    client_cert: str = ""
    client_key: str = ""
    tls_server_name: str = ""
    skip_verify: bool = False
    connect_timeout: float = 2.0
    read_timeout: float = 10.0
    max_response: int = 32 * 1024 * 1024

    def __post_init__(self) -> None:
        parts = urlsplit(self.address)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InvalidSettings(
                f"the address {self.address!r} is not http(s)://host[:port]; set BAO_ADDR or VAULT_ADDR"
            )
        if parts.username or parts.query or parts.fragment or parts.path.strip("/"):
            raise InvalidSettings(f"the address must be only http(s)://host[:port], not {parts.path or 'credentials'}")
        if bool(self.client_cert) != bool(self.client_key):
            raise InvalidSettings("a client certificate needs its key: set both *_CLIENT_CERT and *_CLIENT_KEY")


def settings_from(environ: Mapping[str, str]) -> VaultSettings:
    """The settings that the usual variables name; BAO_* win over VAULT_*. Raises InvalidSettings.

    `~/.vault-token` and the choice of an authentication method are the host's.
    """

    def variable(name: str) -> str:
        return environ.get(f"BAO_{name}") or environ.get(f"VAULT_{name}") or ""

    token = variable("TOKEN").strip()
    return VaultSettings(
        address=(variable("ADDR") or DEFAULT_ADDRESS).rstrip("/"),
        namespace=variable("NAMESPACE").strip("/"),
        token=SecretValue.of(token) if token else None,
        ca_cert=variable("CACERT"),
        ca_path=variable("CAPATH"),
        client_cert=variable("CLIENT_CERT"),
        client_key=variable("CLIENT_KEY"),
        tls_server_name=variable("TLS_SERVER_NAME"),
        skip_verify=_truth("SKIP_VERIFY", variable("SKIP_VERIFY")),
        read_timeout=_seconds("CLIENT_TIMEOUT", variable("CLIENT_TIMEOUT") or "10s"),
    )


def _truth(name: str, text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in {"", "0", "f", "false"}:
        return False
    if lowered in {"1", "t", "true"}:
        return True
    raise InvalidSettings(f"*_{name} is {text!r}; expected true or false")


def _seconds(name: str, text: str) -> float:
    match = _DURATION.fullmatch(text.strip())
    if not match or float(match[1]) == 0:
        raise InvalidSettings(f"*_{name} is {text!r}; expected seconds, or a duration such as 30s")
    return float(match[1]) * _SECONDS[match[2]]
