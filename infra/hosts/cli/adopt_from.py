"""`lockstep adopt --from eso`: take over, path by path, what External Secrets Operator pushed."""

from collections.abc import Sequence
from typing import Any

from infra.hosts.cli.adopting import waited
from infra.hosts.cli.client import ControlClient
from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.cli.output import document, escaped, note, say
from infra.hosts.cli.readable import number, remark


def adopt_from_eso(
    client: ControlClient, names: Sequence[str], namespace: str | None, *, dry_run: bool, timeout: float,
    output: str | None,
) -> Exit:  # fmt: skip
    """Take over what was pushed, or only show it; the exit code. Raises CommandError where nothing can be asked."""
    items: list[dict[str, Any]] = client.ask("adoption/eso", names=list(names) or None, namespace=namespace)["items"]
    if not items:
        note("no PushSecret's status lists anything that External Secrets Operator pushed")
    refused = False
    for item in items:
        item["outcome"] = None if dry_run or item["refused"] or item["plan"]["held"] else _taken(client, item, timeout)
        refused = refused or bool(item["refused"])
        if not output:
            say(_line(item, dry_run=dry_run))
    if output:
        say(document({"items": items}, output))
    if not refused:
        return Exit.OK
    return Exit.FINDINGS if dry_run else Exit.REFUSED


def _taken(client: ControlClient, item: dict[str, Any], timeout: float) -> dict[str, Any] | None:
    """What became of one path's order; one that is refused holds up no other."""
    plan = item["plan"]
    try:
        order = client.tell("adopt", path=plan["path"], by=item["by"], epoch=plan["epoch"], base=plan["base"])
        outcome = waited(client, order["sequence"], timeout)
    except CommandError as error:
        item["refused"] = error.message
        return None
    if outcome["state"] != "delivered":
        item["refused"] = outcome["reason"]
    return outcome


def _line(item: dict[str, Any], *, dry_run: bool) -> str:
    path, by = escaped(item["path"] or "-"), escaped(item["by"])
    if item["refused"]:
        lines = [remark(f"refused: {item['refused']}", "    ")]
        lines += [f"    -> {escaped(line)}" for line in item["mend"]]
        return "\n".join([f"{path} ({by})", *lines])
    plan = item["plan"]
    if plan["held"]:
        return f"{path} ({by}): its own already; nothing was changed"
    differing = ", ".join([*plan["keys"]["differ"], *plan["keys"]["added"]])
    if dry_run:
        what = f"writes {escaped(differing)}" if differing else f"version {number(plan['base'])} stays as it is"
        return f"{path} ({by}): would be taken over; {what}"
    published = item["outcome"]["published"]
    done = f"; version {published['number']} {published['outcome']}" if published else ""
    return f"{path} ({by}): taken over{done}"
