import os
from pathlib import Path

import pytest

from infra.hosts.checks.wiring import namespace_check
from infra.hosts.configuration import Ownership

NOBODY = 65534


def test_a_directory_that_is_not_there_yet(tmp_path: Path) -> None:
    assert namespace_check("n", tmp_path / "new", Ownership()).status == "ok"


def test_a_good_one_and_an_open_one(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert namespace_check("n", tmp_path, Ownership()).status == "ok"
    tmp_path.chmod(0o755)
    check = namespace_check("n", tmp_path, Ownership())
    assert (check.status, "chmod 700" in check.action) == ("warn", True)


def test_a_group_may_read_where_it_was_given_the_namespace(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    assert namespace_check("n", tmp_path, Ownership(gid=os.getegid())).status == "ok"


def test_a_link_is_never_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert "no directory" in namespace_check("n", tmp_path / "link", Ownership()).message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_foreign_owner_unless_it_is_configured(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir(mode=0o700)
    os.chown(foreign, NOBODY, NOBODY)
    check = namespace_check("n", foreign, Ownership())
    assert (check.status, "ownership.foreign.uid" in check.action) == ("fail", True)
    assert namespace_check("n", foreign, Ownership(uid=NOBODY)).status == "ok"


def test_an_owner_that_only_root_can_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    assert namespace_check("n", tmp_path, Ownership(uid=0)).status == "fail"
