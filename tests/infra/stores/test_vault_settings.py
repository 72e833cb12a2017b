"""The usual variables, and what is wrong with unusual ones."""

import pytest

from functions._values import SecretValue
from infra.stores.vault.settings import InvalidSettings, VaultSettings, settings_from


def test_nothing_set() -> None:
    assert settings_from({}) == VaultSettings("https://127.0.0.1:8200")


def test_the_usual_variables() -> None:
    found = settings_from(
        {
            "VAULT_ADDR": "https://vault.example:8200/",
            "VAULT_TOKEN": "s.token\n",
            "VAULT_NAMESPACE": "/team-a/",
            "VAULT_CACERT": "/ca.pem",
            "VAULT_CAPATH": "/cas",
            "VAULT_CLIENT_CERT": "/c.pem",
            "VAULT_CLIENT_KEY": "/k.pem",
            "VAULT_TLS_SERVER_NAME": "vault",
            "VAULT_SKIP_VERIFY": "true",
            "VAULT_CLIENT_TIMEOUT": "1.5m",
        }
    )
    assert found == VaultSettings(
        address="https://vault.example:8200",
        namespace="team-a",
        token=SecretValue.of("s.token"),
        ca_cert="/ca.pem",
        ca_path="/cas",
        client_cert="/c.pem",
        client_key="/k.pem",
        tls_server_name="vault",
        skip_verify=True,
        read_timeout=90.0,
    )
    assert "s.token" not in repr(found)


def test_bao_wins_over_vault() -> None:
    found = settings_from({"VAULT_ADDR": "http://old:1", "BAO_ADDR": "http://new:2", "VAULT_NAMESPACE": "kept"})
    assert (found.address, found.namespace) == ("http://new:2", "kept")


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"BAO_ADDR": "vault.example:8200"}, "BAO_ADDR"),
        ({"BAO_ADDR": "unix:///run/bao.sock"}, "http"),
        ({"BAO_ADDR": "http://host/ui/"}, "only"),
        ({"BAO_ADDR": "http://user:canary@host"}, "only"),
        ({"BAO_CLIENT_CERT": "/c.pem"}, "CLIENT_KEY"),
        ({"BAO_SKIP_VERIFY": "perhaps"}, "SKIP_VERIFY"),
        ({"BAO_CLIENT_TIMEOUT": "soon"}, "CLIENT_TIMEOUT"),
        ({"BAO_CLIENT_TIMEOUT": "0"}, "CLIENT_TIMEOUT"),
    ],
)
def test_what_cannot_be_used_is_named(variables: dict[str, str], complaint: str) -> None:
    with pytest.raises(InvalidSettings, match=complaint):
        settings_from(variables)
