"""`lockstep check`: is everything reachable, allowed, and safe."""

from pathlib import Path
from typing import Any

import click

from infra.hosts.cli.failures import Exit
from infra.hosts.cli.in_cluster import answered, place_options, questions
from infra.hosts.cli.options import output_option
from infra.hosts.cli.output import document, escaped, say


@click.command("check")
@place_options
@click.option("--strict", is_flag=True, help="Warnings count too.")
@output_option("json", "yaml")
def command(root: Path | None, chosen: str | None, strict: bool, output: str | None) -> None:
    """Look whether everything is reachable, allowed, and safe; changes nothing.

    \b
    lockstep check --root ./root
    lockstep check -o json
    lockstep check --strict || exit 1      warnings too
    lockstep check --context kind-dev      what a cluster tells, without its broker

    Authority, each step's permissions in both directions, state directory, seal key, clocks, disk, access policy,
    wiring, namespaces, rotation targets (as `rotate --dry-run` asks them), watches, deliveries, ledger, open leaks.

    Exit codes: 0 well, or warnings only; 1 something failed; 3 nothing runs.
    """
    found = answered(root, chosen, lambda up: up.ask("check"), lambda: questions().check())
    say(document(found, output) if output in ("json", "yaml") else _listed(found["checks"]))
    failing = {"fail", "warn"} if strict else {"fail"}
    if any(check["status"] in failing for check in found["checks"]):
        raise click.exceptions.Exit(Exit.FINDINGS)


def _listed(checks: list[dict[str, Any]]) -> str:
    width = max(len(check["name"]) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{check['status']:<4}   {escaped(check['name']):<{width}}   {escaped(check['message'])}")
        if check["action"]:
            lines.append(f"{'':<4}   {'':<{width}}   -> {escaped(check['action'])}")
    counts = {status: sum(check["status"] == status for check in checks) for status in ("ok", "warn", "fail")}
    return "\n".join([*lines, f"{counts['ok']} ok, {counts['warn']} warnings, {counts['fail']} failed"])
