"""The one place that reads the environment and builds clients: a step's declaration in, its ports out."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from functions._failures import Unavailable
from functions._manifests.conventions import ConventionPolicy
from functions._ports import (
    Access,
    Ledger,
    Ports,
    Publications,
    Settings,
    SourceSecrets,
    Suspensions,
    TargetSecrets,
    Wiring,
)
from functions._step import Step
from functions._values import SecretValue
from functions._workloads import Workloads
from infra.hosts.configuration import Configuration
from infra.hosts.withheld import granted
from infra.kubernetes.settings import ClusterSettings
from infra.kubernetes.settings import settings_from as kubernetes_settings
from infra.stores.directory.ownership import Owner
from infra.stores.directory.secrets import DirectorySecrets
from infra.stores.directory.workloads import NoWorkloads
from infra.stores.vault.auth import AppRoleAuth, Authenticator, KubernetesAuth, TokenAuth
from infra.stores.vault.authority import VaultAuthority
from infra.stores.vault.budgets import VaultBudgets
from infra.stores.vault.claims import VaultClaims
from infra.stores.vault.client import VaultClient
from infra.stores.vault.http import HttpClient, OnCall
from infra.stores.vault.kv import KvEngine
from infra.stores.vault.reminders import VaultReminders
from infra.stores.vault.rollouts import VaultRollouts
from infra.stores.vault.settings import InvalidSettings, VaultSettings, settings_from
from infra.stores.vault.token_keeper import TokenKeeper
from infra.stores.vault.tombstones import VaultTombstones

_TIDY_AFTER = 0.05  # seconds until a replaced content is removed: its consumers come first
SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Shared:
    """What all steps of one process share; none of it carries an identity at the authority."""

    sources: SourceSecrets
    targets: TargetSecrets
    publications: Publications
    wiring: Wiring
    access: Access
    suspensions: Suspensions
    settings: Settings
    configuration: Configuration
    notice: Callable[[str], None]
    workloads: Workloads = field(default_factory=NoWorkloads)


def external_authority(environ: Mapping[str, str] | None = None) -> VaultSettings | None:
    """An existing Vault or OpenBao, if the usual variables name one. Raises InvalidSettings."""
    environ = os.environ if environ is None else environ
    if not (environ.get("VAULT_ADDR") or environ.get("BAO_ADDR")):
        return None
    return settings_from(environ)


def cluster_settings(
    context: str = "", kubeconfig: str = "", environ: Mapping[str, str] | None = None
) -> ClusterSettings:
    """The cluster that kubectl would talk to: the current context, or the one named. Raises its InvalidSettings."""
    return kubernetes_settings(os.environ if environ is None else environ, context=context, kubeconfig=kubeconfig)


def external_authenticator(
    http: HttpClient, settings: VaultSettings, environ: Mapping[str, str] | None = None
) -> Authenticator:
    """How to log in at an existing authority: AppRole, Kubernetes or a token, in that order of preference.

    VAULT_ROLE_ID with VAULT_SECRET_ID or VAULT_SECRET_ID_FILE; VAULT_K8S_ROLE [VAULT_K8S_MOUNT]
    [VAULT_K8S_TOKEN_FILE, a projected token with the authority's audience]; VAULT_TOKEN; or the file ~/.vault-token
    that `vault login` leaves. Each also as BAO_*. Raises InvalidSettings.
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
        file = Path(variable("K8S_TOKEN_FILE") or SERVICE_ACCOUNT_TOKEN)
        return KubernetesAuth(http, role, lambda: _service_account(file), variable("K8S_MOUNT") or "kubernetes")
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


def _service_account(file: Path) -> SecretValue:
    """The token as it is now: the kubelet replaces it. Raises Unavailable where the pod has none."""
    try:
        return SecretValue.of(file.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise Unavailable(
            "authority", f"{file} cannot be read ({type(error).__name__}); mount a ServiceAccount token there"
        ) from None


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
    return DirectorySecrets(root, owners=owners, tidy_after=_TIDY_AFTER)


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
        restart_limit=configuration.restart.limit,
        restart_deadline=configuration.restart.deadline_seconds,
        restart_window=configuration.restart.window,
        restart_for_reloader=configuration.restart.reloader_annotations,
    )


def step_ports(step: Step, client: VaultClient, shared: Shared, ledger: Ledger | None) -> Ports:
    """The ports of one step, over its own client; what it does not declare is withheld."""
    engine = KvEngine(client)
    mount = shared.configuration.authority.claims_mount
    return Ports(
        sources=granted(step, "sources", shared.sources),
        targets=granted(step, "targets", shared.targets),
        authority=granted(step, "authority", VaultAuthority(engine)),
        claims=granted(step, "claims", VaultClaims(engine, shared.notice, mount)),
        tombstones=granted(step, "tombstones", VaultTombstones(engine, mount, shared.configuration.cluster)),
        publications=granted(step, "publications", shared.publications),
        ledger=granted(step, "ledger", ledger),
        workloads=granted(step, "workloads", shared.workloads),
        rollouts=granted(step, "rollouts", VaultRollouts(engine, mount, shared.configuration.cluster)),
        budgets=granted(step, "budgets", VaultBudgets(engine, mount, shared.configuration.cluster)),
        reminders=granted(step, "reminders", VaultReminders(engine, mount, shared.configuration.cluster)),
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
