"""The folder of RotationTargets: what is declared, and what stays in force while somebody mends a slip."""

from pathlib import Path

import pytest

from infra.wiring.targets import TargetFolder
from tests.infra.wiring.samples import rotation_target, together


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "targets"
    made.mkdir()
    return made


def names(targets: TargetFolder) -> list[str]:
    return [target.name for target in targets.all()]


def test_no_folder_declares_nothing(tmp_path: Path) -> None:
    targets = TargetFolder(tmp_path / "targets")
    assert targets.reload() == ()
    assert targets.all() == ()
    assert targets.named("orders-postgres") is None


def test_what_is_declared(folder: Path) -> None:
    (folder / "a.yaml").write_text(together(rotation_target("b"), rotation_target("a")))
    targets = TargetFolder(folder)
    assert targets.reload() == ()
    assert names(targets) == ["a", "b"]
    found = targets.named("a")
    assert found is not None
    assert found.spec.type == "postgres"


def test_it_is_the_same_object_until_something_changes(folder: Path) -> None:
    file = folder / "a.yaml"
    file.write_text(rotation_target("a"))
    targets = TargetFolder(folder)
    targets.reload()
    before = targets.all()
    targets.reload()
    assert targets.all() is before
    file.write_text(rotation_target("a", accounts="['x']"))
    targets.reload()
    assert targets.all() is not before


def test_a_slip_keeps_what_was_declared_and_names_file_and_line(folder: Path) -> None:
    file = folder / "a.yaml"
    file.write_text(rotation_target("a"))
    targets = TargetFolder(folder)
    targets.reload()
    file.write_text(rotation_target("a").replace("allow:", "alow:"))
    (problem,) = targets.reload()
    assert problem.startswith("targets/a.yaml:")
    assert "alow" in problem
    assert names(targets) == ["a"]
    file.write_text("kind: [")
    assert targets.reload()
    assert names(targets) == ["a"]
    file.unlink()
    assert targets.reload() == ()
    assert names(targets) == []


def test_of_two_with_one_name_neither_counts(folder: Path) -> None:
    """Which credential is used, and for whom, must not be a matter of file names."""
    for name in ("a", "b"):
        (folder / f"{name}.yaml").write_text(rotation_target("same"))
    targets = TargetFolder(folder)
    assert len(targets.reload()) == 2
    assert targets.named("same") is None


def test_other_kinds_do_not_belong_there(folder: Path) -> None:
    (folder / "a.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")
    (problem,) = TargetFolder(folder).reload()
    assert "is no RotationTarget" in problem
