"""A line every few seconds, so that a long build is seen to be alive."""

import io
import time

import pytest

from infra.testbed.progress import Progress

PATIENCE = 30.0


def test_it_tells_what_is_done_and_the_newest_detail() -> None:
    out = io.StringIO()
    with Progress("building it", out, pause=0.001) as progress:
        progress.detail = "3 of 4 packages"
        end = time.monotonic() + PATIENCE
        while "3 of 4 packages" not in out.getvalue() and time.monotonic() < end:
            time.sleep(0.001)
    lines = out.getvalue().splitlines()
    assert lines[0] == "testbed: building it: begins (0:00)"
    assert any("3 of 4 packages" in line for line in lines)
    assert lines[-1].startswith("testbed: building it: done")


def test_a_failure_is_told_as_one() -> None:
    out = io.StringIO()
    with pytest.raises(ValueError, match="broken"), Progress("building it", out):
        raise ValueError("broken")
    assert "building it: failed" in out.getvalue()
