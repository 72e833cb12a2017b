"""Somebody writes at the authority, and its audit stream tells: at once, without a sweep, and nothing of our own."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from events.references import PathRef
from functions._values import SecretValue
from infra.deploy.vault_policies import Policy
from infra.hosts.openbao.identities import WARDEN, Identities
from infra.hosts.openbao.warden import Warden
from infra.stores.vault.auth import AppRoleAuth
from infra.stores.vault.authority import VaultAuthority
from infra.stores.vault.client import VaultClient
from infra.stores.vault.http import HttpClient
from infra.stores.vault.kv import KvEngine
from infra.stores.vault.settings import VaultSettings
from infra.stores.vault.token_keeper import TokenKeeper
from tests.e2e.conftest import EVERYTHING, QUICK, Team
from tests.instance import Installation, Running, external_secret, push_secret, store
from tests.openbao import OpenBao

pytestmark = pytest.mark.e2e
CANARY = "canary-55c1"
SELDOM = {**QUICK, "sweep": {"intervalSeconds": 3600}, "anchor": {"intervalSeconds": 3600}}  # no sweep but the start's
PEOPLE = "lockstep-people"  # a policy of theirs whose name is not one of ours, for all that it begins like them
WRITTEN, PUBLISHED = "dev.lockstep.secret.written", "dev.lockstep.secret.published"
MATERIALIZED, CONFLICTED = "dev.lockstep.secret.materialized", "dev.lockstep.secret.conflicted"


class People:
    """Somebody with a token of his own, who writes what he likes."""

    def __init__(self, client: VaultClient) -> None:
        self.client = client
        self._authority = VaultAuthority(KvEngine(client))

    def put(self, path: str, value: str) -> None:
        ref = PathRef(mount="secret", path=path)
        head = self._authority.head(ref)
        self._authority.write(ref, {"password": SecretValue.of(value)}, head.version if head else None)

    def holds(self, path: str) -> bytes | None:
        stored = self._authority.read(PathRef(mount="secret", path=path))
        return stored.data["password"].reveal() if stored and stored.data else None

    def delete(self, path: str) -> None:
        self.client.call("DELETE", f"secret/data/{path}", kind="test")


@pytest.fixture
def people() -> Iterator[Callable[[Running], People]]:
    """Somebody at the embedded authority of an installation: the warden lets him in."""
    opened: list[HttpClient] = []

    def one(up: Running) -> People:
        opened.append(HttpClient(VaultSettings(up.authority)))
        http, identities = opened[-1], Identities(up.root / "state" / "identities")

        def client(name: str) -> VaultClient:
            identity = identities.ensure(name)
            return VaultClient(http, TokenKeeper(http, AppRoleAuth(http, identity.role_id, identity.secret_id)), name)

        warden = Warden(client(WARDEN))
        warden.apply((Policy(PEOPLE, EVERYTHING),))
        warden.admit(identities.ensure(PEOPLE))
        return People(client(PEOPLE))

    yield one
    for http in opened:
        http.close()


def metric(up: Running, name: str) -> float:
    page = up.request("GET", "/metrics").body.decode()
    found = re.search(rf"^lockstep_{re.escape(name)} ([0-9.e+]+)$", page, re.MULTILINE)
    return float(found[1]) if found else 0.0


def calls(up: Running) -> float:
    """Requests to the authority so far that some change made: nobody's log-in, renewal, health or anchor."""
    page = up.request("GET", "/metrics").body.decode()
    made = dict(re.findall(r'^lockstep_authority_calls_total\{kind="(\w+)"\} ([0-9.]+)$', page, re.MULTILINE))
    return sum(float(count) for kind, count in made.items() if kind not in {"login", "renew", "health", "lookup"})


def value(up: Running, namespace: str) -> bytes | None:
    return (up.at.values(namespace, "postgres") or {}).get("password")


def ticks(up: Running) -> int:
    return up.at.events("dev.lockstep.schedule.ticked", "sweep/0")


