"""The authority of one machine: the embedded OpenBao, or an existing one; and whether it can be used now."""

from collections.abc import Callable, Iterable
from pathlib import Path

from events.references import PathRef
from functions import STEPS
from functions._failures import StepFailure
from functions._manifests.rotation_target import RotationTarget
from functions._step import Step
from infra.deploy.vault_policies import Mounts, policy_name, render
from infra.deploy.wired import wired_paths
from infra.hosts.configuration import Authority, Configuration, ConfigurationError
from infra.hosts.gate import AuthorityGate, impatient
from infra.hosts.openbao.embedded import EmbeddedOpenBao
from infra.hosts.wiring import external_authenticator, external_authority, vault_client
from infra.stores.vault.auth import AppRoleAuth
from infra.stores.vault.client import VaultClient
from infra.stores.vault.http import HttpClient, OnCall
from infra.stores.vault.settings import VaultSettings
from infra.wiring.index import Index


class LocalAuthority:
    """Starts or reaches the authority, and gives each step its own client."""

    def __init__(
        self, root: Path, configuration: Configuration, *, seal_key: Path | None, notice: Callable[[str], None],
        on_call: OnCall,
    ) -> None:  # fmt: skip
        self._configuration = configuration
        self._on_call = on_call
        self._notice = notice
        self._clients: list[VaultClient] = []
        self._https: list[HttpClient] = []
        self._external = external_authority()
        self._embedded: EmbeddedOpenBao | None = None
        if self._external is None:
            _refuse_other_mounts(configuration)
            self._embedded = EmbeddedOpenBao(root, STEPS, seal_key, notice)
        self._noticed: set[str] = set()
        self.gate: AuthorityGate

    def start(self) -> None:
        """Raises OpenBaoError where the embedded one cannot run; an existing one may be down for now."""
        if self._embedded is not None:
            self._embedded.start()
        asking = self._keep(HttpClient(impatient(self.settings), self._on_call))
        self.gate = AuthorityGate(asking, unseals_itself=self.embedded)

    def stop(self) -> None:
        for client in self._clients:
            client.close()
        for http in self._https:
            http.close()
        if self._embedded is not None:
            self._embedded.stop()

    @property
    def settings(self) -> VaultSettings:
        if self._embedded is not None:
            return self._embedded.settings
        if self._external is None:
            raise RuntimeError("neither an embedded nor an existing authority")
        return self._external

    @property
    def allowed_servers(self) -> tuple[str, ...] | None:
        """Servers that a store manifest may name; None where `server` is ignored."""
        if self._external is None:
            return None
        return (self._external.address, *self._configuration.authority.allowed_servers)

    @property
    def embedded(self) -> bool:
        return self._embedded is not None

    @property
    def audit_file(self) -> Path | None:
        """The embedded authority's audit file; None for an existing authority, whose file is its owner's."""
        return self._embedded.audit_file if self._embedded is not None else None

    @property
    def development_seal(self) -> bool:
        return self._embedded is not None and self._embedded.development_seal

    @property
    def seal_path(self) -> Path | None:
        """Where the embedded authority's seal key is; None for an existing authority."""
        return self._embedded.seal_path if self._embedded else None

    def client(self, step: Step) -> VaultClient:
        """A client in the step's own name; at an existing authority all steps share the given identity."""
        http = self._http()
        if self._embedded is not None:
            identity = self._embedded.identity(step.name)
            client = vault_client(http, AppRoleAuth(http, identity.role_id, identity.secret_id), identity.name)
        else:
            client = vault_client(http, external_authenticator(http, self.settings), policy_name(step.name))
        self._clients.append(client)
        return client

    def maintain(self) -> None:
        """Renew the tokens of idle clients in time. Raises what one of them failed with, when all were tried."""
        failed: StepFailure | None = None
        kept = [client.maintain for client in self._clients]
        if self._embedded is not None:
            kept.append(self._embedded.warden.maintain)
        for maintain in kept:
            try:
                maintain()
            except StepFailure as failure:  # one identity's trouble is not the others'
                failed = failure
        if failed is not None:
            raise failed

    def apply_policies(
        self, index: Index, retiring: Iterable[PathRef], declared: Iterable[RotationTarget] = ()
    ) -> None:
        """Bind every step's policy to what is wired and declared now; an existing authority's are its owner's."""
        if self._embedded is None:
            return
        wired = wired_paths(index, retiring, declared=declared)
        mounts = Mounts(
            documents=self._configuration.authority.claims_mount, transit=self._configuration.authority.transit_mount,
            cluster=self._configuration.cluster,
        )  # fmt: skip
        policies = [render(step, wired, mounts) for step in STEPS]
        for text in {text for policy in policies for text in policy.notices} - self._noticed:
            self._noticed.add(text)
            self._notice(text)
        self._embedded.warden.apply(policies)

    def _http(self) -> HttpClient:
        return self._keep(HttpClient(self.settings, self._on_call))

    def _keep(self, http: HttpClient) -> HttpClient:
        self._https.append(http)
        return http


def _refuse_other_mounts(configuration: Configuration) -> None:
    """The embedded authority is set up with the default mounts; a name that is not there would fail much later."""
    if (configuration.authority.claims_mount, configuration.authority.transit_mount) != (
        Authority().claims_mount,
        Authority().transit_mount,
    ):
        raise ConfigurationError(
            "authority.claimsMount and authority.transitMount are for an existing authority; "
            "the embedded one has its own, so leave them out"
        )
