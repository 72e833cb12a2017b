"""Where the programs are looked for, and in which order."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from infra.testbed import binaries
from infra.testbed.failures import NoBinariesError
from infra.testbed.recipes import ETCD, KUBERNETES

SERVERS = ("kube-apiserver", "kube-controller-manager")


def programs(folder: Path, names: Iterable[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Nothing on PATH, and a cache of the test's own."""
    return {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": str(tmp_path / "empty"), "HOME": str(tmp_path)}


def cached(environ: dict[str, str]) -> None:
    programs(binaries.cache(environ) / KUBERNETES.folder_name, KUBERNETES.programs)
    programs(binaries.cache(environ) / ETCD.folder_name, ETCD.programs)


def test_the_assets_come_before_path_and_path_before_the_cache(tmp_path: Path, environ: dict[str, str]) -> None:
    cached(environ)
    assert binaries.find(environ).etcd.parent.name == ETCD.folder_name
    environ["PATH"] = str(programs(tmp_path / "path", (*SERVERS, "etcd")))
    assert binaries.find(environ).kube_apiserver.parent == tmp_path / "path"
    environ["KUBEBUILDER_ASSETS"] = str(programs(tmp_path / "assets", (*SERVERS, "etcd", "kubectl")))
    found = binaries.find(environ)
    assert {found.etcd.parent, found.kube_apiserver.parent} == {tmp_path / "assets"}
    assert found.kubectl == tmp_path / "assets" / "kubectl"


def test_an_api_server_without_its_controller_manager_does_not_count(tmp_path: Path, environ: dict[str, str]) -> None:
    """As in envtest's assets: a controller manager from elsewhere might be newer, which is not supported."""
    environ["KUBEBUILDER_ASSETS"] = str(programs(tmp_path / "assets", ("kube-apiserver", "etcd", "kubectl")))
    assert binaries.wanting(environ) == (KUBERNETES,)
    cached(environ)
    found = binaries.find(environ)
    assert found.etcd.parent == tmp_path / "assets"
    assert found.kube_apiserver.parent == found.kube_controller_manager.parent != tmp_path / "assets"


def test_missing_programs_are_named_with_what_to_do(environ: dict[str, str]) -> None:
    with pytest.raises(NoBinariesError, match=r"run `make testbed`.*kube-apiserver, kube-controller-manager, etcd"):
        binaries.find(environ)
    assert binaries.wanting(environ) == (ETCD, KUBERNETES)


def test_nothing_is_wanting_where_everything_is_cached(environ: dict[str, str]) -> None:
    cached(environ)
    assert binaries.wanting(environ) == ()
