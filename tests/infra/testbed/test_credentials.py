"""What one cluster's identities are made of; that the servers take them is shown by the cluster that runs on them."""

import base64
import re
from pathlib import Path

import yaml

from infra.testbed import credentials

LEAF = "-----BEGIN CERTIFICATE-----\nbGVhZg==\n-----END CERTIFICATE-----\n"
SIGNER = "-----BEGIN CERTIFICATE-----\nc2lnbmVy\n-----END CERTIFICATE-----\n"


def test_a_signing_key_is_a_p256_key_of_its_own() -> None:
    first, second = credentials.signing_key(), credentials.signing_key()
    assert first != second
    body = re.fullmatch(r"-----BEGIN EC PRIVATE KEY-----\n(.+)-----END EC PRIVATE KEY-----\n", first, re.DOTALL)
    assert body is not None
    der = base64.b64decode(body[1])
    assert der[1] == len(der) - 2
    assert der.startswith(bytes.fromhex("30310201010420"))


def test_the_signer_is_the_last_of_a_chain() -> None:
    assert credentials.issuer(LEAF + SIGNER) == SIGNER


def test_a_kubeconfig_is_yaml_with_one_context() -> None:
    content = yaml.safe_load(credentials.kubeconfig("https://127.0.0.1:1", b"ca", token="t", namespace="mine"))
    context = content["contexts"][0]["context"]
    assert context["namespace"] == "mine"
    assert content["clusters"][0]["cluster"] == {
        "server": "https://127.0.0.1:1",
        "certificate-authority-data": base64.b64encode(b"ca").decode(),
    }
    assert content["users"][0]["user"] == {"token": "t"}


def test_secrets_are_the_owners_alone(tmp_path: Path) -> None:
    assert credentials.write_private(tmp_path / "key", "content").stat().st_mode & 0o777 == 0o600
