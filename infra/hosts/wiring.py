"""The one place that reads the environment and builds clients: a step's declaration in, its ports out."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from functions._manifests.conventions import ConventionPolicy
from functions._ports import Access, Ledger, Ports, Publications, Settings, Suspensions, Wiring
from functions._step import Step
from functions._values import SecretValue
from infra.hosts.configuration import Configuration
from infra.hosts.withheld import granted
from infra.stores.directory.ownership import Owner
from infra.stores.directory.secrets import DirectorySecrets
from infra.stores.vault.auth import AppRoleAuth, Authenticator, KubernetesAuth, TokenAuth
from infra.stores.vault.authority import VaultAuthority
from infra.stores.vault.claims import VaultClaims
from infra.stores.vault.client import VaultClient
from infra.stores.vault.http import HttpClient, OnCall
from infra.stores.vault.kv import KvEngine
from infra.stores.vault.settings import InvalidSettings, VaultSettings, settings_from
from infra.stores.vault.token_keeper import TokenKeeper
from infra.stores.vault.tombstones import VaultTombstones

SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Shared:
    """What all steps of one process share; none of it carries an identity at the authority."""

    secrets: DirectorySecrets
    publications: Publications
    wiring: Wiring
    access: Access
    suspensions: Suspensions
    settings: Settings
    configuration: Configuration
    notice: Callable[[str], None]


def external_authority(environ: Mapping[str, str] | None = None) -> VaultSettings | None:
    """An existing Vault or OpenBao, if the usual variables name one. Raises InvalidSettings."""
    environ = os.environ if environ is None else environ
    if not (environ.get("VAULT_ADDR") or environ.get("BAO_ADDR")):
        return None
    return settings_from(environ)


def external_authenticator(
    http: HttpClient, settings: VaultSettings, environ: Mapping[str, str] | None = None
) -> Authenticator:
    """How to log in at an existing authority: AppRole, Kubernetes or a token, in that order of preference.

    VAULT_ROLE_ID with VAULT_SECRET_ID or VAULT_SECRET_ID_FILE; VAULT_K8S_ROLE [VAULT_K8S_MOUNT]; VAULT_TOKEN; or
    the file ~/.vault-token that `vault login` leaves. Each also as BAO_*. Raises InvalidSettings.
    """
    environ = os.environ if environ is None else environ

    def variable(name: str) -> str:
        return (environ.get(f"BAO_{name}") or environ.get(f"VAULT_{name}") or "").strip()

    if role_id := variable("ROLE_ID"):
        secret_id = variable("SECRET_ID") or _read(variable("SECRET_ID_FILE"))
        if not secret_id:
            raise InvalidSettings("VAULT_ROLE_ID is set without VAULT_SECRET_ID or VAULT_SECRET_ID_FILE")
        return AppRoleAuth(http, role_id, SecretValue.of(secret_id), variable("APPROLE_MOUNT") or "approle")
    if role := variable("K8S_ROLE"):
        return KubernetesAuth(http, role, _service_account, variable("K8S_MOUNT") or "kubernetes")
    if settings.token is not None:
        token = settings.token
        return TokenAuth(http, lambda: token)
    home_token = Path(environ.get("HOME", "/nonexistent")) / ".vault-token"
    if text := _read(str(home_token)):
        return TokenAuth(http, lambda: SecretValue.of(text))
    raise InvalidSettings(
        "no credentials for the authority: set VAULT_ROLE_ID and VAULT_SECRET_ID_FILE, VAULT_K8S_ROLE, "
        "or VAULT_TOKEN (or log in with `vault login`)"
    )


def _service_account() -> SecretValue:
    return SecretValue.of(SERVICE_ACCOUNT_TOKEN.read_text(encoding="ascii").strip())


def _read(path: str) -> str:
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def vault_client(http: HttpClient, authenticator: Authenticator, identity: str) -> VaultClient:
    """A client with its own token, which it renews."""
    return VaultClient(http, TokenKeeper(http, authenticator), identity)


def directory_secrets(root: Path, configuration: Configuration) -> DirectorySecrets:
    """The projection below ROOT/namespaces, with the owners that lockstep.yaml names."""
    owners = {namespace: Owner(uid=owner.uid, gid=owner.gid) for namespace, owner in configuration.ownership.items()}
    return DirectorySecrets(root, owners=owners)


def convention_policy(configuration: Configuration) -> ConventionPolicy:
    """Where the path conventions are enforced."""
    conventions = configuration.conventions
    return ConventionPolicy(default=conventions.mode, namespaces=tuple(conventions.namespaces.items()))


def own_mounts(configuration: Configuration) -> tuple[str, ...]:
    """The mounts that Lockstep keeps its documents and its key in."""
    return (configuration.authority.claims_mount, configuration.authority.transit_mount)


def step_settings(configuration: Configuration) -> Settings:
    """What steps are told of the configuration."""
    return Settings(
        cluster=configuration.cluster,
        retraction_grace=configuration.retraction.grace_seconds,
        retraction_limit=configuration.retraction.limit,
    )


def step_ports(step: Step, client: VaultClient, shared: Shared, ledger: Ledger | None) -> Ports:
    """The ports of one step, over its own client; what it does not declare is withheld."""
    engine = KvEngine(client)
    mount = shared.configuration.authority.claims_mount
    return Ports(
        sources=granted(step, "sources", shared.secrets),
        targets=granted(step, "targets", shared.secrets),
        authority=granted(step, "authority", VaultAuthority(engine)),
        claims=granted(step, "claims", VaultClaims(engine, shared.notice, mount)),
        tombstones=granted(step, "tombstones", VaultTombstones(engine, mount, shared.configuration.cluster)),
        publications=granted(step, "publications", shared.publications),
        ledger=granted(step, "ledger", ledger),
        wiring=shared.wiring,
        access=shared.access,
        suspensions=shared.suspensions,
        clock=SystemClock(),
        settings=shared.settings,
    )


def counting(counts: dict[str, int]) -> OnCall:
    """A hook that counts calls by kind, for benchmarks and metrics."""

    def count(method: str, kind: str) -> None:
        counts[kind] = counts.get(kind, 0) + 1

    return count
