"""One step as a process of its own: what it refuses to start with, and what it does not load."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_LOADED = """
import sys
import functions, infra.hosts.step
functions.step("publish")
print(*sys.modules)
"""
_LOADED_IN_A_CLUSTER = """
import sys
import functions, infra.hosts.local.one_step, infra.hosts.cluster.step_ground
functions.step("publish")
print(*sys.modules)
"""
# What would make every start longer, or belongs to another process.
_NOT_FOR_ONE_STEP = (
    "functions.materialize", "functions.retract", "functions.sweep", "functions.record",
    "functions._templates.evaluator", "hvac", "urllib3", "infra.broker.broker", "infra.hosts.openbao",
)  # fmt: skip


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    bare = {"PATH": os.environ["PATH"], **environ}
    return subprocess.run(
        [sys.executable, *arguments], env=bare, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(
    ("environ", "status", "told"),
    [
        ({"LOCKSTEP_STEP": "publish"}, 2, "LOCKSTEP_ROOT"),
        ({"LOCKSTEP_STEP": "record"}, 2, "LOCKSTEP_ROOT"),
        ({"LOCKSTEP_STEP": "record", "LOCKSTEP_ROOT": "."}, 2, "VAULT_ADDR"),
        (
            {
                "LOCKSTEP_STEP": "publish",
                "LOCKSTEP_CONTEXT": "in-cluster",
                "BAO_ADDR": "http://127.0.0.1:9",
                "BAO_TOKEN": "x",
            },
            2,
            "KUBERNETES_SERVICE_HOST",
        ),
        (
            {
                "LOCKSTEP_STEP": "publish",
                "LOCKSTEP_CONTEXT": "c",
                "BAO_ADDR": "http://127.0.0.1:9",
                "LOCKSTEP_SETTINGS": "/nonexistent/x",
            },
            2,
            "mount the ConfigMap there",
        ),
        ({"LOCKSTEP_STEP": "publish", "LOCKSTEP_CONTEXT": "c", "LISTEN_ADDRESS": "0.0.0.0:0"}, 2, "--tls-certificate"),
        ({"LOCKSTEP_STEP": "publish", "LOCKSTEP_CONTEXT": "c", "LOCKSTEP_PLAIN_HTTP": "1"}, 2, "beyond-loopback"),
        ({"LOCKSTEP_STEP": "rotate", "LOCKSTEP_ROOT": "."}, 2, "choose one of publish, materialize"),
        ({"LOCKSTEP_STEP": "publish", "LOCKSTEP_ROOT": "."}, 2, "VAULT_ADDR"),
    ],
)
def test_what_is_missing_is_named(environ: dict[str, str], status: int, told: str, tmp_path: Path) -> None:
    if "LOCKSTEP_ROOT" in environ:
        environ = {**environ, "LOCKSTEP_ROOT": str(tmp_path)}
    ended = run("-m", "infra.hosts.step", **environ)
    assert ended.returncode == status
    assert told in ended.stderr


def test_in_a_cluster_too_only_what_the_step_needs_is_loaded() -> None:
    loaded = set(run("-c", _LOADED_IN_A_CLUSTER).stdout.split())
    assert "infra.hosts.cluster.adapters" in loaded
    others = ("infra.hosts.cluster.following", "infra.stores.kubernetes.workloads", "infra.hosts.local.step_ground")
    assert not loaded & {*_NOT_FOR_ONE_STEP, *others}


def test_only_what_the_step_needs_is_loaded() -> None:
    loaded = set(run("-c", _LOADED).stdout.split())
    assert "functions.publish" in loaded
    assert not loaded & set(_NOT_FOR_ONE_STEP)
