"""Building into the cache: whole or not at all, once, and a failure that says what to do."""

import io
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.testbed import binaries, building, crds, generating
from infra.testbed.failures import BuildError
from infra.testbed.toolchain import Go
from tests.infra.testbed.go_stub import GoStub, recipe

GIB = 1024**3
PATIENCE = 30.0


def test_programs_are_installed_together(tmp_path: Path) -> None:
    go, wanted, out = GoStub(tmp_path / "go"), recipe(tmp_path / "module", "server", "client"), io.StringIO()
    installed = building.install(wanted, tmp_path, Go(go.path / "go", {}), out)
    assert installed == tmp_path / wanted.folder_name
    assert sorted(path.name for path in installed.iterdir()) == ["client", "server"]
    assert "building server and client v1.2.3: begins" in out.getvalue()
    assert "building server and client v1.2.3: done" in out.getvalue()
    assert "-trimpath" in go.calls[-1]


def test_a_failed_build_leaves_nothing_and_says_what_to_do(tmp_path: Path) -> None:
    go, wanted = GoStub(tmp_path / "go", fails="build"), recipe(tmp_path / "module", "server")
    with pytest.raises(BuildError) as failure:
        building.install(wanted, tmp_path, Go(go.path / "go", {}), io.StringIO())
    assert "`go build` of server v1.2.3" in str(failure.value)
    assert "cannot be built here" in str(failure.value)
    assert "KUBEBUILDER_ASSETS" in str(failure.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["go", "module"]


def test_memory_bounds_the_compilers() -> None:
    assert building.parallel(8, 64 * GIB) == 8
    assert building.parallel(8, 5 * GIB) == 2
    assert building.parallel(8, GIB) == 1


def test_two_processes_at_once_build_once(tmp_path: Path) -> None:
    go = GoStub(tmp_path / "go", held=True)
    environ = {"PATH": str(go.path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "infra.testbed", "build"]
    first, second = (
        subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    )
    with first, second:
        end = time.monotonic() + PATIENCE
        while not any(call.startswith("build") for call in go.calls) and time.monotonic() < end:
            time.sleep(0.01)
        go.let_go()
        told = [process.communicate(timeout=PATIENCE)[1] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), told
    # etcd, the Kubernetes programs, and what makes definitions
    assert len([call for call in go.calls if call.startswith("build")]) == 3
    assert binaries.find(environ).etcd.is_file()
    (made,) = crds.find([generating.GROUP], environ)
    assert made["metadata"]["name"] == "widgets.external-secrets.io"


def test_a_generator_that_makes_nothing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = GoStub(tmp_path / "go", makes="#!/bin/sh\necho no types here >&2\n")
    monkeypatch.setenv("PATH", f"{go.path}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(BuildError, match=r"made no definitions of .*external-secrets v\S+: no types here"):
        generating.provide(io.StringIO())
    assert not generating.folder().exists()
    with pytest.raises(crds.NoDefinitionsError, match="make testbed"):
        crds.find([generating.GROUP])
