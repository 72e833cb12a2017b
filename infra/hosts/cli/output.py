"""What commands print: tables that line up for people, stable documents for programs."""

import json
from collections.abc import Sequence
from typing import Any

import click


def escaped(text: str) -> str:
    """Text that came from elsewhere, without control characters that a terminal would obey."""
    return "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in text)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as kubectl prints them: upper-case header, three spaces between, nothing drawn."""
    cells = [[name.upper() for name in header], *([escaped(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = ("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells)
    return "\n".join(lines)


def document(value: Any, output: str) -> str:
    """A document as `-o json` or `-o yaml`."""
    if output == "yaml":
        import yaml  # here: nearly no command prints it, and all start sooner

        text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
        if not all(character.isprintable() or character == "\n" for character in text):
            text = yaml.safe_dump(value, sort_keys=False)
        return text.rstrip("\n")
    return json_text(value, indent=2)


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON with everything readable as it is, and what a terminal would obey (C1, DEL, bidi) as JSON escapes."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return "".join(one if one.isprintable() or one == "\n" else json.dumps(one)[1:-1] for one in text)


def say(text: str) -> None:
    """To standard output."""
    click.echo(text)


def note(text: str) -> None:
    """To standard error: progress and remarks, which no pipe should get."""
    click.echo(text, err=True)
