"""One ROOT at work in this process, with a real embedded OpenBao."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.hosts.local.instance import Instance
from tests.infra.wiring.samples import STORE, external, push, together


@pytest.fixture
def root(openbao_template: Path, tmp_path: Path) -> Path:
    """A ROOT with one wired path, whose OpenBao was set up before."""
    return laid_out(openbao_template, tmp_path / "root")


@pytest.fixture(scope="module")
def instance(openbao_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Running, and shared by a module's tests: they break nothing."""
    made = Instance(laid_out(openbao_template, tmp_path_factory.mktemp("instance") / "root"))
    made.start()
    try:
        yield made
    finally:
        made.stop()


def laid_out(template: Path, root: Path) -> Path:
    shutil.copytree(template, root)
    (root / "wiring").mkdir()
    (root / "wiring" / "all.yaml").write_text(together(STORE, push(), external()))
    return root