@pytest.mark.orderly("it counts the deliveries and calls of one change")
def test_a_write_at_an_authority_owned_path_reaches_its_consumers_without_a_sweep(
    embedded: Installation, team: Team, people: Callable[[Running], People]
) -> None:
    embedded.configure(**SELDOM)
    consumers = (team.consumer, f"{team.consumer}-b")
    embedded.wire(team.name, *(external_secret(f"{each}/postgres", team.path) for each in consumers))
    with embedded.running() as up:
        somebody = people(up)
        up.wait_idle()
        swept = ticks(up)
        for number, expected in enumerate(("one", "two", "three"), start=1):
            before = calls(up)
            somebody.put(team.path, f"{CANARY}-{expected}")
            for each in consumers:
                up.wait_for(lambda e=each, x=expected: value(up, e) == f"{CANARY}-{x}".encode(), "the new value")  # type: ignore[misc]  # bound now
            up.wait_idle()
            counted = [up.at.events(kind, team.path) for kind in (WRITTEN, PUBLISHED, CONFLICTED)]
            assert counted == [number, number, 0]
            assert sum(up.at.events(MATERIALIZED, f"{each}/secrets/postgres") for each in consumers) == 2 * number
            assert calls(up) - before == 2, "the sweep's look at the metadata, and one read for both consumers"
        assert ticks(up) == swept, "no sweep had a part in it"
        somebody.delete(team.path)
        up.wait_for(lambda: up.at.events(WRITTEN, team.path) == 4, "the deletion to be told")
        up.wait_idle()
        assert value(up, team.consumer) == f"{CANARY}-three".encode(), "who did not ask for it keeps what he has"
        assert up.at.dead_letters() == []
        assert metric(up, "audit_followed") == 1
        assert metric(up, 'audit_writes_total{outcome="told"}') == 4
        checks = {each["name"]: each for each in up.control.ask("check")["checks"]}
        assert checks["audit stream"]["status"] == "ok", checks["audit stream"]
    hidden = [
        embedded.root / "state" / name for name in ("broker.db", "broker.db-wal", "local.db", "audit-position.json")
    ]
    for file in (*hidden, up.output_file):
        assert not file.exists() or CANARY.encode() not in file.read_bytes(), file


def test_a_write_on_a_producers_path_is_told_undone_and_never_distributed(
    embedded: Installation, team: Team, people: Callable[[Running], People]
) -> None:
    embedded.configure(**SELDOM)
    embedded.wire(team.name, push_secret("postgres", team.source, team.path), external_secret(team.target, team.path))
    with embedded.running() as up:
        embedded.put(team.producer, "credentials", {"password": b"ours"})
        up.wait_for(lambda: value(up, team.consumer) == b"ours", "the first value")
        up.wait_idle()
        somebody, swept = people(up), ticks(up)
        somebody.put(team.path, "theirs")
        up.wait_for(lambda: up.version(team.full_path) == 3, "the source's value written again")
        up.wait_idle()
        assert somebody.holds(team.path) == b"ours"
        assert value(up, team.consumer) == b"ours"
        assert up.at.events(CONFLICTED, team.path) >= 1
        assert ticks(up) == swept
        published = up.at.query("SELECT data FROM event WHERE type = ? AND subject LIKE ?", PUBLISHED, f"%{team.path}")
        assert 2 not in {json.loads(data)["version"]["number"] for (data,) in published}
        assert up.at.dead_letters() == []


@pytest.mark.parametrize("consumed", [True, False])
def test_a_write_on_a_path_that_is_rotated_is_named_and_never_distributed(
    embedded: Installation, team: Team, people: Callable[[Running], People], consumed: bool
) -> None:
    embedded.configure(**SELDOM)
    target = {
        "apiVersion": "lockstep.dev/v1alpha1", "kind": "RotationTarget", "metadata": {"name": team.name},
        "spec": {"type": "generated", "allow": [{"namespaces": [team.consumer], "accounts": ["*"]}]},
    }  # fmt: skip
    rotation = {
        "apiVersion": "lockstep.dev/v1alpha1", "kind": "Rotation",
        "metadata": {"namespace": team.consumer, "name": team.name},
        "spec": {
            "secretStoreRef": {"name": "vault-backend"}, "remoteKey": team.path, "strategy": "single",
            "target": {"name": team.name, "account": "signing"},
        },
    }  # fmt: skip
    (embedded.root / "targets").mkdir(exist_ok=True)
    embedded.lay(embedded.root / "targets" / f"{team.name}.yaml", yaml.safe_dump(target))
    name = f"{team.consumer}/{team.name}"
    with embedded.running() as up:
        embedded.wire(team.name, rotation, *([external_secret(team.target, team.path)] if consumed else []))
        up.wait_for(lambda: up.secret(team.full_path) is not None, "the wiring")

        def rotated(version: int) -> None:
            up.control.tell("rotate", name=name)
            up.wait_for(lambda: up.version(team.full_path) == version, f"version {version}")
            up.wait_for(lambda: up.control.ask("rotation", name=name)["phase"] == "completed", "the rotation's end")
            up.wait_for(lambda: up.in_step(team.full_path), "the path in step")
            up.wait_idle()

        rotated(1)
        kept, somebody, swept = up.at.values(*team.target.split("/")), people(up), ticks(up)
        assert (kept is not None) == consumed
        somebody.put(team.path, "theirs")
        up.wait_for(lambda: up.at.events(CONFLICTED, team.path) >= 1, "the conflict")
        assert ticks(up) == swept, "the hint led to it"
        wrong = up.wrong(team.full_path)
        assert "somebody else wrote it" in wrong
        assert f"`lockstep rotate {name}`" in wrong
        explained = up.control.ask("explain", name=team.full_path)
        assert explained["firstBroken"]["hop"] == "authority"
        assert explained["firstBroken"]["mend"] == [f"lockstep rotate {name}"]
        up.wait_idle()
        assert up.at.values(*team.target.split("/")) == kept
        assert up.version(team.full_path) == 1
        rotated(3)  # over what they wrote
        made = up.at.values(*team.target.split("/"))
        assert (made is not None) == consumed
        assert made is None or (made.keys() == (kept or {}).keys() and made != kept and b"theirs" not in made.values())
        assert up.wrong(team.full_path) == ""
        assert up.at.dead_letters() == []


