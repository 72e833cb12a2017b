"""`lockstep events`: what happened, in order, and as it happens."""

import signal
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from infra.hosts.cli.client import ControlClient
from infra.hosts.cli.options import CORRELATION, MOMENT, NAME, namespace_options, output_option, root_option
from infra.hosts.cli.output import document, escaped, json_text, note, say
from infra.hosts.cli.readable import remark

_POLL = 2.0  # seconds that the running instance holds a question to which there is no answer yet
_COLUMNS = (("time", 12), ("step", 11), ("outcome", 13), ("event", 21), ("about", 38), ("ver", 3), ("took", 7))


@click.command("events")
@root_option
@namespace_options
@click.option("-f", "--follow", is_flag=True, help="Go on printing until interrupted.")
@click.option(
    "--since",
    type=MOMENT,
    metavar="POSITION|DURATION",
    help="From a position (see -o json) or a time ago: 30s, 10m, 2h.",
)
@click.option(
    "--subject", type=NAME, metavar="NAME", help="Only about this: NAMESPACE/NAME, MOUNT/PATH, or a whole subject."
)
@click.option(
    "--correlation",
    type=CORRELATION,
    metavar="ID",
    help="Only what one first event caused.",
)
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1000), help="At most so many lines.")
@output_option("json", "yaml", "wide")
def command(
    root: Path, namespace: str | None, all_namespaces: bool, follow: bool, since: str | None, subject: str | None,
    correlation: str | None, limit: int, output: str | None,
) -> None:  # fmt: skip
    """Show the timeline: what was accepted, which step handled it, how long that took, and what came of it.

    \b
    lockstep events
    lockstep events --follow -n temporal
    lockstep events --since 10m --subject temporal/postgres
    lockstep events --since 0 --correlation 5b2f... -o json

    With -o json, --follow prints one JSON document per line.
    """
    asked = {
        "since": since, "subject": subject, "correlation": correlation, "limit": limit,
        "namespace": None if all_namespaces else namespace,
    }  # fmt: skip
    client = ControlClient(root)
    if not follow:
        found = client.ask("events", **asked)
        say(document(found, output) if output in ("json", "yaml") else "\n".join(_lines(found["events"], output)))
        if not found["events"]:
            note("no events match" + (f"; none is about {escaped(subject)}" if subject else ""))
        return
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # see `main`
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _follow(client, asked, output)
    except KeyboardInterrupt:  # how following ends
        return


def _follow(client: ControlClient, asked: dict[str, Any], output: str | None) -> None:
    if output is None or output == "wide":
        say(_header(output))
    while True:
        found = client.ask("events", seconds=_POLL, **asked)
        for one in found["events"]:
            say(_streamed(one, output))
        asked["since"] = found["position"]


def _streamed(one: dict[str, Any], output: str | None) -> str:
    if output == "json":
        return json_text(one)
    if output == "yaml":
        return f"---\n{document(one, 'yaml')}"
    return _row(one, output)


def _lines(events: list[dict[str, Any]], output: str | None) -> Iterator[str]:
    yield _header(output)
    for one in events:
        yield _row(one, output)


def _header(output: str | None) -> str:
    wide = ["CORRELATION", "PRINCIPAL"] if output == "wide" else []
    return "  ".join([*(name.upper().ljust(width) for name, width in _COLUMNS), *wide]).rstrip()


def _row(one: dict[str, Any], output: str | None) -> str:
    took = f"{one['tookMs']:.1f}ms" if one["tookMs"] is not None else ""
    versions = sorted(set(one["versions"].values()))
    values = (
        datetime.fromisoformat(one["at"]).strftime("%H:%M:%S.%f")[:-3],
        one["step"].removeprefix("source:").removeprefix("step:"),
        one["outcome"],
        one["type"],
        _short(one["about"] or "", _COLUMNS[4][1], output),
        ",".join(map(str, versions)),
        took,
    )
    cells = [escaped(value).ljust(width) for value, (_, width) in zip(values, _COLUMNS, strict=True)]
    if output == "wide":
        cells += [escaped(one["correlation"]), escaped(one["principal"])]
    row = "  ".join(cells).rstrip()
    return f"{row}\n{remark(_reason(one), ' ' * 14)}" if one["reason"] else row


def _reason(one: dict[str, Any]) -> str:
    tries = f"attempt {one['attempts']}: " if one["outcome"] == "retried" else ""
    return f"{tries}{one['reason']}"


def _short(text: str, width: int, output: str | None) -> str:
    """Cut in the middle: the namespace and the end of a name tell more than what is between."""
    if output == "wide" or len(text) <= width:
        return text
    keep = width // 2
    return f"{text[: width - keep - 1]}…{text[-keep:]}"
