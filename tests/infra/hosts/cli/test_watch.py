"""`lockstep watch`: settings that cannot be used; what it tells is tested with infra.hosts.watch."""

import os
from pathlib import Path

import pytest

from infra.hosts import watch
from infra.hosts.cli.failures import Exit
from tests.infra.hosts.cli.commands import lockstep


def test_without_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    assert lockstep("watch", "--context", "kind-dev").exit_code == Exit.USAGE


@pytest.mark.parametrize(("status", "code"), [(0, Exit.OK), (2, Exit.USAGE)])
def test_the_context_and_the_environment_reach_it(status: int, code: Exit, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []

    def main(environ: dict[str, str]) -> int:
        seen.append(environ)
        return status

    monkeypatch.setattr(watch, "main", main)
    monkeypatch.setenv("K_SINK", "http://127.0.0.1:1/")
    assert lockstep("watch", "--context", "kind-dev").exit_code == code
    assert lockstep("watch").exit_code == code
    assert [one["LOCKSTEP_CONTEXT"] for one in seen] == ["kind-dev", os.environ.get("LOCKSTEP_CONTEXT", "")]
    assert {one["K_SINK"] for one in seen} == {"http://127.0.0.1:1/"}
