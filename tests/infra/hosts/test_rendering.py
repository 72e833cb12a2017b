"""Generated files: drift is named and fails, and generating mends it."""

from pathlib import Path

import pytest

from infra.hosts import rendering

ROOT = Path(__file__).parents[3]


def test_nothing_in_the_repository_differs_from_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert rendering.main(["--check"]) == 0, capsys.readouterr().out


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of its own, with two generated files."""
    module = tmp_path / "infra" / "hosts" / "rendering.py"
    module.parent.mkdir(parents=True)
    module.write_text("")
    monkeypatch.setattr(rendering, "__file__", str(module))
    monkeypatch.setattr(rendering, "RENDERERS", (lambda: {"docs/a.md": "a\n"}, lambda: {"deep/er/b.yaml": "b\n"}))
    return tmp_path


def test_drift_is_named_and_nothing_is_written(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (elsewhere / "docs").mkdir()
    (elsewhere / "docs" / "a.md").write_text("something else\n")
    assert rendering.main(["--check"]) == 1
    told = capsys.readouterr()
    assert told.out.splitlines() == ["differs from the code: deep/er/b.yaml", "differs from the code: docs/a.md"]
    assert "make generate" in told.err
    assert (elsewhere / "docs" / "a.md").read_text() == "something else\n"
    assert not (elsewhere / "deep").exists()


def test_generating_mends_it_once(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rendering.main([]) == 0
    assert capsys.readouterr().out.splitlines() == ["written: deep/er/b.yaml", "written: docs/a.md"]
    assert (elsewhere / "deep" / "er" / "b.yaml").read_text() == "b\n"
    assert rendering.main([]) == rendering.main(["--check"]) == 0
    assert capsys.readouterr().out == ""


def test_no_two_renderers_write_one_file() -> None:
    written = [name for render in rendering.RENDERERS for name in render()]
    assert len(set(written)) == len(written)
    assert all((ROOT / name).is_relative_to(ROOT) and ".." not in name for name in written)
