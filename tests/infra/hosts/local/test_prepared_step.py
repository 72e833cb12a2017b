"""What every server of a single step starts with, and how it ends where that cannot be had."""

from pathlib import Path

import pytest

from functions import NAMES
from infra.hosts.configuration import ConfigurationError
from infra.hosts.local.database import LocalDatabaseError
from infra.hosts.local.prepared_step import chosen_step, ending_on_refusal, prepared, root_from
from infra.hosts.serving import ListenError
from tests.infra.wiring.samples import STORE, push, together

NOWHERE = {"BAO_ADDR": "http://127.0.0.1:9", "BAO_TOKEN": "unused"}


def test_the_step_is_chosen_by_name() -> None:
    assert [chosen_step({"LOCKSTEP_STEP": name}).name for name in NAMES] == list(NAMES)


@pytest.mark.parametrize("name", ["", "Publish", "nonsense", "_step", "publish "])
def test_another_name_is_refused_with_the_choice(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"choose one of {', '.join(NAMES)}"):
        chosen_step({"LOCKSTEP_STEP": name})
    with pytest.raises(ConfigurationError):
        chosen_step({})


def test_the_root_is_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert root_from({"LOCKSTEP_ROOT": "below"}) == tmp_path / "below"
    with pytest.raises(ConfigurationError, match="LOCKSTEP_ROOT is not set"):
        root_from({})


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"LOCKSTEP_STEP": "record", **NOWHERE}, "`record` runs within `up`"),
        ({"LOCKSTEP_STEP": "publish"}, "set VAULT_ADDR or BAO_ADDR"),
    ],
)
def test_what_cannot_be_served_is_said(environ: dict[str, str], says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=says), prepared(tmp_path, environ, lambda _: None):
        pass
    assert list(tmp_path.iterdir()) == []


def test_it_needs_nothing_from_the_authority_to_start(tmp_path: Path) -> None:
    (tmp_path / "wiring").mkdir()
    (tmp_path / "wiring" / "all.yaml").write_text(together(STORE, push()))
    told: list[str] = []
    with prepared(tmp_path, {"LOCKSTEP_STEP": "publish", **NOWHERE}, told.append) as step:
        assert step.name == "publish"
        assert step.endpoint.readiness().status == 503
        assert step.endpoint.answer([], b"").status == 400
    assert told == []
    with prepared(tmp_path, {"LOCKSTEP_STEP": "publish", **NOWHERE}, told.append):
        """Everything was let go of, so it can be had again."""


def test_a_state_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with (
        pytest.raises(ConfigurationError, match="give another root directory"),
        prepared(tmp_path, {"LOCKSTEP_STEP": "publish", **NOWHERE}, lambda _: None),
    ):
        pass


@pytest.mark.parametrize(
    ("failure", "status"),
    [(ConfigurationError("correct it"), 2), (ListenError("correct it"), 2), (LocalDatabaseError("correct it"), 5)],
)
def test_a_refusal_ends_the_process_after_a_line(
    failure: Exception, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, ending_on_refusal(ListenError):
        raise failure
    assert (ended.value.code, capsys.readouterr().err) == (status, "Error: correct it\n")


def test_a_defect_is_no_refusal() -> None:
    with pytest.raises(RuntimeError), ending_on_refusal():
        raise RuntimeError
