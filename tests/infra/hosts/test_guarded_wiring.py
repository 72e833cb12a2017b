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


@pytest.mark.parametrize("server", ["https://elsewhere.example:8200", "http://vault.example:8200", "https://vault.example"])
def test_another_server_may_not_act_either_way(tmp_path: Path, server: str) -> None:
    found = wiring(tmp_path, server, OURS)
    for ref in (PUSH, PULL):
        problem = found.problem(ref) or ""
        assert server in problem
        assert "authority.allowedServers in lockstep.yaml" in problem


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
