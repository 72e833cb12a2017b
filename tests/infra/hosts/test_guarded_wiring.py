"""Store manifests name only servers that the operator allows."""

from pathlib import Path

import pytest

from events.references import ManifestRef
from functions._manifests.conventions import ConventionPolicy
from infra.hosts.guarded_wiring import GuardedWiring
from tests.infra.wiring.samples import STORE, external, push, together

PUSH = ManifestRef(kind="PushSecret", namespace="platform-data", name="temporal")
PULL = ManifestRef(kind="ExternalSecret", namespace="temporal", name="temporal")
OURS = ("https://vault.example:8200/", "https://other.example:8200")


def wiring(folder: Path, server: str, servers: tuple[str, ...] | None) -> GuardedWiring:
    store = STORE.replace("vault: {", f"vault: {{server: {server!r}, " if server else "vault: {")
    (folder / "all.yaml").write_text(together(store, push(), external()))
    made = GuardedWiring(folder, ConventionPolicy(), servers)
    made.reload()
    return made


@pytest.mark.parametrize("server", ["https://vault.example:8200", "https://vault.example:8200/", OURS[1], ""])
def test_an_allowed_server(tmp_path: Path, server: str) -> None:
    found = wiring(tmp_path, server, OURS)
    assert (found.problem(PUSH), found.problem(PULL)) == (None, None)


@pytest.mark.parametrize(
    "server", ["https://elsewhere.example:8200", "http://vault.example:8200", "https://vault.example"]
)
def test_another_server_may_not_act_either_way(tmp_path: Path, server: str) -> None:
    found = wiring(tmp_path, server, OURS)
    for ref in (PUSH, PULL):
        problem = found.problem(ref) or ""
        assert server in problem
        assert "authority.allowedServers in lockstep.yaml" in problem


def test_a_store_of_one_entry_alone_is_looked_at_too(tmp_path: Path) -> None:
    other = STORE.replace("vault-backend", "other").replace("vault: {", "vault: {server: 'https://elsewhere.example', ")
    entry = "{secretKey: a, remoteRef: {key: platform-data/postgres/temporal, property: password}, "
    entry += "sourceRef: {storeRef: {name: other, kind: ClusterSecretStore}}}"
    (tmp_path / "all.yaml").write_text(together(STORE, other, push(), external(data=f"[{entry}]")))
    found = GuardedWiring(tmp_path, ConventionPolicy(), OURS)
    found.reload()
    assert "https://elsewhere.example" in (found.problem(PULL) or "")


@pytest.mark.parametrize("servers", [None, ()])
def test_the_mounts_of_this_lockstep_are_nobodys(tmp_path: Path, servers: tuple[str, ...] | None) -> None:
    (tmp_path / "all.yaml").write_text(together(STORE, push(), external()))
    found = GuardedWiring(tmp_path, ConventionPolicy(), servers, ("secret", "keys"))
    found.reload()
    for ref in (PUSH, PULL):
        assert "where Lockstep keeps its own documents" in (found.problem(ref) or "")


@pytest.mark.parametrize("path", ["lockstep", "sys", "secret/data/platform-data"])
def test_a_reserved_mount_leads_nowhere(tmp_path: Path, path: str) -> None:
    """Neither a write nor a grant comes of it: the store resolves to no mount at all."""
    (tmp_path / "all.yaml").write_text(together(STORE.replace("path: secret", f"path: {path}"), push(), external()))
    found = GuardedWiring(tmp_path, ConventionPolicy(), None)
    found.reload()
    assert found.mount("vault-backend") is None
    assert not [path for push in found.snapshot().pushes() for path in push.entries]
    for ref in (PUSH, PULL):
        assert repr(path) in (found.problem(ref) or "")


def test_the_embedded_authority_ignores_servers(tmp_path: Path) -> None:
    found = wiring(tmp_path, "https://elsewhere.example:8200", None)
    assert (found.problem(PUSH), found.problem(PULL)) == (None, None)


def test_none_allowed_is_not_all_allowed(tmp_path: Path) -> None:
    assert wiring(tmp_path, OURS[0], ()).problem(PUSH) is not None


def test_another_problem_comes_first(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(together(STORE, push(stores="[{name: none, kind: ClusterSecretStore}]")))
    found = GuardedWiring(tmp_path, ConventionPolicy(), OURS)
    found.reload()
    assert "none" in (found.problem(PUSH) or "")
    assert found.problem(PULL) is None, "what is not there has no problem"


def test_what_was_found_out_holds_for_one_snapshot_only(tmp_path: Path) -> None:
    found = wiring(tmp_path, "https://elsewhere.example:8200", OURS)
    assert found.problem(PUSH)
    assert found.problem(PUSH) == found.problem(PUSH)
    (tmp_path / "all.yaml").write_text(together(STORE, push(), external()))
    found.reload()
    assert (found.problem(PUSH), found.problem(PULL)) == (None, None)
    assert found.problem(ManifestRef(kind="PushSecret", namespace="platform-data", name="not-there")) is None
