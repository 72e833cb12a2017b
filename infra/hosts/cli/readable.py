"""How documents of the control API read on a terminal: ages, versions, remarks that keep to the width."""

import os
import shlex
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.hosts.cli.output import escaped

WIDTH = 110
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def age(moment: str | None, now: datetime | None = None) -> str:
    """How long ago, as kubectl says it: `12s`, `5m`, `3d`; "-" for never."""
    if not moment:
        return "-"
    seconds = max(0.0, ((now or datetime.now(UTC)) - datetime.fromisoformat(moment)).total_seconds())
    for unit, name in _UNITS:
        if seconds >= unit:
            return f"{int(seconds // unit)}{name}"
    return "0s"


def until(moment: str | None, now: datetime | None = None) -> str:
    """How soon, in seconds: `in 4 s`; "now" for what is due."""
    if not moment:
        return ""
    seconds = (datetime.fromisoformat(moment) - (now or datetime.now(UTC))).total_seconds()
    return f"in {seconds:.0f} s" if seconds >= 1 else "now"


def number(version: dict[str, Any] | None) -> str:
    """A version's number, "-" for none."""
    return str(version["number"]) if version else "-"


def yes(value: bool) -> str:
    """`yes` or `no`."""
    return "yes" if value else "no"


def remark(text: str, indent: str) -> str:
    """A sentence that came from elsewhere, wrapped beneath its indent."""
    rest = " " * len(indent)
    return textwrap.fill(
        escaped(text), WIDTH, initial_indent=indent, subsequent_indent=rest, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def stuck(trouble: dict[str, Any] | None) -> str:
    """What the broker says about a delivery that is not through; "" where there is none to tell of."""
    if trouble is None or (trouble["state"] == "pending" and not trouble["reason"]):
        return ""
    reason = f": {trouble['reason']}" if trouble["reason"] else ""
    if trouble["state"] == "dead letter":
        return f"{trouble['step']} gave up (dead letter {trouble['deadLetter']}){reason}"
    if trouble["state"] == "held":
        return f"{trouble['step']} is held until the authority serves{reason}"
    soon = until(trouble["nextAttempt"])
    return f"{trouble['step']} tries again {soon} (attempt {trouble['attempts'] + 1}){reason}"


def command(line: str, root: Path | None) -> str:
    """A command as it can be pasted: with `--root` where the environment does not say it."""
    if root is not None and line.startswith("lockstep ") and not os.environ.get("LOCKSTEP_ROOT"):
        return f"{line} --root {shlex.quote(str(root))}"
    return line
