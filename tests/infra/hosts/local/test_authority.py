"""The authority of one machine: which one, what its servers may be called, what steps' policies are bound to."""

from pathlib import Path

import pytest

from events.references import PathRef
from infra.deploy.wired import wired_paths
from infra.hosts.configuration import Configuration, ConfigurationError
from infra.hosts.local.authority import LocalAuthority
from infra.wiring.documents import load_documents
from infra.wiring.index import Index, Source
from tests.infra.wiring.samples import STORE, external, push, together


def authority(root: Path, **sections: object) -> LocalAuthority:
    configuration = Configuration.parse(sections)
    return LocalAuthority(root, configuration, seal_key=None, notice=print, on_call=lambda method, kind: None)


@pytest.fixture(autouse=True)
def _no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VAULT_ADDR", "BAO_ADDR"):
        monkeypatch.delenv(name, raising=False)


def test_the_embedded_one_ignores_servers(tmp_path: Path) -> None:
    found = authority(tmp_path, authority={"allowedServers": ["https://other.example:8200"]})
    assert (found.embedded, found.allowed_servers) == (True, None)


@pytest.mark.parametrize("section", [{"claimsMount": "other"}, {"transitMount": "other"}])
def test_the_embedded_one_has_its_own_mounts(tmp_path: Path, section: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="leave them out"):
        authority(tmp_path, authority=section)


def test_an_existing_one_is_always_allowed_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAO_ADDR", "https://vault.example:8200")
    found = authority(tmp_path, authority={"allowedServers": ["https://other.example:8200"], "claimsMount": "own"})
    assert found.allowed_servers == ("https://vault.example:8200", "https://other.example:8200")
    assert (found.embedded, found.development_seal, found.seal_path) == (False, False, None)
    found.apply_policies(Index(()), [])  # whose policies are its owner's
    found.stop()


def test_policies_are_bound_to_what_is_wired_and_what_still_has_to_go() -> None:
    finder = external("all", more="  dataFrom: [{find: {path: platform-data, name: {regexp: x}}}]", data="[]")
    other = external("other", path="platform-data/redis/temporal", target="{name: other}")
    loaded = load_documents(together(STORE, push(), other, finder).encode(), "wiring/a.yaml")
    index = Index([Source(one.manifest, one.file, one.line) for one in loaded.documents if one.manifest])
    gone = PathRef(mount="secret", path="platform-data/old/temporal")
    found = wired_paths(index, [gone])
    assert found.produced == {PathRef(mount="secret", path="platform-data/postgres/temporal")}
    assert found.consumed == {PathRef(mount="secret", path="platform-data/redis/temporal")}
    assert found.retiring == {gone}
    assert found.searched == {("secret", "platform-data")}
