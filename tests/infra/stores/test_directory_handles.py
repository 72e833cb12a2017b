"""Directories are opened within a block, and closed however it is left."""

import os
from pathlib import Path

import pytest

from functions._failures import Reject
from infra.stores.directory.handles import Opening

TRUSTED = frozenset({os.geteuid()})


def open_handles() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_it_is_open_within_the_block_alone(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    before = open_handles()
    with Opening(str(tmp_path), None, "it", TRUSTED) as place, place.directory("below") as below:
        assert place.names() == ["below"]
        assert (below.names(), below.subject) == ([], "it")
    with pytest.raises(LookupError), Opening(str(tmp_path), None, "it", TRUSTED):
        raise LookupError
    assert open_handles() == before


def test_a_foreign_owner_is_refused_and_nothing_stays_open(tmp_path: Path) -> None:
    before = open_handles()
    with pytest.raises(Reject, match="does not own"), Opening(str(tmp_path), None, "it", frozenset()):
        pass
    with pytest.raises(FileNotFoundError), Opening(f"{tmp_path}/not-there", None, "it", TRUSTED):
        pass
    assert open_handles() == before


def test_the_last_name_of_a_path_is_no_symlink(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "below").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with Opening(f"{tmp_path}/link/below", None, "it", TRUSTED):
        pass  # what leads to the root is the operator's
    with pytest.raises(OSError), Opening(f"{tmp_path}/link", None, "it", TRUSTED):
        pass
