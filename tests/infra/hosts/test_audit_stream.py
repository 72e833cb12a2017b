"""The audit stream in a host: what is followed, whose writes are our own, and where the socket is."""

import os
import socket
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from events.references import PathRef
from functions import STEPS
from functions._failures import Unavailable
from functions._values import SecretValue
from infra.deploy.vault_policies import policy_name
from infra.hosts.audit_stream import (
    FILE,
    POSITION,
    SOCKET,
    Followed,
    OwnWrites,
    bound,
    configured,
    from_environment,
    source,
    wired,
)
from infra.hosts.checks.audit_stream import judged
from infra.hosts.configuration import Audit, ConfigurationError
from infra.hosts.serving import ListenError
from infra.sources.vault_audit.line import Written
from infra.stores.vault.client import VaultClient
from tests.e2e.conftest import EVERYTHING
from tests.fakes.wiring import FakeWiring
from tests.fakes.world import external_secret, push_secret, rotation
from tests.infra.sources.vault_audit.lines import line
from tests.infra.sources.vault_audit.test_source import Around, add
from tests.instance import wait_for
from tests.openbao import OpenBao

PATH = PathRef(mount="secret", path="auth/app")
STATE = Path("/state")
OWN_FILE = Path("/state/openbao/audit.log")
POSITIONS = STATE / "audit-position.json"


def test_the_embedded_authoritys_file_is_followed_unless_it_is_not_wanted() -> None:
    assert configured(Audit(), OWN_FILE, STATE) == Followed(OWN_FILE, "", POSITIONS)
    assert not configured(Audit(embedded=False), OWN_FILE, STATE)
    for named in (Audit(file="/elsewhere"), Audit(socket="127.0.0.1:9000")):
        with pytest.raises(ConfigurationError, match=r"audit\.embedded"):
            configured(named, OWN_FILE, STATE)


def test_an_existing_authoritys_stream_is_what_the_file_names() -> None:
    assert not configured(Audit(), None, STATE)
    assert configured(Audit(file="/log"), None, STATE) == Followed(Path("/log"), "", POSITIONS)
    assert configured(Audit(socket="unix:/s"), None, STATE) == Followed(None, "unix:/s", POSITIONS)


def test_what_the_environment_names() -> None:
    assert not from_environment({})
    everything = {FILE: "/log", SOCKET: "127.0.0.1:9000", POSITION: "/data/position"}
    assert from_environment(everything) == Followed(Path("/log"), "127.0.0.1:9000", Path("/data/position"))
    for name in (FILE, POSITION):
        with pytest.raises(ConfigurationError, match=name):
            from_environment({name: "relative"})


# --- which paths ---------------------------------------------------------------------------------------------------


def test_every_path_that_a_manifest_names_is_followed() -> None:
    fakes = FakeWiring()
    wiring: Any = SimpleNamespace(snapshot=lambda: fakes)
    fakes.put(push_secret("push", "a/source", {"password": "shop/produced#password"}))
    fakes.put(external_secret("a/target", {"password": "shop/consumed#password"}))
    fakes.put(rotation("a/orders", "shop/rotated"))
    followed = wired(wiring)
    for name in ("produced", "consumed", "rotated"):
        assert followed(PathRef(mount="secret", path=f"shop/{name}")), name
    assert not followed(PathRef(mount="secret", path="shop/nobodys"))


# --- whose writes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [*(policy_name(step.name) for step in STEPS), "lockstep-warden"])
def test_a_steps_role_is_ours(policy: str) -> None:
    assert OwnWrites()(Written(PATH, policies=frozenset({"default", policy})))


@pytest.mark.parametrize("policies", [(), ("lockstep",), ("lockstep-people",), ("root",)])
def test_what_is_merely_called_alike_is_not(policies: tuple[str, ...]) -> None:
    assert not OwnWrites()(Written(PATH, policies=frozenset(policies)))


def test_a_shared_identity_is_known_by_its_entity(openbao: OpenBao) -> None:
    notices: list[str] = []
    openbao.admit("shared-by-steps", EVERYTHING)
    client = openbao.client("shared-by-steps")
    entity = client.call("GET", "auth/token/lookup-self", kind="test").body["data"]["entity_id"]
    own = OwnWrites(client, notices.append)
    openbao.calls.clear()
    for _ in range(3):
        assert own(Written(PATH, entity=entity))
        assert not own(Written(PATH, entity="another"))
        assert not own(Written(PATH))
    assert openbao.calls == [("GET", "lookup")]
    assert notices == []


