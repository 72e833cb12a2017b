"""Which cluster is meant when nobody says so, and the one around a Pod."""

from pathlib import Path

import pytest

from infra.kubernetes import settings as module
from infra.kubernetes.settings import ClusterSettings, InvalidSettings, in_cluster, settings_from


def account(directory: Path, content: str = "t1") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in (("token", content), ("namespace", "lockstep\n"), ("ca.crt", "PEM")):
        (directory / name).write_text(text)
    return directory


def token_of(found: ClusterSettings) -> bytes:
    token = found.credentials.token()
    assert token is not None
    return token.reveal()


def test_a_pod_speaks_to_its_cluster_as_its_service_account(tmp_path: Path) -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"}
    found = in_cluster(environ, account(tmp_path))
    assert (found.server, found.namespace, found.context) == ("https://10.0.0.1:6443", "lockstep", "in-cluster")
    assert (found.ca, token_of(found)) == (b"PEM", b"t1")
    account(tmp_path, "renewed-by-the-kubelet")
    assert token_of(found) == b"renewed-by-the-kubelet"


def test_a_step_has_a_projected_token_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "publish").write_text("for-publish")
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1"}
    found = in_cluster(environ, account(tmp_path / "sa"), token_file=tmp_path / "publish")
    assert (found.server, token_of(found)) == ("https://[fd00::1]:443", b"for-publish")


def test_outside_of_a_cluster_there_is_none_around_us(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="KUBERNETES_SERVICE_HOST"):
        in_cluster({}, tmp_path)
    with pytest.raises(InvalidSettings, match="automountServiceAccountToken"):
        in_cluster({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, tmp_path)


def test_whoever_asks_for_a_kubeconfig_gets_it_in_a_cluster_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "in_cluster", lambda environ: "around")
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOME": str(tmp_path)}
    assert settings_from(environ) == "around"  # type: ignore[comparison-overlap]  # the stand-in above
    for asked in ({"context": "c"}, {"kubeconfig": str(tmp_path / "k")}):
        with pytest.raises(InvalidSettings, match="there is no kubeconfig"):
            settings_from(environ, **asked)
    with pytest.raises(InvalidSettings, match="there is no kubeconfig"):
        settings_from({**environ, "KUBECONFIG": str(tmp_path / "k")})


@pytest.mark.parametrize("server", ["", "host:6443", "ftp://host", "https://", "https://u:p@host", "https://host?x=1"])
def test_a_server_is_an_address_and_nothing_else(server: str) -> None:
    with pytest.raises(InvalidSettings):
        ClusterSettings(server=server)


def test_a_server_may_be_behind_a_prefix() -> None:
    assert ClusterSettings(server="https://rancher.example/k8s/clusters/c-1").server.endswith("/c-1")
