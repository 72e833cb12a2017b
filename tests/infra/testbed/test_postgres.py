"""PostgreSQL's programs: found, runnable by a user that they agree to, and told of when they fail."""

import os
from pathlib import Path

import pytest

from infra.testbed import postgres


def test_the_servers_user_can_run_the_programs() -> None:
    with postgres.directory() as directory:
        programs = postgres.installed(directory)
        postgres.run([str(programs / "bin" / "postgres"), "--version"])
        assert postgres.installed(directory) == programs
        assert directory.stat().st_uid == (postgres.unprivileged() or os.geteuid())
        assert len(str(directory / ".s.PGSQL.65535.lock")) <= 107


def test_a_program_that_fails_is_quoted() -> None:
    with postgres.directory() as directory:
        programs = postgres.installed(directory)
        with pytest.raises(RuntimeError, match=r"initdb failed:(?s:.*)no-such-parent"):
            postgres.initialize(programs, Path("/proc/no-such-parent/data"))
