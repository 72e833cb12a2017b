"""Speaking to the Lockstep of one ROOT: what is said where there is none."""

from pathlib import Path

import pytest

from infra.hosts.cli.client import ControlClient
from infra.hosts.cli.failures import CommandError, Exit


def test_a_root_that_does_not_exist_is_no_place_to_start_one(tmp_path: Path) -> None:
    missing = tmp_path / "rooot"
    with pytest.raises(CommandError) as failed:
        ControlClient(missing).ask("status")
    assert failed.value.exit_code == Exit.UNREACHABLE
    assert str(failed.value).startswith(f"there is no directory {missing}; ")
    assert "lockstep up --root" not in str(failed.value)


def test_where_nothing_runs_it_is_said_how_to_start_it(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"does not run on .* start it with `lockstep up --root "):
        ControlClient(tmp_path).ask("status")
