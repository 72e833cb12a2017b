"""Clusters of their own: restarted, frozen, shared, left, and stopped however their users end."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from infra.testbed.binaries import Binaries
from infra.testbed.cluster import Cluster, running
from infra.testbed.failures import ClusterError
from tests.infra.testbed.polling import PATIENCE, eventually, processes_of

pytestmark = pytest.mark.e2e

_LAUNCH = """\
import sys
from infra.testbed.cluster import launch
cluster = launch()
print(cluster.directory, flush=True)
sys.stdin.read()
"""


def test_an_api_server_comes_back_with_what_it_knew(own_cluster: Cluster) -> None:
    name, server = own_cluster.create_namespace(), own_cluster.server
    own_cluster.restart_apiserver()
    assert own_cluster.admin.get(f"/api/v1/namespaces/{name}")["metadata"]["name"] == name
    own_cluster.stop_apiserver()
    with pytest.raises(ConnectionRefusedError):
        own_cluster.admin.get("/version")
    with pytest.raises(ClusterError, match="kube-apiserver is stopped"):
        own_cluster.pause()
    own_cluster.start_apiserver()
    assert own_cluster.server == server
    assert own_cluster.admin.get("/version")


def test_a_frozen_api_server_does_not_answer_until_it_is_resumed(own_cluster: Cluster) -> None:
    impatient = own_cluster.api(own_cluster.admin_token, timeout=0.2)
    own_cluster.pause()
    with pytest.raises(TimeoutError):
        impatient.get("/version")
    own_cluster.resume()
    assert own_cluster.admin.get("/version")
    own_cluster.pause()  # which stops nobody from stopping it


def test_it_ends_with_its_last_user(testbed_binaries: Binaries) -> None:
    with running() as cluster:
        other = Cluster(cluster.directory)
        cluster.close()
        assert other.admin.get("/version")
        other.close()
        eventually(lambda: not other.directory.exists())
    eventually(lambda: processes_of(other.directory) == [])
    with pytest.raises(ClusterError, match="no test cluster runs in"):
        Cluster(other.directory)


def test_it_ends_when_its_user_is_killed(testbed_binaries: Binaries) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _LAUNCH], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as user:
        assert user.stdout is not None
        directory = Path(user.stdout.readline().strip())
        assert len(processes_of(directory)) >= 4
        user.kill()
    eventually(lambda: processes_of(directory) == [])
    eventually(lambda: not directory.exists())


def test_its_servers_end_when_their_owner_is_killed(own_cluster: Cluster) -> None:
    os.kill(own_cluster.supervisor, signal.SIGKILL)
    eventually(lambda: processes_of(own_cluster.directory) == [])
    with pytest.raises(ClusterError, match="has ended"):
        own_cluster.restart_apiserver()
    shutil.rmtree(own_cluster.directory)  # its owner could not


def test_a_server_that_cannot_start_is_reported_with_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for program in ("etcd", "kube-apiserver", "kube-controller-manager"):
        (tmp_path / program).write_text("#!/bin/sh\necho cannot work here\nexit 3\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with pytest.raises(ClusterError, match=r"ended with status 3; it said last:\s+cannot work here"), running():
        pass


def test_up_runs_until_it_is_told_to_stop(testbed_binaries: Binaries, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    command = [sys.executable, "-m", "infra.testbed", "up", "--kubeconfig", str(kubeconfig)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        directory = Path(up.stdout.readline().partition("logs in ")[2].partition(";")[0])
        assert up.stdout.readline() == f"export KUBECONFIG={kubeconfig}\n"
        up.send_signal(signal.SIGTERM)
        up.communicate(timeout=PATIENCE)
    assert up.returncode == 0
    assert processes_of(directory) == []
    assert not directory.exists()
