"""The table in README.md, between two marks; what stands around it is written by hand."""

from datetime import UTC, datetime
from pathlib import Path

README = Path(__file__).with_name("README.md")
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"


def write(machine: str, table: str, path: Path = README) -> None:
    """Replace what was measured before. Raises ValueError where the marks are gone."""
    text = path.read_text(encoding="utf-8")
    before, found, rest = text.partition(_BEGIN)
    _, closed, after = rest.partition(_END)
    if not found or not closed:
        raise ValueError(f"{path} has lost its marks {_BEGIN} and {_END}; put them back where the table belongs")
    made = f"`make bench` on {datetime.now(UTC):%Y-%m-%d}:"
    path.write_text(f"{before}{_BEGIN}\n{made}\n\n{machine}\n\n{table}\n{_END}{after}", encoding="utf-8")