@pytest.mark.orderly("it counts what changes of ours tell")
def test_our_own_writes_tell_nothing(embedded: Installation, team: Team) -> None:
    embedded.configure(**SELDOM)
    (embedded.root / "state" / "audit-position.json").unlink(missing_ok=True)  # of the ROOT that this is a copy of
    embedded.wire(team.name, push_secret("postgres", team.source, team.path), external_secret(team.target, team.path))
    with embedded.running() as up:
        embedded.put(team.producer, "credentials", {"password": b"first"})
        up.wait_for(lambda: value(up, team.consumer) == b"first", "the first value")
        up.wait_idle()
        before = calls(up)
        for number in range(5):
            embedded.put(team.producer, "credentials", {"password": b"%d" % number})
            up.wait_for(lambda n=number: value(up, team.consumer) == b"%d" % n, "the next value")  # type: ignore[misc]  # bound now
            up.wait_idle()
        up.wait_for(lambda: metric(up, 'audit_writes_total{outcome="own"}') >= 6, "our own lines to be read")
        assert up.at.events(WRITTEN) == 0
        assert calls(up) - before == 4 * 5, "per change: read, claim, write, and one read for the consumer"
        assert metric(up, 'audit_writes_total{outcome="told"}') == 0
        assert metric(up, "audit_gaps_total") == 0


def test_an_existing_authoritys_file_across_a_restart(openbao: OpenBao, team: Team, tmp_path: Path) -> None:
    """All steps share one AppRole of any name: its entity is how their lines are known."""
    openbao.admit("somebody", EVERYTHING)
    openbao.admit("people-elsewhere", EVERYTHING)
    identity = openbao.embedded.identity("somebody")
    somebody = People(openbao.client("people-elsewhere"))
    address = openbao.settings.address
    installation = Installation(
        tmp_path / "root",
        environment={
            "VAULT_ADDR": address, "VAULT_ROLE_ID": identity.role_id,
            "VAULT_SECRET_ID": identity.secret_id.reveal().decode(),
        },
    )  # fmt: skip
    installation.configure(**SELDOM, cluster=team.name, audit={"file": str(openbao.embedded.audit_file)})
    own = f"auth/{team.name}"
    installation.wire("store", store(server=address))
    installation.wire(
        team.name, push_secret("postgres", team.source, team.path), external_secret(team.target, team.path),
        external_secret(f"{team.consumer}-b/postgres", own),
    )  # fmt: skip
    with installation.running() as up:
        installation.put(team.producer, "credentials", {"password": b"ours"})
        up.wait_for(lambda: value(up, team.consumer) == b"ours", "our value")
        somebody.put(own, "one")
        up.wait_for(lambda: value(up, f"{team.consumer}-b") == b"one", "their value")
        up.wait_idle()
        assert up.at.events(WRITTEN, own) == 1
        up.stop()
        somebody.put(own, "while down")
        up.restart()
        up.wait_for(lambda: up.at.events(WRITTEN, own) == 2, "what was written meanwhile")
        up.wait_for(lambda: value(up, f"{team.consumer}-b") == b"while down", "its value")
        assert up.at.events(WRITTEN, team.path) == 0, "our own line is none of theirs"
        assert metric(up, "audit_gaps_total") == 0
