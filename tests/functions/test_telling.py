"""Which values have a fingerprint: those that tell a secret from all else; what was revoked is known by it."""

import pytest

from functions._ports import Claim
from functions._revoked import MOST, revoked_among, with_revoked
from functions._telling import canonical, configuration, guessable, telling
from functions._values import SecretValue
from tests.fakes.world import World, path

PATH = path("platform-data/postgres/orders")


@pytest.mark.parametrize(
    "key",
    ["username", "DB_USER", "host", "db-host", "PORT", "database", "tls.crt", "ca.crt", "aws_access_key_id", "region"],
)
def test_names_of_configuration(key: str) -> None:
    assert configuration(PATH, key)


@pytest.mark.parametrize("key", ["password", "token", "tls.key", "aws_secret_access_key", "client_secret", "uri"])
def test_names_of_secrets(key: str) -> None:
    assert not configuration(PATH, key)
    assert configuration(path("platform-config/postgres/orders"), key)


@pytest.mark.parametrize(
    "value", [b"", b"x", b"secret", b"password", b"postgres", b"5432", b"true", b"aaaaaaaaaaaaaaaa", b"x" * 70_000]
)
def test_what_could_be_guessed(value: bytes) -> None:
    assert guessable(value)


@pytest.mark.parametrize("value", [b"Zq81-hunter", b"correct horse battery", b"AKIAIOSFODNN7EXAMPLE", bytes(range(64))])
def test_what_could_not(value: bytes) -> None:
    assert not guessable(value)


def test_an_address_is_a_secret_where_credentials_are_in_it() -> None:
    values = {"uri": "postgres://app:Zq81hunter@db/orders", "url": "https://orders.example.com:8443/api/v1"}
    assert telling(PATH, {key: SecretValue.of(value) for key, value in values.items()}).keys() == {"uri"}


def test_white_space_around_a_value_does_not_count() -> None:
    assert canonical(SecretValue.of(" Zq81 hunter\r\n")) == SecretValue.of("Zq81 hunter")


def claim(*revoked: str) -> Claim:
    return Claim(PATH, "PushSecret a/b", "test", "", "producer", 1, "active", revoked=revoked)


def test_what_was_revoked_is_told_by_name() -> None:
    world = World()
    old = world.fingerprints.one("revoked", b"correct horse battery")
    data = {"password": SecretValue.of("correct horse battery\n"), "other": SecretValue.of("another good value")}
    assert revoked_among(claim(old), data, world.ports) == ("password",)
    assert revoked_among(claim(), data, world.ports) == ()
    assert world.fingerprints.count("of") == 1


def test_the_oldest_go_to_a_page_and_stay_known() -> None:
    world = World()
    values = [f"correct horse battery {number}" for number in range(MOST + 1)]
    prints = [world.fingerprints.one("revoked", value.encode()) for value in values]
    full = with_revoked(claim(), prints[:MOST], world.ports)
    assert full.revoked == tuple(prints[:MOST])
    assert with_revoked(full, full.revoked[:3], world.ports) == full
    more = with_revoked(full, prints[MOST:], world.ports)
    assert len(more.revoked) == MOST // 2
    assert (more.revoked[-1], more.pages) == (prints[-1], 1)
    assert with_revoked(more, prints, world.ports) == more
    assert revoked_among(more, {"password": SecretValue.of(values[0])}, world.ports) == ("password",)
