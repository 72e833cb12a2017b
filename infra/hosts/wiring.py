"""The one place that reads the environment and builds clients: a step's declaration in, its ports out."""

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

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
    Tombstones,
    Wiring,
)
from functions._step import Step
from functions._values import SecretValue
from infra.hosts.beside import Threads
from infra.hosts.configuration import Configuration
from infra.hosts.withheld import granted, granted_late
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
from infra.stores.vault.turns import Turns

if TYPE_CHECKING:  # a process of one step starts without what it has no use for
    from functions._leaks import FingerprintIndex, Fingerprints, Leaks, Trust
    from functions._leases import Leases
    from functions._rotations import Pending, Proofs, Rotations
    from functions._systems import Systems
    from functions._workloads import Budgets, Reminders, Rollouts, Workloads
    from infra.hosts.rotating import Declared
    from infra.kubernetes.settings import ClusterSettings

_TIDY_AFTER = 0.25  # seconds until a replaced content is removed: its consumers come first
SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SystemRandomness:
    """The machine's source of chance for secrets."""

    def value(self, characters: str, length: int) -> SecretValue:
        return SecretValue.of("".join(secrets.choice(characters) for _ in range(length)))


def _no_workloads() -> "Workloads":
    from infra.stores.directory.workloads import NoWorkloads

    return NoWorkloads()


def nothing_declared(name: str) -> None:
    """Where nothing is rotated."""


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
    workloads: "Workloads" = field(default_factory=_no_workloads)
    declared: "Declared" = nothing_declared
    turns: Turns = field(default_factory=Turns)
    beside: Threads = field(default_factory=Threads)


def external_authority(environ: Mapping[str, str] | None = None) -> VaultSettings | None:
    """An existing Vault or OpenBao, if the usual variables name one. Raises InvalidSettings."""
    environ = os.environ if environ is None else environ
    if not (environ.get("VAULT_ADDR") or environ.get("BAO_ADDR")):
        return None
    return settings_from(environ)


def plain_beyond_loopback(environ: Mapping[str, str] | None = None) -> bool:
    """Whether somebody vouches for plain connections from beyond the loopback. Raises ListenError."""
    from infra.hosts.serving import plain_http  # here: a step that serves nothing does without what serves

    return plain_http(os.environ if environ is None else environ)


def cluster_settings(
    context: str = "", kubeconfig: str = "", environ: Mapping[str, str] | None = None
) -> "ClusterSettings":
    """The cluster that kubectl would talk to: the current context, or the one named. Raises its InvalidSettings."""
    from infra.kubernetes.settings import settings_from as of_cluster

    return of_cluster(os.environ if environ is None else environ, context=context, kubeconfig=kubeconfig)


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
        leak_limit=configuration.leaks.limit,
        leak_limit_per_reporter=configuration.leaks.limit_per_reporter,
        reporters=_reporters(configuration),
        rotation_limit=configuration.rotation.limit,
        rotation_slot=configuration.rotation.slot_seconds,
        rotation_patience=configuration.rotation.patience_seconds,
    )


def _reporters(configuration: Configuration) -> dict[str, "Trust"]:
    """What each sender's reports of leaks may lead to; named senders of events may have secrets rotated."""
    tokens: dict[str, Trust] = {f"token:{one.name}": "rotate" for one in configuration.principals}
    return tokens | {f"reporter:{one.name}": one.may for one in configuration.reporters}


@dataclass(frozen=True, slots=True)
class _Documents:
    """What few steps keep at the authority: a process of one step loads only the adapters that it is granted."""

    engine: KvEngine
    mount: str
    cluster: str
    turns: Turns

    def tombstones(self) -> Tombstones:
        from infra.stores.vault.tombstones import VaultTombstones

        return VaultTombstones(self.engine, self.mount, self.cluster)

    def rollouts(self) -> "Rollouts":
        from infra.stores.vault.rollouts import VaultRollouts

        return VaultRollouts(self.engine, self.mount, self.cluster)

    def budgets(self) -> "Budgets":
        from infra.stores.vault.budgets import VaultBudgets

        return VaultBudgets(self.engine, self.mount, self.cluster, self.turns)

    def reminders(self) -> "Reminders":
        from infra.stores.vault.reminders import VaultReminders

        return VaultReminders(self.engine, self.mount, self.cluster)

    def rotations(self) -> "Rotations":
        from infra.stores.vault.rotations import VaultRotations

        return VaultRotations(self.engine, self.mount, self.turns)

    def pending(self) -> "Pending":
        from infra.stores.vault.pending import VaultPending

        return VaultPending(self.engine, self.mount)

    def proofs(self) -> "Proofs":
        from infra.stores.vault.proofs import VaultProofs

        return VaultProofs(self.engine, self.mount)

    def leaks(self) -> "Leaks":
        from infra.stores.vault.leaks import VaultLeaks

        return VaultLeaks(self.engine, self.mount)

    def index(self) -> "FingerprintIndex":
        from infra.stores.vault.fingerprints import VaultFingerprintIndex

        return VaultFingerprintIndex(self.engine, self.mount, self.cluster)


def _fingerprints(client: VaultClient, shared: Shared) -> "Fingerprints":
    from infra.stores.vault.fingerprints import TransitFingerprints

    return TransitFingerprints(client, shared.configuration.authority.transit_mount)


def _leases(client: VaultClient) -> "Leases":
    from infra.stores.vault.leases import VaultLeases

    return VaultLeases(client)


def _systems(step: Step, client: VaultClient, shared: Shared) -> "Systems":
    from infra.hosts.rotating import systems_of

    return systems_of(step, client, shared.declared, shared.wiring.mount, shared.beside)


def step_ports(step: Step, client: VaultClient, shared: Shared, ledger: Ledger | None) -> Ports:
    """The ports of one step, over its own client; what it does not declare is withheld."""
    engine = KvEngine(client)
    mount = shared.configuration.authority.claims_mount
    documents = _Documents(engine, mount, shared.configuration.cluster, shared.turns)
    return Ports(
        sources=granted(step, "sources", shared.sources),
        targets=granted(step, "targets", shared.targets),
        authority=granted(step, "authority", VaultAuthority(engine)),
        claims=granted(step, "claims", VaultClaims(engine, shared.notice, mount)),
        tombstones=granted_late(step, "tombstones", documents.tombstones),
        publications=granted(step, "publications", shared.publications),
        ledger=granted(step, "ledger", ledger),
        workloads=granted(step, "workloads", shared.workloads),
        rollouts=granted_late(step, "rollouts", documents.rollouts),
        budgets=granted_late(step, "budgets", documents.budgets),
        reminders=granted_late(step, "reminders", documents.reminders),
        rotations=granted_late(step, "rotations", documents.rotations),
        pending=granted_late(step, "pending", documents.pending),
        proofs=granted_late(step, "proofs", documents.proofs),
        systems=granted_late(step, "systems", lambda: _systems(step, client, shared)),
        leases=granted_late(step, "leases", lambda: _leases(client)),
        leaks=granted_late(step, "leaks", documents.leaks),
        fingerprints=granted_late(step, "fingerprints", lambda: _fingerprints(client, shared)),
        index=granted_late(step, "index", documents.index),
        wiring=shared.wiring,
        access=shared.access,
        suspensions=shared.suspensions,
        beside=shared.beside,
        clock=SystemClock(),
        randomness=SystemRandomness(),
        settings=shared.settings,
    )


def counting(counts: dict[str, int]) -> OnCall:
    """A hook that counts calls by kind, for benchmarks and metrics."""

    def count(method: str, kind: str) -> None:
        counts[kind] = counts.get(kind, 0) + 1

    return count
