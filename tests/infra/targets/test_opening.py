"""Declared targets: opened lazily, with parameters that are checked and the admin credential as it is now."""

import subprocess
import sys

import pytest

from events.references import PathRef
from functions._failures import Reject
from functions._manifests.rotation_target import RotationTarget
from functions._systems import AdminRefused, Systems
from functions._values import SecretData, SecretValue
from infra.targets.declared import DeclaredSystems, admin_reader, no_admin
from infra.targets.opening import Opening, look
from infra.targets.registry import TYPES, parameters_model
from tests.contracts.systems import credential
from tests.fakes.authority import FakeAuthority

ADMIN = PathRef(mount="secret", path="platform/db")


def target(type_name: str = "generated", **spec: object) -> RotationTarget:
    body: dict[str, object] = {"type": type_name, "allow": [{"namespaces": ["*"], "accounts": ["app"]}], **spec}
    return RotationTarget.model_validate(
        {"apiVersion": "lockstep.dev/v1alpha1", "kind": "RotationTarget", "metadata": {"name": "one"}, "spec": body}
    )


def systems(declared: RotationTarget | None) -> Systems:
    return DeclaredSystems(lambda name: declared, no_admin)


def test_a_target_that_is_not_declared() -> None:
    assert systems(None).declared("one") is None
    with pytest.raises(Reject, match="'one' is not declared"):
        systems(None).open("one")


def test_an_unknown_type_names_the_known_ones() -> None:
    with pytest.raises(Reject, match=r"'oracle' is unknown; known are .*generated.*postgres"):
        systems(target("oracle")).open("one")


def test_wrong_parameters_show_no_value() -> None:
    with pytest.raises(Reject, match=r"'one'.*port.*; docs/targets/postgres\.md") as refused:
        systems(target("postgres", parameters={"host": "db", "port": "hunter2"})).open("one")
    assert "hunter2" not in str(refused.value)


def test_no_client_is_loaded_before_a_target_of_its_type_is_opened() -> None:
    code = (
        "import sys; import infra.targets.declared; "
        "print(sorted({'psycopg', 'redis', 'boto3', 'botocore', 'infra.targets.postgres'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"


@pytest.mark.parametrize("name", sorted(TYPES))
def test_every_parameter_is_described_and_no_other_is_taken(name: str) -> None:
    assert parameters_model(name).model_config["extra"] == "forbid"
    assert all(field.description for field in parameters_model(name).model_fields.values())


def test_a_generated_value_is_accepted_when_it_is_whole() -> None:
    system = systems(target(parameters={"fields": ["key", "salt"]})).open("one")
    assert system.secret_fields == ("key", "salt")
    assert not system.verifiable
    assert not system.accepts(credential("app", "value"))
    with pytest.raises(Reject, match="key, salt"):
        system.apply(credential("app", "value"), "a1")
    with pytest.raises(Reject, match=r"spec\.allow"):
        system.apply(credential("other", "value"), "a1")
    with pytest.raises(Reject, match="strategy single"):
        system.mint("app", "a1")
    assert system.revoke(credential("app", "value")) is None
    assert not system.usage(credential("app", "value")).known
    assert system.examine(("app",)) == ()
    assert [one.blocks for one in system.examine(("other",))] == [True]


class Reader:
    """An admin credential that changes with every read."""

    def __init__(self, *passwords: str) -> None:
        self.passwords = list(passwords)
        self.reads = 0

    def __call__(self, target: RotationTarget) -> SecretData:
        self.reads += 1
        return {"password": SecretValue.of(self.passwords[min(self.reads, len(self.passwords)) - 1])}


def test_the_admin_credential_is_read_at_each_use_and_once_more_when_refused() -> None:
    reader = Reader("old", "new")
    opening = Opening(target(), reader)

    def work(found: SecretData) -> str:
        password = found["password"].reveal().decode()
        if password == "old":
            raise AdminRefused("no")
        return password

    assert opening.as_admin(work) == "new"
    assert reader.reads == 2
    assert opening.as_admin(work) == "new"
    assert reader.reads == 3


def test_a_refused_admin_credential_that_is_the_same_is_not_tried_again() -> None:
    tries: list[SecretData] = []

    def work(found: SecretData) -> None:
        tries.append(found)
        raise AdminRefused("no")

    with pytest.raises(AdminRefused):
        Opening(target(), Reader("same")).as_admin(work)
    assert len(tries) == 1
    with pytest.raises(AdminRefused):
        Opening(target(), Reader("one", "two", "three")).as_admin(work)
    assert len(tries) == 3


def test_the_admin_credential_at_the_authority() -> None:
    authority = FakeAuthority()
    read = admin_reader(authority, lambda store: None)
    with pytest.raises(Reject, match=r"no spec\.admin"):
        read(target())
    declared = target(admin={"mount": "secret", "remoteKey": "platform/db", "properties": {"username": "user"}})
    with pytest.raises(Reject, match="is not at"):
        read(declared)
    first = authority.write(ADMIN, {"password": SecretValue.of("p")}, None)
    with pytest.raises(Reject, match="no property 'user'"):
        read(declared)
    authority.write(ADMIN, {"password": SecretValue.of("p"), "user": SecretValue.of("u")}, first)
    found = read(declared)
    assert {name: value.reveal() for name, value in found.items()} == {
        "password": b"p",
        "user": b"u",
        "username": b"u",
    }


def test_an_examination_that_cannot_be_made_is_a_finding() -> None:
    def fails() -> tuple[()]:
        raise AdminRefused("write the right one")

    assert [(one.blocks, one.text) for one in look(fails)] == [(True, "write the right one")]
