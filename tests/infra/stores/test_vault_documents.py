"""Claims, tombstones, anchors and signatures as documents at a real OpenBao, and what spoils them."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from events.references import ManifestRef, PathRef, Version
from functions._failures import Conflict, Reject, Unavailable
from functions._ports import Claim, Tombstone
from functions._values import SecretValue
from infra.stores.vault.anchors import Anchor, VaultAnchors
from infra.stores.vault.authority import VaultAuthority
from infra.stores.vault.claims import VaultClaims, claim_name
from infra.stores.vault.kv import KvEngine
from infra.stores.vault.tombstones import VaultTombstones
from infra.stores.vault.transit import TransitSigner
from tests.openbao import OpenBao

pytestmark = pytest.mark.e2e


def claim_of(path: PathRef) -> Claim:
    return Claim(path, "PushSecret team/app", "local", "u-1", "producer", 1, "active")


def failing(notice: str) -> None:
    raise AssertionError(notice)


def test_the_mirror_is_merged_and_written_only_when_the_claim_changes(openbao: OpenBao) -> None:
    path, engine = openbao.path(), openbao.engine()
    engine.merge_custom_metadata(path.mount, path.path, {"contact": "team@example", "managed-by": "people"})
    claims, authority = VaultClaims(engine, failing), VaultAuthority(engine)
    claim = claims.create(claim_of(path))
    openbao.calls.clear()
    version = authority.write(path, {"a": SecretValue.of("1")}, None)
    authority.write(path, {"a": SecretValue.of("2")}, version)
    assert [kind for _, kind in openbao.calls] == ["write", "write"]
    claims.update(replace(claim, epoch=2))
    found = engine.metadata(path.mount, path.path)
    assert found is not None
    assert found.newest == 2
    assert found.custom == {
        "contact": "team@example",
        "managed-by": "lockstep",
        "lockstep-owner": "PushSecret team/app",
        "lockstep-cluster": "local",
        "lockstep-origin": "producer",
        "lockstep-state": "active",
        "lockstep-epoch": "2",
    }


def test_a_mirror_without_data_is_no_path(openbao: OpenBao) -> None:
    path, engine = openbao.path(), openbao.engine()
    VaultClaims(engine, failing).create(claim_of(path))
    authority = VaultAuthority(engine)
    assert authority.head(path) is None
    assert authority.read(path) is None
    assert authority.write(path, {}, None).number == 1


def test_a_mirror_that_fails_is_noticed_and_the_claim_stands(openbao: OpenBao) -> None:
    path, notices = openbao.path(), list[str]()
    openbao.admit("no-mirror", 'path "lockstep/data/*" {\n  capabilities = ["create", "read", "update"]\n}\n')
    claims = VaultClaims(KvEngine(openbao.client("no-mirror")), notices.append)
    created = claims.create(claim_of(path))
    assert claims.read(path) == created
    assert len(notices) == 1
    assert "custom_metadata" in notices[0]


def test_a_mirror_is_merged_where_data_came_before_it(openbao: OpenBao, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two deliveries side by side: one makes the claim, the other writes the path before the first mirrors it."""
    path, admin = openbao.path(), openbao.engine()
    openbao.admit(
        "mirror",
        'path "lockstep/data/*" {\n  capabilities = ["create", "read", "update"]\n}\n'
        f'path "{path.mount}/metadata/{path.path}" {{\n  capabilities = ["create", "patch"]\n}}\n',
    )
    client = openbao.client("mirror")
    call = client.call

    def interleaved(method: str, where: str, **arguments: Any) -> Any:
        answer = call(method, where, **arguments)
        if answer.status == 404 and method == "PATCH":
            admin.write(path.mount, path.path, {"a": "1"}, 0)
        return answer

    monkeypatch.setattr(client, "call", interleaved)
    VaultClaims(KvEngine(client), failing).create(claim_of(path))
    found = admin.metadata(path.mount, path.path)
    assert found is not None
    assert (found.newest, found.custom["managed-by"]) == (1, "lockstep")


def test_a_claim_that_people_deleted_is_missed(openbao: OpenBao) -> None:
    """Whose the path is, and what was revoked there, is not forgotten in silence; it can be forgotten by order."""
    path, engine = openbao.path(), openbao.engine()
    claims = VaultClaims(engine, failing)
    claims.create(claim_of(path))
    engine.delete("lockstep", claim_name(path), (1,))
    undelete = (
        rf"deleted at the authority; restore it \(`bao kv undelete -mount=lockstep -versions=1 {claim_name(path)}"
    )
    with pytest.raises(Reject, match=undelete):
        claims.read(path)
    with claims.reading(path) as found, pytest.raises(Reject, match=undelete):
        found()
    with pytest.raises(Conflict):
        claims.create(claim_of(path))
    engine.delete_metadata("lockstep", claim_name(path))
    assert claims.read(path) is None
    assert claims.create(claim_of(path)).revision == 1


