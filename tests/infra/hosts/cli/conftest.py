"""Installations for commands that speak with a running Lockstep; one is shared by tests that break nothing."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.hosts.cli.commands import prepared, settled
from tests.instance import Running


@pytest.fixture
def root(openbao_template: Path, tmp_path: Path) -> Path:
    """A ROOT of the test's own, whose OpenBao was set up already."""
    shutil.copytree(openbao_template, tmp_path / "root")
    return tmp_path / "root"


@pytest.fixture(scope="module")
def up(openbao_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A running Lockstep, shared by the module: its tests leave nothing that the others would see."""
    root = tmp_path_factory.mktemp("shared") / "root"
    shutil.copytree(openbao_template, root)
    with prepared(root).running() as running:
        settled(running)
        yield running
