"""Which Go builds the programs."""

from pathlib import Path

import pytest

from infra.testbed import toolchain
from infra.testbed.failures import BuildError
from tests.infra.testbed.go_stub import GoStub

OLDEST = (1, 26)


def test_the_machines_go_is_taken_when_it_is_new_enough(tmp_path: Path) -> None:
    go = GoStub(tmp_path / "go", "go1.26.8")
    assert toolchain.find(OLDEST, tmp_path, {"PATH": str(go.path)}) == toolchain.Go(go.path / "go", {})


def test_an_older_one_may_fetch_a_newer(tmp_path: Path) -> None:
    go = GoStub(tmp_path / "go", fetches=True)
    found = toolchain.find(OLDEST, tmp_path, {"PATH": str(go.path)})
    assert found == toolchain.Go(go.path / "go", {"GOTOOLCHAIN": "go1.26.0+auto"})


def test_without_a_new_one_the_wheel_is_used(tmp_path: Path) -> None:
    old = GoStub(tmp_path / "old", "go1.22.1")
    wheel = GoStub(tmp_path / "cache" / toolchain.WHEEL.replace("==", "-") / "go" / "bin")
    found = toolchain.find(OLDEST, tmp_path / "cache", {"PATH": str(old.path)})
    assert found.path == wheel.path / "go"


def test_a_machine_without_any_is_told_what_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(BuildError) as failure:
        toolchain.find(OLDEST, tmp_path, {"PATH": ""})
    assert "no `go` is on PATH" in str(failure.value)
    assert f"`pip install {toolchain.WHEEL}` failed" in str(failure.value)
    assert "Install Go, or put kube-apiserver" in str(failure.value)
