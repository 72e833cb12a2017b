"""What a benchmark found, as lines of one table."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One measure. `floor` is what Lockstep is held against; `met` is None where there is no goal to meet."""

    what: str
    floor: str
    ours: str
    ratio: str = ""
    goal: str = ""
    met: bool | None = None


def table(lines: Iterable[Line]) -> str:
    """The lines as a Markdown table."""
    verdicts = {True: "yes", False: "**no**", None: ""}
    rows = [("measure", "floor", "Lockstep", "ratio", "goal", "met")]
    rows += [(one.what, one.floor, one.ours, one.ratio, one.goal, verdicts[one.met]) for one in lines]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    texts = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([texts[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *texts[1:]])


@dataclass(frozen=True, slots=True)
class Pair:
    """The same measure of the floor and of Lockstep."""

    floor: float
    ours: float

    @property
    def ratio(self) -> float:
        return self.ours / self.floor


def at_most(what: str, pair: Pair, bound: float, unit: str) -> Line:
    """A measure that should be at most `bound` times the floor."""
    met = pair.ratio <= bound
    return Line(what, f"{pair.floor:.1f} {unit}", f"{pair.ours:.1f} {unit}", f"{pair.ratio:.2f}", f"<= {bound:g}", met)


def at_least(what: str, pair: Pair, bound: float, unit: str) -> Line:
    """A measure that should be at least `bound` times the floor."""
    met = pair.ratio >= bound
    return Line(
        what, f"{pair.floor:,.0f} {unit}", f"{pair.ours:,.0f} {unit}", f"{pair.ratio:.2f}", f">= {bound:g}", met
    )
