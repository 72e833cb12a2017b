"""The pins: every published part of Kubernetes in the version that belongs to the server's."""

import re

from infra.testbed.recipes import ETCD, EXTERNAL_SECRETS, KUBERNETES


def test_the_versions_are_those_of_the_go_mod_files() -> None:
    assert re.fullmatch(r"v1\.3[4-9]\.\d+", KUBERNETES.version)
    assert re.fullmatch(r"v3\.\d+\.\d+", ETCD.version)
    assert re.fullmatch(r"v\d+\.\d+\.\d+", EXTERNAL_SECRETS.version)


def test_every_replaced_module_is_of_the_same_release() -> None:
    text = (KUBERNETES.folder / "go.mod").read_text()
    replaced = re.findall(r"^\s+(k8s\.io/\S+) => (\S+) (\S+)$", text, re.MULTILINE)
    assert len(replaced) >= 30
    assert all(module == target for module, target, _ in replaced)
    assert {version for _, _, version in replaced} == {KUBERNETES.version.replace("v1.", "v0.", 1)}


def test_the_api_server_is_linked_with_its_version() -> None:
    assert f"version.gitVersion={KUBERNETES.version}" in KUBERNETES.ldflags
    assert "-X" not in ETCD.ldflags


def test_what_is_built_names_its_place_in_the_cache() -> None:
    assert KUBERNETES.folder_name.startswith(f"kubernetes-{KUBERNETES.version}-")
    assert KUBERNETES.folder_name != ETCD.folder_name
