"""AWS Secrets Manager: one version per rotation, labels as AWS's rules have them, and nothing left that is labelled."""

import itertools
import json
from collections.abc import Mapping

import pytest
from moto.secretsmanager.models import FakeSecret, SecretsManagerBackend, secretsmanager_backends

from functions._failures import Reject, Unavailable
from functions._systems import AdminRefused, Credential, System
from functions._values import SecretValue
from infra.targets.aws_secrets_manager import PARAMETERS
from tests.aws import ACCOUNT, ADMIN, Aws
from tests.contracts.minting import IamBench, opened
from tests.contracts.systems import manifest

pytestmark = pytest.mark.e2e
FIRST, SECOND = "a" * 32, "b" * 32
_numbers = itertools.count(1)


class Bench:
    def __init__(self, aws: Aws, **parameters: object) -> None:
        self.aws = aws
        self._iam = IamBench(aws)
        self.system: System = opened(
            manifest("aws-secrets-manager", endpoint=aws.endpoint, timeout="20s", **parameters), self._iam.admin
        )

    @property
    def backend(self) -> SecretsManagerBackend:
        return secretsmanager_backends[ACCOUNT]["us-east-1"]

    def secret(self, text: str = '{"username": "orders", "password": "one", "port": 5432}') -> str:
        name = f"secret-{next(_numbers)}"
        self.backend.create_secret(name, text, None, None, [], None, None, [], False)
        return name

    def labels(self, secret: str) -> dict[str, str]:
        """What each label leads to."""
        found = {}
        for version in self.backend.secrets[secret].versions.values():
            for label in version["version_stages"]:
                found[label] = version["secret_string"]
        return found

    def passwords(self, secret: str) -> dict[str, str]:
        return {label: json.loads(text)["password"] for label, text in self.labels(secret).items()}

    def versions(self, secret: str) -> int:
        return len(self.backend.secrets[secret].versions)


def of(secret: str, password: str | None) -> Credential:
    return Credential(secret, {} if password is None else {"password": SecretValue.of(password)})


@pytest.fixture
def bench(aws: Aws) -> Bench:
    return Bench(aws)


def test_applied_it_is_current_and_the_old_one_previous(bench: Bench) -> None:
    secret = bench.secret()
    for _ in range(2):
        bench.system.apply(of(secret, "two"), FIRST, keep=of(secret, "one"))
        assert bench.passwords(secret) == {"AWSCURRENT": "two", "AWSPREVIOUS": "one"}
        assert bench.versions(secret) == 2
    assert bench.system.accepts(of(secret, "one"))
    assert bench.system.accepts(of(secret, "two"))
    assert not bench.system.accepts(of(secret, "three"))
    assert json.loads(bench.labels(secret)["AWSCURRENT"]) == {"username": "orders", "password": "two", "port": 5432}


def test_revoked_the_old_one_has_no_label(bench: Bench) -> None:
    secret = bench.secret()
    old, new = of(secret, "one"), of(secret, "two")
    bench.system.apply(new, FIRST, keep=old)
    for _ in range(2):
        bench.system.revoke(old, successor=new)
        assert bench.passwords(secret) == {"AWSCURRENT": "two"}
        assert not bench.system.accepts(old)
    bench.system.apply(of(secret, "three"), SECOND, keep=new)
    assert bench.passwords(secret) == {"AWSCURRENT": "three", "AWSPREVIOUS": "two"}


@pytest.mark.parametrize("named", [True, False])
def test_taken_back_the_old_one_is_current_again(bench: Bench, named: bool) -> None:
    secret = bench.secret()
    old, new = of(secret, "one"), of(secret, "two")
    bench.system.apply(new, FIRST, keep=old)
    for _ in range(2):
        bench.system.revoke(new, successor=old if named else None)
        assert bench.passwords(secret) == {"AWSCURRENT": "one"}


def test_there_is_always_a_current_version(bench: Bench) -> None:
    secret = bench.secret()
    with pytest.raises(Reject, match="always has a current version"):
        bench.system.revoke(of(secret, "one"))
    assert bench.passwords(secret) == {"AWSCURRENT": "one"}


def test_a_value_that_is_lost_is_not_the_current_one(bench: Bench) -> None:
    secret = bench.secret()
    bench.system.apply(of(secret, "two"), FIRST, keep=of(secret, "one"))
    bench.system.revoke(of(secret, None), successor=of(secret, "two"))
    assert bench.passwords(secret) == {"AWSCURRENT": "two"}


