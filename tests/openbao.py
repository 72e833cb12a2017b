"""Pytest plugin: real OpenBao servers, exactly as the embedded default runs them, on free ports."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from events.references import PathRef
from functions._step import Step
from functions._values import SecretValue
from infra.deploy.vault_policies import Policy
from infra.hosts.openbao.embedded import EmbeddedOpenBao
from infra.stores.vault.auth import AppRoleAuth, TokenAuth
from infra.stores.vault.client import VaultClient
from infra.stores.vault.http import HttpClient
from infra.stores.vault.kv import KvEngine
from infra.stores.vault.settings import VaultSettings
from infra.stores.vault.token_keeper import TokenKeeper

_ADMIN = "test-admin"
_EVERYTHING = 'path "*" {\n  capabilities = ["create", "read", "update", "patch", "delete", "list", "sudo"]\n}\n'
_numbers = itertools.count(1)


def bare_step(name: str) -> Step:
    """A step that does and needs nothing: for an identity whose policy a test writes itself."""
    return Step(name=name, does="", consumes=(), emits=(), needs=frozenset(), handle=lambda event, ports: iter(()))


@dataclass
class OpenBao:
    """A running server. `admin` may do everything; `calls` are the (method, kind) of its and all `client()` calls."""

    embedded: EmbeddedOpenBao
    calls: list[tuple[str, str]] = field(default_factory=list)
    _open: list[tuple[HttpClient, VaultClient]] = field(default_factory=list)

    @property
    def settings(self) -> VaultSettings:
        return self.embedded.settings

    def admit(self, name: str, policy: str) -> None:
        """Make the identity `lockstep-<name>` with a policy; it may be called again with another policy."""
        self.embedded.warden.apply((Policy(f"lockstep-{name}", policy),))
        self.embedded.warden.admit(self.embedded.identity(name))

    def http(self) -> HttpClient:
        return HttpClient(self.settings, lambda method, kind: self.calls.append((method, kind)))

    def client(self, name: str) -> VaultClient:
        """A client in the identity `lockstep-<name>`."""
        http, identity = self.http(), self.embedded.identity(name)
        keeper = TokenKeeper(http, AppRoleAuth(http, identity.role_id, identity.secret_id))
        return self._keep(http, VaultClient(http, keeper, identity.name))

    def with_token(self, token: SecretValue) -> VaultClient:
        http = self.http()
        return self._keep(http, VaultClient(http, TokenKeeper(http, TokenAuth(http, lambda: token)), "a test's token"))

    def admin(self) -> VaultClient:
        self.admit(_ADMIN, _EVERYTHING)
        return self.client(_ADMIN)

    def engine(self) -> KvEngine:
        """The KV engine as an administrator has it: what other people do at the authority."""
        return KvEngine(self.admin())

    def token(self, *policies: str, ttl: str = "1h", renewable: bool = True) -> SecretValue:
        """A token with a policy of each of these texts."""
        admin = self.admin()
        names = [f"test-{next(_numbers)}" for _ in policies]
        for name, policy in zip(names, policies, strict=True):
            admin.call("POST", f"sys/policies/acl/{name}", body={"policy": policy}, kind="test")
        body = {"policies": names, "ttl": ttl, "no_default_policy": True, "renewable": renewable}
        answer = admin.call("POST", "auth/token/create", body=body, kind="test")
        return SecretValue.of(answer.body["auth"]["client_token"])

    def forget(self, *directories: str) -> None:
        """Remove the documents of these directories: the server is shared, and another test's sweep would look after
        what is left."""
        engine = self.engine()
        for directory in directories:
            for name in engine.list("lockstep", directory):
                engine.delete_metadata("lockstep", f"{directory}/{name}")

    def path(self, leaf: str = "value") -> PathRef:
        """A path that no other test uses."""
        return PathRef(mount="secret", path=f"test-{next(_numbers)}/{leaf}")

    def close(self) -> None:
        for http, client in self._open:
            client.close()
            http.close()
        self._open.clear()

    def _keep(self, http: HttpClient, client: VaultClient) -> VaultClient:
        self._open.append((http, client))
        return client


@pytest.fixture(scope="session")
def openbao_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root that was set up once: initialization waits for an election, which copies of its result need not."""
    root = tmp_path_factory.mktemp("openbao-template")
    embedded = EmbeddedOpenBao(root, ())
    try:
        embedded.start()
    finally:
        embedded.stop(patience=0)
    (root / "state" / "openbao" / "ports.json").unlink()
    return root


@pytest.fixture(scope="session")
def openbao_server(openbao_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedOpenBao]:
    """One server per worker process. Tests share it: they use paths of their own and never stop or seal it."""
    root = tmp_path_factory.mktemp("openbao") / "root"
    shutil.copytree(openbao_template, root)
    embedded = EmbeddedOpenBao(root, ())
    try:
        embedded.start()
        yield embedded
    finally:
        embedded.stop(patience=0)


@pytest.fixture
def openbao(openbao_server: EmbeddedOpenBao) -> Iterator[OpenBao]:
    """The shared server, with this test's own clients and call log."""
    bao = OpenBao(openbao_server)
    yield bao
    bao.close()


@pytest.fixture
def openbao_root(openbao_template: Path, tmp_path: Path) -> Path:
    """A root of the test's own, set up already but not started."""
    shutil.copytree(openbao_template, tmp_path / "root")
    return tmp_path / "root"


@pytest.fixture
def start_openbao() -> Iterator[Callable[..., OpenBao]]:
    """Starts servers of the test's own, to be stopped, sealed and broken: `start_openbao(root, steps, seal)`."""
    started: list[OpenBao] = []

    def start(root: Path, steps: tuple[Step, ...] = (), seal: Path | None = None) -> OpenBao:
        started.append(OpenBao(EmbeddedOpenBao(root, steps, seal)))
        started[-1].embedded.start()
        return started[-1]

    yield start
    for bao in started:
        bao.embedded.stop(patience=0)
