"""`lockstep audit`: whether the ledger is the one that was written, and what it says."""

import json
import re
import sys
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from infra.hosts.cli.client import ControlClient
from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.cli.options import CORRELATION, NAME, output_option, root_option
from infra.hosts.cli.output import document, escaped, note, say, table

_PATIENCE = 3600.0  # seconds; a million entries take about half a minute
_AGO = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@click.group("audit")
def command() -> None:
    """Prove the ledger, or read it.

    \b
    lockstep audit verify --anchor-now
    lockstep audit show --since 1h --subject namespaces/temporal
    lockstep audit show --all -o jsonl > ledger.jsonl
    """


@command.command("verify")
@root_option
@click.option("--anchor-now", is_flag=True, help="Anchor first, so that no tail is left.")
@click.option("--every-anchor", is_flag=True, help="Check all recorded signatures, not the newest 1000.")
@output_option("json", "yaml")
def verify_command(root: Path, anchor_now: bool, every_anchor: bool, output: str | None) -> None:
    """Recompute the chain; check every anchor's signature, and the anchor that the authority keeps.

    Exit codes: 0 it is the one that was written, up to the last anchor; 1 it is not; 3 the authority could not be
    asked, so that only the chain was checked.
    """
    client = ControlClient(root, timeout=_PATIENCE)
    if anchor_now:
        _anchor(client)
    if sys.stderr.isatty():
        note("verifying ...")
    found = client.ask("audit/verify", every=every_anchor or None)
    say(document(found, output) if output else _verdict(found))
    if not found["intact"]:
        raise click.exceptions.Exit(Exit.FINDINGS)
    if not found["complete"]:
        raise click.exceptions.Exit(Exit.UNREACHABLE)


@command.command("show")
@root_option
@click.option("--since", metavar="TIME", help="From then on: 10m, 2h, 3d, or an RFC 3339 time.")
@click.option(
    "--subject", type=NAME, metavar="NAME",
    help="Only about this: NAMESPACE/NAME, MOUNT/PATH, or a whole subject, and what lies below it.",
)  # fmt: skip
@click.option("--correlation", type=CORRELATION, metavar="ID", help="Everything that one change led to.")
@click.option("--kind", type=click.Choice(["accepted", "dead-letter", "replay", "drop", "abandon"]))
@click.option(
    "--last",
    default=50,
    show_default=True,
    type=click.IntRange(1, 2**53),
    metavar="N",
    help="At most so many, the newest.",
)
@click.option("--all", "everything", is_flag=True, help="All that match.")
@output_option("json", "jsonl", "yaml", "wide")
def show_command(
    root: Path, since: str | None, subject: str | None, correlation: str | None, kind: str | None, last: int,
    everything: bool, output: str | None,
) -> None:  # fmt: skip
    """List entries of the ledger, oldest first. `-o jsonl` holds all that is hashed, for whoever verifies it apart."""
    filters = {"since": _moment(since), "subject": subject, "correlation": correlation, "kind": kind}
    client = ControlClient(root, timeout=_PATIENCE)
    filtered = any(value is not None for value in filters.values())
    found = _entries(client, filters, None if everything or filtered else last)
    items: Iterator[dict[str, Any]] = found if everything else iter(deque(found, maxlen=last))
    if output == "jsonl":
        for item in items:
            say(json.dumps(item, ensure_ascii=True))
        return
    listed = list(items)
    if output in ("json", "yaml"):
        say(document({"items": listed}, output))
    elif not listed:
        note("no entries match" + (f"; none is about {escaped(subject)}" if subject else ""))
    else:
        say(_table(listed, wide=output == "wide"))


def _anchor(client: ControlClient) -> None:
    try:
        client.tell("audit/anchor")
    except CommandError as error:
        # A ledger that contradicts its anchor is what verifying is for: it tells more than this refusal.
        if error.exit_code != Exit.REFUSED:
            raise
        note(f"not anchored: {escaped(error.message)}")


def _entries(client: ControlClient, filters: dict[str, str | None], last: int | None) -> Iterator[dict[str, Any]]:
    answer = client.ask("audit/entries", **filters, last=last)
    yield from answer["items"]
    while answer["next"] is not None:
        answer = client.ask("audit/entries", **filters, first=answer["next"])
        yield from answer["items"]


def _moment(text: str | None) -> str | None:
    if text is None:
        return None
    if ago := _AGO.fullmatch(text):
        return (datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})).isoformat()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"--since {text!r}: give 10m, 2h, 3d, or a time such as 2026-01-31T12:00:00Z", Exit.USAGE
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def _verdict(found: dict[str, Any]) -> str:
    anchors, authority, tail = found["anchors"], found["authority"], found["unanchored"]
    lines = [f"ledger {found['ledger']}: {found['entries']} entries, head {found['head'][:16]}"]
    lines.append(
        f"anchors: {anchors['recorded']} recorded, {anchors['signatures']} signatures of the authority's key hold"
    )
    if authority:
        lines.append(f"authority: anchored {authority['entries']} entries at {authority['anchored']}")
    lines += [f"notice: {escaped(text)}" for text in found["notices"]]
    lines += [f"BROKEN: {escaped(one['what'])}\n        {escaped(one['action'])}" for one in found["problems"]]
    if tail:
        lines.append(f"unanchored tail: entries {tail['first']} to {tail['last']}{_age(tail['since'])}")
        lines.append("        they are chained, not anchored; --anchor-now anchors them")
    lines.append("cannot show:")
    lines += [f"  - {text}" for text in found["cannotShow"]]
    return "\n".join([*lines, _conclusion(found)])


def _conclusion(found: dict[str, Any]) -> str:
    if not found["intact"]:
        return "NOT VERIFIED"
    if not found["complete"]:
        return "chain holds; anchors not checked: make the authority reachable and run this again"
    if not found["authority"]:
        return "chain holds; nothing is anchored yet: run this with --anchor-now"
    return f"verified up to entry {found['authority']['entries']}"


def _age(since: str | None) -> str:
    if since is None:
        return ""
    seconds = max(0, int((datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds()))
    return f" (the oldest {seconds} s old)"


def _table(items: list[dict[str, Any]], *, wide: bool) -> str:
    header = ["n", "at", "kind", "type", "subject", "principal"] + (["correlation", "detail", "hash"] if wide else [])
    rows = []
    for item in items:
        row = [str(item["n"]), item["at"][:23] + "Z", item["kind"], item["type"].removeprefix("dev.lockstep.")]
        row += [item["subject"] or "", item["principal"]]
        rows.append([*row, item["correlation"], item["detail"] or "", item["hash"][:16]] if wide else row)
    return table(header, rows)
