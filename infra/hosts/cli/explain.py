"""`lockstep explain`: the first hop that is broken, its cause, the next retry, and what mends it."""

from pathlib import Path
from typing import Any

import click

from infra.hosts.cli import readable
from infra.hosts.cli.failures import Exit
from infra.hosts.cli.in_cluster import answered, place_options, questions
from infra.hosts.cli.options import NAME, namespace_options, output_option
from infra.hosts.cli.output import document, escaped, say
from infra.hosts.located import located

_MARKS = {"ok": "ok", "broken": "BROKEN", "waiting": "waits"}


@click.command("explain")
@place_options
@namespace_options
@click.argument("name", type=NAME, metavar="NAMESPACE/NAME | MOUNT/PATH")
@output_option("json", "yaml")
@click.pass_context
def command(
    context: click.Context,
    root: Path | None,
    chosen: str | None,
    namespace: str | None,
    all_namespaces: bool,
    name: str,
    output: str | None,
) -> None:
    """Follow one secret from its source to its consumers, and say where it is stuck and what mends that.

    The name is that of a source Secret, a target Secret, a PushSecret or ExternalSecret, or a path.

    \b
    lockstep explain temporal/postgres
    lockstep explain secret/platform-data/postgres/temporal
    lockstep explain ExternalSecret/backstage/postgres-url
    lockstep explain temporal/postgres --context kind-dev      what a cluster tells, without its broker

    Exit code 1: a hop is broken or waits, or a manifest is not in force as it is written; 4: nothing that is wired has
    this name.
    """
    where = None if all_namespaces else namespace
    found = answered(
        root, chosen, lambda up: up.ask("explain", name=name, namespace=where), lambda: questions().explain(name, where)
    )
    say(document(found, output) if output else _page(found, root))
    context.exit(Exit.OK if found["inStep"] else Exit.FINDINGS)


def _page(found: dict[str, Any], root: Path | None) -> str:
    blocks = ["\n".join(_way(way)) for way in found["ways"]]
    for one in found["problems"]:
        place = f" ({located(one['file'], one['line'])})" if one["file"] else ""
        blocks.append(readable.remark(f"{one['manifest']}{place}: {one['message']}", "BROKEN  "))
    broken = found["firstBroken"]
    if broken is not None:
        blocks.append("\n".join(_verdict(broken, found["heldProbeSeconds"], root)))
    elif not found["problems"]:
        blocks.append("in step")
    return "\n\n".join(blocks)


def _way(way: dict[str, Any]) -> list[str]:
    lines = [escaped(way["path"])]
    lines += [_hop(hop) for hop in way["hops"]]
    for branch in way["branches"]:
        lines += [_hop(hop) for hop in branch["hops"]]
    return lines


def _hop(hop: dict[str, Any]) -> str:
    return readable.remark(f"{hop['subject']}: {hop['says']}", f"  {_MARKS[hop['state']]:<7} {hop['hop']:<12}")


def _verdict(hop: dict[str, Any], probe: float, root: Path | None) -> list[str]:
    word = "first broken hop" if hop["state"] == "broken" else "first hop that waits"
    lines = [f"{word}: {hop['hop']}", readable.remark(hop["says"], "cause:      ")]
    if retry := _retry(hop["trouble"], probe):
        lines.append(readable.remark(retry, "next retry: "))
    for place, deed in enumerate(hop["mend"]):
        label = "mend:" if place == 0 else ""
        lines.append(f"{label:<12}{escaped(readable.command(deed, root))}")
    return lines


def _retry(trouble: dict[str, Any] | None, probe: float) -> str:
    if trouble is None:
        return ""
    if trouble["state"] == "dead letter":
        times = "1 attempt" if trouble["attempts"] == 1 else f"{trouble['attempts']} attempts"
        return f"none: given up after {times} (dead letter {trouble['deadLetter']})"
    if trouble["state"] == "held":
        return f"as soon as the authority serves; it is asked at least every {probe:.0f} s"
    if trouble["nextAttempt"]:
        done = trouble["attempts"]
        return f"{readable.until(trouble['nextAttempt'])}, at {trouble['nextAttempt']}, after {done} failed"
    return "its turn comes next"