@pytest.mark.parametrize("action", ["PutSecretValue", "UpdateSecretVersionStage"])
def test_a_lost_answer_puts_no_second_version(bench: Bench, action: str) -> None:
    secret = bench.secret()
    bench.aws.lost = lambda called: called == action
    with pytest.raises(Unavailable):
        bench.system.apply(of(secret, "two"), FIRST, keep=of(secret, "one"))
    bench.aws.lost = lambda called: False
    bench.system.apply(of(secret, "two"), FIRST, keep=of(secret, "one"))
    assert bench.passwords(secret) == {"AWSCURRENT": "two", "AWSPREVIOUS": "one"}
    assert bench.versions(secret) == 2


def test_another_value_of_the_same_rotation_is_another_version(bench: Bench) -> None:
    secret = bench.secret()
    bench.system.apply(of(secret, "two"), FIRST)
    bench.system.apply(of(secret, "three"), FIRST)
    assert bench.passwords(secret)["AWSCURRENT"] == "three"


def test_what_somebody_put_beside_it_stays(bench: Bench) -> None:
    secret = bench.secret()
    bench.backend.put_secret_value(secret, '{"password": "theirs", "note": "n"}', "", "c" * 32, ["AWSCURRENT"])
    bench.system.apply(of(secret, "two"), FIRST, keep=of(secret, "one"))
    assert json.loads(bench.labels(secret)["AWSCURRENT"]) == {"password": "two", "note": "n"}


def test_plain_text(aws: Aws) -> None:
    bench = Bench(aws, format="text", fields=["value"])
    secret = bench.secret("one")
    old, new = (Credential(secret, {"value": SecretValue.of(text)}) for text in ("one", "two"))
    bench.system.apply(new, FIRST, keep=old)
    assert bench.labels(secret) == {"AWSCURRENT": "two", "AWSPREVIOUS": "one"}
    bench.system.revoke(old, successor=new)
    assert bench.labels(secret) == {"AWSCURRENT": "two"}


def test_public_fields_are_kept_right(aws: Aws) -> None:
    bench = Bench(aws, publicFields={"username": "orders", "engine": "postgres"})
    secret = bench.secret('{"username": "old", "password": "one"}')
    assert bench.system.public_fields(secret) == {"username": "orders", "engine": "postgres"}
    bench.system.apply(of(secret, "two"), FIRST)
    assert json.loads(bench.labels(secret)["AWSCURRENT"]) == {
        "username": "orders", "engine": "postgres", "password": "two",
    }  # fmt: skip


def test_what_is_no_object_is_not_replaced_by_one(bench: Bench) -> None:
    secret = bench.secret("plain")
    with pytest.raises(Reject, match="format: text"):
        bench.system.apply(of(secret, "two"), FIRST)
    assert bench.labels(secret) == {"AWSCURRENT": "plain"}


def test_examine(bench: Bench) -> None:
    secret = bench.secret()
    assert bench.system.examine((secret,)) == ()
    known = bench.backend.secrets[secret]
    assert isinstance(known, FakeSecret)
    known.rotation_requested = known.rotation_enabled = True
    (finding,) = bench.system.examine((secret,))
    assert finding.blocks
    assert "rotates" in finding.text
    (finding,) = bench.system.examine(("a-secret-that-there-is-not",))
    assert finding.blocks


def test_a_secret_that_there_is_not(bench: Bench) -> None:
    for credential in (of("never-made", "two"),):
        with pytest.raises(Reject, match="there is no secret"):
            bench.system.apply(credential, FIRST)
        with pytest.raises(Reject, match="there is no secret"):
            bench.system.revoke(credential)


def test_outage_and_refusal_quote_nothing(bench: Bench) -> None:
    secret = bench.secret()
    bench.aws.down = True
    with pytest.raises(Unavailable) as down:
        bench.system.apply(of(secret, "the-canary"), FIRST)
    bench.aws.down = False
    bench.aws.denied.add("PutSecretValue")
    with pytest.raises(AdminRefused, match="PutSecretValue") as denied:
        bench.system.apply(of(secret, "the-canary"), FIRST)
    assert "canary" not in down.value.reason + denied.value.reason
    assert bench.passwords(secret) == {"AWSCURRENT": "one"}


def test_nobody_is_asked_to_log_in_but_with_the_machines_role(bench: Bench, aws: Aws) -> None:
    assert not bench.system.verifiable
    assert Bench(aws, ambient=True).system.verifiable


@pytest.mark.parametrize(
    "wrong", [{"format": "text", "fields": ["a", "b"]}, {"format": "text", "publicFields": {"a": "b"}}, {"fields": []}]
)
def test_parameters(wrong: Mapping[str, object]) -> None:
    with pytest.raises(ValueError, match="1 validation error"):
        PARAMETERS.model_validate(wrong)


def test_the_admin_of_the_tests_is_there(aws: Aws) -> None:
    Bench(aws)
    assert aws.keys(ADMIN)