def test_a_token_without_an_entity_is_told_of_once(openbao: OpenBao) -> None:
    """An orphan has none, as a root token has none."""
    notices: list[str] = []
    body = {"policies": ["default"], "ttl": "1h"}
    made = openbao.admin().call("POST", "auth/token/create-orphan", body=body, kind="test").body["auth"]
    own = OwnWrites(openbao.with_token(SecretValue.of(made["client_token"])), notices.append)
    assert not own(Written(PATH))
    assert not own(Written(PATH))
    assert len(notices) == 1
    assert "AppRole" in notices[0]


def test_an_authority_that_is_away_is_asked_again() -> None:
    class Away(VaultClient):
        def __init__(self) -> None:
            self.asked = 0

        def call(self, *_: object, **__: object) -> None:  # type: ignore[override]  # never answers
            self.asked += 1
            raise Unavailable("authority", "sealed")

    client = Away()
    own = OwnWrites(client)
    assert not own(Written(PATH, entity="e"))
    assert not own(Written(PATH, entity="e"))
    assert client.asked == 2


# --- the socket ------------------------------------------------------------------------------------------------------


def test_a_unix_socket_is_its_groups_and_takes_the_place_of_a_dead_one(tmp_path: Path) -> None:
    path = tmp_path / "audit.sock"
    first = bound(f"unix:{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    with pytest.raises(ListenError, match="in use"):
        bound(f"unix:{path}")
    first.close()
    bound(f"unix:{path}").close()
    path.unlink()
    path.write_text("mine")
    with pytest.raises(ListenError):
        bound(f"unix:{path}")
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("unix:relative", "absolute path"), ("unix:/proc/none/s", "directory"), ("0.0.0.0:0", "unix:/path"),
        ("127.0.0.1", "HOST:PORT"), ("127.0.0.1:99999", "HOST:PORT"), ("no such host:1", "HOST:PORT"),
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_used(address: str, says: str) -> None:
    with pytest.raises(ListenError, match=says) as refused:
        bound(address)
    assert "--listen" not in str(refused.value)


def test_a_tcp_address_that_is_taken() -> None:
    with bound("127.0.0.1:0") as first, pytest.raises(ListenError, match="in use"):
        bound(f"127.0.0.1:{first.getsockname()[1]}")


def test_beyond_the_loopback_somebody_vouches_for_it() -> None:
    bound("0.0.0.0:0", plain=True).close()


# --- put together ----------------------------------------------------------------------------------------------------


def test_the_position_is_kept_privately_and_a_spoilt_one_is_one_sweep(tmp_path: Path) -> None:
    log, kept = tmp_path / "audit.log", tmp_path / "position.json"
    log.touch()
    around = Around()
    made = source(Followed(log, "", kept), around.surroundings(), gap="the first start")
    made.start()
    add(log, line(request_id="one"))
    around.until(1)
    made.stop()
    assert around.sweeps == 1, "nobody sweeps at this one's start"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    add(log, line(request_id="two"))
    made = source(Followed(log, "", kept), around.surroundings(), gap="the first start")
    made.start()
    assert [event.seen for event in around.until(2)] == ["one", "two"]
    made.stop()
    assert around.sweeps == 1
    kept.write_bytes(os.urandom(40))
    made = source(Followed(log, "", kept), around.surroundings(), gap="the first start")
    made.start()
    wait_for(lambda: around.sweeps == 2, "the sweep")
    made.stop()
    assert len(around.told) == 2


def test_a_socket_of_either_kind_is_listened_on(tmp_path: Path) -> None:
    around = Around()
    made = source(Followed(None, f"unix:{tmp_path / 's'}"), around.surroundings())
    made.start()
    try:
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(tmp_path / "s"))
            peer.sendall(line() + b"\n")
            around.until(1)
    finally:
        made.stop()


@pytest.mark.parametrize(
    ("devices", "status"),
    [
        (None, "ok"),
        ({"file/": {"type": "file"}, "lockstep/": {"type": "socket"}}, "ok"),
        ({"lockstep/": {"type": "socket"}}, "warn"),
        ({"a/": {"type": "socket"}, "b/": {"type": "socket"}}, "warn"),
        ({}, "ok"),
    ],
)
def test_a_socket_alone_is_warned_of(devices: dict[str, object] | None, status: str) -> None:
    assert judged(devices).status == status