def test_a_page_of_revoked_values_that_people_deleted_is_missed(openbao: OpenBao) -> None:
    path, engine = openbao.path(), openbao.engine()
    claims = VaultClaims(engine, failing)
    claims.remember(path, 0, ("one",))
    engine.delete("lockstep", f"{claim_name(path)}/revoked/0", (1,))
    for asked in (lambda: claims.revoked(path, 0), lambda: claims.remember(path, 0, ("two",))):
        with pytest.raises(Reject, match=r"page 0 of what was revoked at .* was deleted at the authority"):
            asked()


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda document: {}, "not a document"),
        (lambda document: document | {"schema": "1"}, "not a document"),
        (lambda document: document | {"schema": 99}, "newer release"),
        (lambda document: document | {"state": "mine"}, "malformed"),
        (lambda document: document | {"epoch": "1"}, "malformed"),
        (lambda document: document | {"properties": "password"}, "malformed"),
        (lambda document: document | {"deleted": ["1"]}, "malformed"),
        (lambda document: document | {"owner": None}, "malformed"),
        (lambda document: document | {"path": "../x"}, "malformed"),
        (lambda document: document | {"path": "somebody/elses"}, "moved"),
    ],
)
def test_a_spoilt_claim_is_rejected(
    openbao: OpenBao, spoil: Callable[[dict[str, Any]], dict[str, Any]], complaint: str
) -> None:
    path, engine = openbao.path(), openbao.engine()
    claims = VaultClaims(engine, failing)
    claims.create(claim_of(path))
    found = engine.read("lockstep", claim_name(path))
    assert found is not None
    assert found.data is not None
    engine.write("lockstep", claim_name(path), spoil(dict(found.data)), 1)
    with pytest.raises(Reject, match=complaint):
        claims.read(path)


def test_ids_that_are_no_names_are_rejected(openbao: OpenBao) -> None:
    tombstones = VaultTombstones(openbao.engine())
    for tombstone_id in ("", "../claims/x", "a/b", "a?list=true"):
        with pytest.raises(Reject, match="id of a tombstone"):
            tombstones.read(tombstone_id)


def test_one_spoilt_tombstone_holds_up_no_other(openbao: OpenBao) -> None:
    engine, cluster = openbao.engine(), uuid4().hex[:8]
    tombstones, path = VaultTombstones(engine, cluster=cluster), openbao.path()
    manifest, now = ManifestRef(kind="PushSecret", namespace="team", name="app"), datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(2):
        tombstones.create(Tombstone(f"{number:032x}", manifest, path, "delete-path", now, now))
    engine.write("lockstep", f"tombstones/{cluster}_not-an-id", {"schema": 1}, 0)  # somebody's
    engine.write("lockstep", f"tombstones/{cluster}_{1:032x}", {"schema": 1, "id": f"{1:032x}"}, 1)
    assert [one.id for one in tombstones.list()] == [f"{0:032x}"]
    with pytest.raises(Reject, match="malformed"):
        tombstones.read(f"{1:032x}")


def test_values_that_people_stored_as_json_read_as_text(openbao: OpenBao) -> None:
    path, admin = openbao.path(), openbao.admin()
    data = {"n": 5432, "f": 1.5, "t": True, "none": None, "o": {"a": [1, "é"]}, "s": "plain"}
    admin.call("POST", f"secret/data/{path.path}", body={"data": data}, kind="test")
    stored = VaultAuthority(KvEngine(admin)).read(path)
    assert stored is not None
    assert stored.data is not None
    assert {key: value.reveal().decode() for key, value in stored.data.items()} == {
        "n": "5432",
        "f": "1.5",
        "t": "true",
        "none": "null",
        "o": '{"a":[1,"é"]}',
        "s": "plain",
    }


def test_names_that_no_manifest_can_give_are_not_listed(openbao: OpenBao) -> None:
    path, admin = openbao.path("fine"), openbao.admin()
    directory = path.path.rpartition("/")[0]
    for name in ("fine", "with%20space", "dir%20x/below", "-leading"):
        admin.call("POST", f"secret/data/{directory}/{name}", body={"data": {}}, kind="test")
    assert VaultAuthority(KvEngine(admin)).list("secret", directory) == (path,)


def _once_ready(write: Callable[[], Version]) -> Version:
    """A KV mount that was just made refuses for a moment, longer on a busy machine."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return write()
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_mounts_in_a_namespace(openbao: OpenBao) -> None:
    admin = openbao.admin()
    admin.call("POST", "sys/namespaces/team-a", body={}, kind="test")
    admin.call("POST", "team-a/sys/mounts/kv", body={"type": "kv", "options": {"version": "2"}}, kind="test")
    authority = VaultAuthority(KvEngine(admin))
    path = PathRef(mount="team-a/kv", path="app/db")
    version = _once_ready(lambda: authority.write(path, {"a": SecretValue.of("1")}, None))
    assert authority.head(path) is not None
    assert authority.list("team-a/kv", "") == (path,)
    authority.delete(path, (version.number,))
    with pytest.raises(Reject):
        authority.read(PathRef(mount="kv", path="app/db"))


def test_anchors_compare_and_set(openbao: OpenBao) -> None:
    engine = openbao.engine()
    engine.delete_metadata("lockstep", "anchors/local_ledger")
    anchors = VaultAnchors(engine)
    assert anchors.read() is None
    first = Anchor(7, "ab12", "vault:v1:c2ln", 1, datetime(2026, 1, 1, tzinfo=UTC), "ledger-1")
    written = anchors.write(first)
    assert anchors.read() == written == replace(first, revision=1)
    with pytest.raises(Conflict):
        anchors.write(first)
    assert anchors.write(replace(written, sequence=9)).revision == 2


def test_signatures(openbao: OpenBao) -> None:
    admin = openbao.admin()
    signer = TransitSigner(admin)
    first = signer.sign(b"head")
    assert first.key_version == 1
    assert signer.verify(b"head", first.text)
    assert not signer.verify(b"other head", first.text)
    for forged in ("", "vault:v1:", "vault:v1:Zm9yZ2Vk", "vault:v9:Zm9yZ2Vk", first.text.replace("v1", "v2")):
        assert not signer.verify(b"head", forged)
    with pytest.raises(Reject, match="no key"):
        TransitSigner(admin, key="none").verify(b"head", first.text)
    with pytest.raises(Reject):
        TransitSigner(admin, mount="none").verify(b"head", first.text)
    with pytest.raises((Reject, Unavailable)):
        admin.call("GET", "lockstep-transit/export/signing-key/ledger", kind="test")
