"""A ROOT without manifests, and manifests where nothing reads them."""

from pathlib import Path

import pytest

from infra.hosts.local.unwired import unwired


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "wiring").mkdir()
    return tmp_path


def test_an_empty_root_is_remarked(root: Path) -> None:
    (said,) = unwired(root)
    assert said.startswith(f"no manifests in {root / 'wiring'} yet; ")


@pytest.mark.parametrize("place", ["all.yaml", "team/orders.yml"])
def test_what_is_wired_is_not(root: Path, place: str) -> None:
    (root / "wiring" / place).parent.mkdir(exist_ok=True)
    (root / "wiring" / place).touch()
    (root / "lockstep.yaml").touch()
    (root / "access.yaml").touch()
    assert list(unwired(root)) == []


def test_manifests_beside_the_wiring_are_named(root: Path) -> None:
    for name in ("d.yaml", "c.yaml", "b.yml", "a.yaml", "access.yaml"):
        (root / name).touch()
    empty, stray = unwired(root)
    assert empty.startswith("no manifests")
    assert f"lie in {root} itself (a.yaml, b.yml, c.yaml and 1 more)" in stray
    assert stray.endswith(f"move them to {root / 'wiring'}")
