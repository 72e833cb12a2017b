"""The table, and where it is put."""

from pathlib import Path

import pytest

from benchmarks.percentiles import median, percentile
from benchmarks.report import README, write
from benchmarks.result import Line, Pair, at_least, at_most, table


def test_ratios_and_goals() -> None:
    assert at_most("x", Pair(10, 15), 1.5, "ms").met
    assert not at_most("x", Pair(10, 16), 1.5, "ms").met
    assert at_least("x", Pair(1000, 500), 0.5, "/s").met
    assert not at_least("x", Pair(1000, 499), 0.5, "/s").met
    assert at_most("x", Pair(10, 16), 1.5, "ms").ratio == "1.60"


def test_the_table_is_markdown_with_one_line_each() -> None:
    lines = table([Line("calls", "3", "4", "+1", "<= +2", met=True), Line("p50", "1", "9", "9.0", "<= 2", met=False)])
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in lines.splitlines()]
    assert rows[0] == ["measure", "floor", "Lockstep", "ratio", "goal", "met"]
    assert rows[2] == ["calls", "3", "4", "+1", "<= +2", "yes"]
    assert rows[3][-1] == "**no**"


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2.0), (0.99, 4.0), (1.0, 4.0), (0.0, 1.0)])
def test_percentiles_are_samples(share: float, expected: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == expected
    assert median([5.0]) == 5.0


def test_only_what_was_measured_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(README.read_text(encoding="utf-8"), encoding="utf-8")
    for number in ("first", "second"):
        write("- 2 cores", f"| {number} |", page)
    text = page.read_text(encoding="utf-8")
    assert "| second |" in text
    assert "| first |" not in text
    assert "## How to read it" in text
    (tmp_path / "other.md").write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match="marks"):
        write("", "", tmp_path / "other.md")
