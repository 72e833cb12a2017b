"""Who is at the other end: peer credentials, bearer tokens, nobody on the loopback, and no one else."""

import hashlib
import os
from typing import Any

import pytest

from infra.broker.errors import RefusedError
from infra.broker.principal import ANONYMOUS, Principal
from infra.hosts import configuration
from infra.hosts.senders import Senders, peer_uid


def principal(name: str, token: str) -> configuration.Principal:
    digest = hashlib.sha256(token.encode()).hexdigest()
    return configuration.Principal(name=name, token_sha256=digest, types=("com.example.thing",))


SENDERS = Senders([principal("alerts", "first-token"), principal("git", "second-token")])


def scope(host: str | None, *headers: tuple[str, str]) -> dict[str, Any]:
    client = None if host is None else (host, 1)
    return {"client": client, "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers]}


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.9.8.7", "::1", "::ffff:127.0.0.1", "0:0:0:0:0:0:0:1", "::ffff:7f00:1"]
)
def test_nobody_on_the_loopback(host: str) -> None:
    assert SENDERS(scope(host)) is ANONYMOUS


@pytest.mark.parametrize(
    "host",
    ["10.0.0.1", "192.168.1.1", "::ffff:10.0.0.1", "fe80::1%eth0", "2001:db8::1", "", "localhost", "1270.0.0.1", None],
)
def test_from_elsewhere_a_token_is_asked(host: str | None) -> None:
    with pytest.raises(RefusedError, match="bearer token") as refused:
        SENDERS(scope(host))
    assert refused.value.status == 401


@pytest.mark.parametrize(
    "header",
    [("x-forwarded-for", "127.0.0.1"), ("Forwarded", "for=127.0.0.1"), ("x-real-ip", "127.0.0.1"), ("Via", "1.1 p")],
)
def test_behind_a_proxy_the_loopback_is_the_proxys(header: tuple[str, str]) -> None:
    """Everybody whom a proxy on this machine serves would else be nobody on the loopback."""
    with pytest.raises(RefusedError, match="bearer token"):
        SENDERS(scope("127.0.0.1", header))
    named = SENDERS(scope("127.0.0.1", header, ("authorization", "Bearer first-token")))
    assert named == Principal("token", "alerts")


@pytest.mark.parametrize("value", ["Bearer first-token", "bearer first-token", "BEARER  first-token "])
@pytest.mark.parametrize("host", ["10.0.0.1", "127.0.0.1"])
def test_a_token_names_its_principal(host: str, value: str) -> None:
    assert SENDERS(scope(host, ("authorization", value))) == Principal("token", "alerts")
    assert str(SENDERS(scope(host, ("Authorization", "Bearer second-token")))) == "token:git"


@pytest.mark.parametrize(
    "value",
    [
        "Bearer wrong", "Bearer first-toke", "Bearer first-token2", "Bearer First-token", "Bearer", "Bearer ",
        "Bearer   ", "Basic Zmlyc3QtdG9rZW4=", "first-token", "", "Bearer \xe9\xff", "Bearer " + "x" * 100_000,
    ],
    ids=range(12),
)  # fmt: skip
def test_any_other_authorization_is_refused_on_the_loopback_too(value: str) -> None:
    with pytest.raises(RefusedError) as refused:
        SENDERS(scope("127.0.0.1", ("authorization", value)))
    assert refused.value.status == 401
    assert "first-token" not in refused.value.reason
    assert len(refused.value.reason) < 200


def test_the_digest_of_nothing_lets_nobody_in() -> None:
    senders = Senders([configuration.Principal(name="x", types=(), token_sha256=hashlib.sha256(b"").hexdigest())])
    for value in ("Bearer ", "Bearer   "):
        with pytest.raises(RefusedError):
            senders(scope("10.0.0.1", ("authorization", value)))


def test_without_principals_no_token_is_known() -> None:
    with pytest.raises(RefusedError):
        Senders()(scope("127.0.0.1", ("authorization", "Bearer x")))


@pytest.mark.parametrize("uid", [str(os.geteuid()), "0"])
def test_the_user_who_runs_it_and_root_operate_it(uid: str) -> None:
    assert SENDERS(scope(f"uid:{uid}")) == Principal("operator", uid)
    # whatever else is claimed, the kernel's word counts
    assert SENDERS(scope(f"uid:{uid}", ("authorization", "Bearer first-token"))) == Principal("operator", uid)


@pytest.mark.parametrize("uid", ["65534", "4294967294", "00", "-2", "0 "])
def test_another_user_may_not(uid: str) -> None:
    with pytest.raises(RefusedError, match="does not run this Lockstep") as refused:
        SENDERS(scope(f"uid:{uid}", ("authorization", "Bearer first-token")))
    assert refused.value.status == 403


def test_the_peer_of_a_network_connection_has_no_user() -> None:
    assert [peer_uid(scope(host)) for host in ("127.0.0.1", "", None, "xuid:0")] == ["", "", "", ""]
    assert peer_uid(scope("uid:17")) == "17"
