"""`lockstep diff`: what would change if the steps ran now."""

from pathlib import Path
from typing import Any

import click

from infra.hosts.cli.failures import Exit
from infra.hosts.cli.in_cluster import answered, place_options, questions
from infra.hosts.cli.options import NAME, namespace_options, output_option
from infra.hosts.cli.output import document, escaped, note, say
from infra.hosts.cli.readable import number, remark

_SIGNS = (("added", "+"), ("changed", "~"), ("removed", "-"))


@click.command("diff")
@place_options
@namespace_options
@click.argument("names", nargs=-1, type=NAME, metavar="[NAMESPACE/NAME | MOUNT/PATH]...")
@output_option("json", "yaml")
@click.pass_context
def command(
    context: click.Context, root: Path | None, chosen: str | None, namespace: str | None, all_namespaces: bool,
    names: tuple[str, ...], output: str | None,
) -> None:  # fmt: skip
    """Show what publish, materialize and retract would write now, by key names; never a value, never a hash.

    The steps themselves are run, over stores that they can read and not write. Without names, retractions that are
    due are shown too.

    \b
    lockstep diff
    lockstep diff temporal/postgres
    lockstep diff -n platform-data -o json
    VAULT_ADDR=... VAULT_TOKEN=... lockstep diff --context kind-dev

    With --context, as if every ClusterSecretStore were handed over to Lockstep, and without retractions.

    Exit code 1: something would change, or is kept from it; 4: nothing that is wired has this name, or nothing is wired
    in this namespace.
    """
    if not names:
        note("comparing everything that is wired ...")
    where = None if all_namespaces else namespace
    found = answered(
        root,
        chosen,
        lambda up: up.ask("diff", names=list(names) or None, namespace=where),
        lambda: questions().diff(names, where),
        timeout=600.0,
    )
    say(document(found, output) if output else _page(found))
    context.exit(Exit.FINDINGS if found["changes"] or found["blocked"] else Exit.OK)


def _page(found: dict[str, Any]) -> str:
    lines = [line for one in found["changes"] for line in _change(one)]
    for one in found["blocked"]:
        lines.append(remark(f"{one['step']} {one['about']}: {one['kind']}: {one['reason']}", "!  "))
    return "\n".join(lines) if lines else "nothing would change"


def _change(one: dict[str, Any]) -> list[str]:
    base = f" (holds version {number(one['base'])})" if one["base"] else ""
    noted = f": {one['note']}" if one["note"] else ""
    lines = [remark(f"{one['step']}: {one['action']} {one['kind']} {one['target']}{base}{noted}", "")]
    for member, sign in _SIGNS:
        lines += [f"  {sign} {escaped(key)}" for key in one[member]]
    return lines
