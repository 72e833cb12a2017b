"""Each benchmark runs, with a few samples; its numbers are not looked at, so nothing depends on the machine."""

from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS
from benchmarks.sizes import QUICK

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_it_runs_and_fills_the_table(name: str, tmp_path: Path) -> None:
    lines = BENCHMARKS[name](QUICK, tmp_path)
    assert lines
    for line in lines:
        assert line.what
        assert line.ours
