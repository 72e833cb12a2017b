"""The one place that reads the environment: which authority, which credentials, which ports."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from functions import STEPS
from functions._failures import Unavailable
from functions._step import Step
from infra.hosts.configuration import Configuration
from infra.hosts.wiring import (
    Shared,
    convention_policy,
    counting,
    directory_secrets,
    external_authenticator,
    external_authority,
    step_ports,
    step_settings,
)
from infra.hosts.withheld import NEEDED_BY, Withheld
from infra.stores.vault.auth import AppRoleAuth, Authenticator, KubernetesAuth, TokenAuth
from infra.stores.vault.client import VaultClient
from infra.stores.vault.http import HttpClient
from infra.stores.vault.settings import InvalidSettings, VaultSettings
from infra.stores.vault.token_keeper import TokenKeeper
from tests.fakes.local import FakeAccess, FakeLedger, FakePublications, FakeSuspensions
from tests.fakes.wiring import FakeWiring

ADDRESS = "http://127.0.0.1:9"


def authenticator(environ: dict[str, str]) -> Authenticator:
    settings = external_authority({"VAULT_ADDR": ADDRESS, **environ})
    assert settings is not None
    return external_authenticator(HttpClient(settings), settings, environ)


def test_no_address_means_the_embedded_authority() -> None:
    assert external_authority({}) is None
    assert external_authority({"VAULT_TOKEN": "x", "VAULT_ADDR": ""}) is None


@pytest.mark.parametrize("name", ["VAULT_ADDR", "BAO_ADDR"])
def test_an_address_means_that_one(name: str) -> None:
    found = external_authority({name: ADDRESS})
    assert found is not None
    assert found.address == ADDRESS


def test_a_bad_address_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="BAO_ADDR or VAULT_ADDR"):
        external_authority({"VAULT_ADDR": "vault:8200"})


@pytest.mark.parametrize(
    ("environ", "kind"),
    [
        ({"VAULT_ROLE_ID": "r", "VAULT_SECRET_ID": "s", "VAULT_K8S_ROLE": "k", "VAULT_TOKEN": "t"}, AppRoleAuth),
        ({"BAO_ROLE_ID": "r", "VAULT_SECRET_ID": "s"}, AppRoleAuth),
        ({"VAULT_K8S_ROLE": "k", "VAULT_TOKEN": "t"}, KubernetesAuth),
        ({"VAULT_TOKEN": "t"}, TokenAuth),
    ],
)
def test_credentials_in_their_order(environ: dict[str, str], kind: type) -> None:
    assert type(authenticator(environ)) is kind


def test_credentials_from_files(tmp_path: Path) -> None:
    (tmp_path / "secret-id").write_text("canary-4711\n")
    found = authenticator({"VAULT_ROLE_ID": "r", "VAULT_SECRET_ID_FILE": str(tmp_path / "secret-id")})
    assert type(found) is AppRoleAuth
    assert "canary" not in repr(found)
    (tmp_path / ".vault-token").write_text("canary-4711\n")
    assert type(authenticator({"HOME": str(tmp_path)})) is TokenAuth


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"VAULT_ROLE_ID": "r"}, "VAULT_SECRET_ID"),
        ({"VAULT_ROLE_ID": "r", "VAULT_SECRET_ID_FILE": "/nonexistent"}, "VAULT_SECRET_ID_FILE"),
        ({"HOME": "/nonexistent"}, "no credentials for the authority: set VAULT_ROLE_ID"),
        ({}, "vault login"),
    ],
)
def test_missing_credentials_are_named(environ: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidSettings, match=says):
        authenticator(environ)


@pytest.fixture
def client() -> VaultClient:
    http = HttpClient(VaultSettings(ADDRESS))
    return VaultClient(http, TokenKeeper(http, authenticator({"VAULT_TOKEN": "t"})), "test")


def shared(root: Path, configuration: Configuration | None = None) -> Shared:
    configuration = configuration or Configuration()
    secrets = directory_secrets(root, configuration)
    return Shared(
        sources=secrets, targets=secrets, publications=FakePublications(), wiring=FakeWiring(),
        access=FakeAccess(), suspensions=FakeSuspensions(), settings=step_settings(configuration),
        configuration=configuration, notice=print,
    )  # fmt: skip


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_step_gets_what_it_declares_and_nothing_else(step: Step, client: VaultClient, tmp_path: Path) -> None:
    ports = step_ports(step, client, shared(tmp_path), FakeLedger())
    for port, capabilities in NEEDED_BY.items():
        assert isinstance(getattr(ports, port), Withheld) == (not step.needs & capabilities), port
    nothing = step_ports(replace(step, needs=frozenset()), client, shared(tmp_path), None)
    assert all(isinstance(getattr(nothing, port), Withheld) for port in NEEDED_BY)


def test_settings_are_the_configurations() -> None:
    configuration = Configuration.parse(
        {
            "cluster": "eu-1", "retraction": {"graceSeconds": 5, "limit": 2},
            "conventions": {"mode": "warn", "namespaces": {"strict": "enforce"}},
        }
    )  # fmt: skip
    settings = step_settings(configuration)
    assert (settings.cluster, settings.grace, settings.retraction_limit) == ("eu-1", timedelta(seconds=5), 2)
    policy = convention_policy(configuration)
    assert (policy.enforced("strict"), policy.enforced("other")) == (True, False)


def test_calls_are_counted_by_kind() -> None:
    counts: dict[str, int] = {}
    count = counting(counts)
    for kind in ("read", "write", "read"):
        count("GET", kind)
    assert counts == {"read": 2, "write": 1}


def test_a_pods_token_is_read_at_every_login(tmp_path: Path) -> None:
    file = tmp_path / "token"
    found = authenticator({"BAO_K8S_ROLE": "k", "BAO_K8S_TOKEN_FILE": str(file)})
    with pytest.raises(Unavailable, match="token cannot be read"):
        found.login()
    file.write_text("canary-4711\n")
    with pytest.raises(Unavailable, match="cannot reach") as failure:
        found.login()  # it asks, and nobody is there
    assert "canary" not in str(failure.value)
