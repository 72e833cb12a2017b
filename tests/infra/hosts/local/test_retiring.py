"""Paths on their way out are remembered until they are back, or their retraction is over."""

from pathlib import Path

from events.references import PathRef
from infra.hosts.local.database import LocalDatabase
from infra.hosts.local.retiring import RetiringPaths

A, B, C = (PathRef(mount="secret", path=f"team/postgres/{name}") for name in "abc")


def test_what_left_is_known_across_restarts_until_it_is_back_or_over(tmp_path: Path) -> None:
    database = LocalDatabase(tmp_path / "local.db")
    retiring = RetiringPaths(database)
    retiring.rewired({A, B, C}, ())
    retiring.rewired({A}, {B})
    database.close()
    database = LocalDatabase(tmp_path / "local.db")
    retiring = RetiringPaths(database)
    assert retiring.all() == (A, C)
    retiring.over(A)
    retiring.over(A)
    assert retiring.all() == (C,)
    database.close()
