"""`lockstep rotation`: where rotations stand, and orders about one that is under way."""

from pathlib import Path
from typing import Any

import click

from infra.hosts.cli.in_cluster import answered, place_options
from infra.hosts.cli.options import NAMESPACE, namespace_options, output_option
from infra.hosts.cli.output import document, escaped, say, table
from infra.hosts.cli.readable import age, number, remark, yes
from infra.hosts.cli.rotate import ROTATED

_IN_NAMESPACE = click.option("-n", "--namespace", type=NAMESPACE, metavar="NAMESPACE", help="The Rotation's namespace.")


@click.group("rotation")
def command() -> None:
    """Rotations of credentials: where each stands, and orders about one that is under way.

    \b
    lockstep rotation list
    lockstep rotation show shop/orders-db
    """


@command.command("list")
@place_options
@namespace_options
@output_option()
def listed(
    root: Path | None, chosen: str | None, namespace: str | None, all_namespaces: bool, output: str | None
) -> None:
    """Every rotation: its phase, how old the credential is, when the next one is due, what is in the way.

    \b
    lockstep rotation list
    lockstep rotation list -n shop -o wide
    lockstep rotation list --context kind-dev      what a cluster and its authority tell, without a running Lockstep
    """
    found = answered(
        root,
        chosen,
        lambda up: up.ask("rotations", namespace=None if all_namespaces else namespace),
        lambda: _questions().rotations(None if all_namespaces else namespace),
    )
    if output in ("json", "yaml"):
        say(document(found, output))
    elif not found["rotations"]:
        say("nothing is rotated; wire a Rotation (README, rotation)")
    else:
        say(_table(found["rotations"], wide=output == "wide"))


@command.command("show")
@place_options
@click.argument("name", type=ROTATED, metavar="NAMESPACE/NAME | MOUNT/PATH")
@_IN_NAMESPACE
@output_option("json", "yaml")
def show(root: Path | None, chosen: str | None, name: str, namespace: str | None, output: str | None) -> None:
    """One rotation: what it is about, how far it is, which credential works, and what it waits for.

    \b
    lockstep rotation show shop/orders-db
    lockstep rotation show secret/platform-data/postgres/orders -o json
    """
    found = answered(
        root,
        chosen,
        lambda up: up.ask("rotation", name=name, namespace=namespace),
        lambda: _questions().rotation(name, namespace),
    )
    say(document(found, output) if output else _shown(found))


@command.command("abort")
@place_options
@click.argument("name", type=ROTATED, metavar="NAMESPACE/NAME | MOUNT/PATH")
@_IN_NAMESPACE
@output_option("json", "yaml")
def abort(root: Path | None, chosen: str | None, name: str, namespace: str | None, output: str | None) -> None:
    """Give up a rotation that is not promoted: the old credential stays, the new one is taken back. On record.

    With --context the Rotation is annotated, so that the cluster's RBAC decides who may.

    \b
    lockstep rotation abort shop/orders-db

    Exit code 5: nothing is under way, or its new value is live already.
    """
    done = answered(
        root,
        chosen,
        lambda up: up.tell("rotation/abort", name=name, namespace=namespace),
        lambda: _questions().abort(name, namespace),
    )
    said = f"the rotation {done['rotation'][:12]} of {done['path']} is given up"
    say(document(done, output) if output else escaped(said))


@command.command("resume")
@place_options
@click.argument("name", type=ROTATED, metavar="NAMESPACE/NAME | MOUNT/PATH")
@_IN_NAMESPACE
@output_option("json", "yaml")
def resume(root: Path | None, chosen: str | None, name: str, namespace: str | None, output: str | None) -> None:
    """Have a rotation that waits looked at again now, instead of at its next time. On record.

    With --context the Rotation is annotated, so that the cluster's RBAC decides who may.

    \b
    lockstep rotation resume shop/orders-db

    Exit code 5: nothing is under way.
    """
    done = answered(
        root,
        chosen,
        lambda up: up.tell("rotation/resume", name=name, namespace=namespace),
        lambda: _questions().resume(name, namespace),
    )
    say(document(done, output) if output else escaped(f"{done['step']} looks at {done['path']} again"))


def _questions() -> Any:
    from infra.hosts.control import rotations_in_cluster  # loads what speaks to a cluster

    return rotations_in_cluster


def _table(found: list[dict[str, Any]], *, wide: bool) -> str:
    header = ["name", "path", "target", "phase", "policy", "age", "due", "trouble"]
    extra = ["strategy", "accounts", "version", "holds", "id"] if wide else []
    return table([*header, *extra], [_row(one, wide=wide) for one in found])


def _row(one: dict[str, Any], *, wide: bool) -> list[str]:
    record, version = one["record"], one["version"]
    row = [
        one["name"], one["path"] or "-", one["target"] or "-", one["phase"],
        record["policy"] if record and one["underWay"] else "-",
        age(version["created"]) if version else "-", one["due"] or "-", one["trouble"] or "-",
    ]  # fmt: skip
    if wide:
        row += [
            one["strategy"] or "-", ",".join(one["accounts"]) or "-", number(version), one["holds"] or "-",
            record["id"] if record else "-",
        ]  # fmt: skip
    return [str(cell) for cell in row]


def _shown(one: dict[str, Any]) -> str:
    record = one["record"]
    lines = [
        f"name:      {one['name']}{'' if one['wired'] else ' (not wired any more)'}",
        f"path:      {one['path'] or '-'}, version {number(one['version'])}",
        f"target:    {one['target'] or '-'}, {one['strategy'] or '-'}: {', '.join(one['accounts']) or '-'}",
        f"due:       {'under way' if one['underWay'] else one['due'] or 'never by itself'}",
        f"phase:     {one['phase']}",
    ]
    if record is not None:
        lines += _record(one, record)
    text = "\n".join(escaped(line) for line in lines)
    if not one["trouble"]:
        return text
    return f"{text}\n{remark(_trouble(one), 'waits for: ' if one['underWay'] else 'trouble:   ')}"


def _trouble(one: dict[str, Any]) -> str:
    """The reason, and what the last try said of it."""
    said = (one["record"] or {}).get("trouble") or {}
    detail = said.get("detail", "") if said.get("reason") == one["trouble"] else ""  # an older Lockstep tells none
    return f"{one['trouble']}: {detail}" if detail else str(one["trouble"])


def _record(one: dict[str, Any], record: dict[str, Any]) -> list[str]:
    lines = [
        f"rotation:  {record['id']}, attempt {record['attempt']}, policy {record['policy']}, by {record['by']}",
        f"began:     {age(record['began'])} ago; in this phase for {age(record['entered'])}",
        f"old:       {_holder(record['old'])}",
        f"new:       {_holder(record['new'])}",
    ]
    if one["holds"]:
        lines.append(f"works:     {one['holds']}")
    if record["trouble"]:
        lines.append(f"tried:     {record['trouble']['tries']} times since {age(record['trouble']['since'])}")
    if record["nextLook"]:
        lines.append(f"next look: {record['nextLook']}")
    if record["proof"]:
        lines.append(f"proof:     {record['proof']} (evidence {record['evidence'] or 'none'})")
    if record["orphans"]:
        lines.append(f"orphans:   {', '.join(_holder(each) for each in record['orphans'])}")
    if record["following"]:
        lines.append(f"followed:  by another one ({record['following']['policy']})")
    if record["revokedFirst"]:
        lines.append(f"revoked before there was a new one: {yes(record['revokedFirst'])}")
    return lines


def _holder(holder: dict[str, Any] | None) -> str:
    if holder is None:
        return "-"
    named = f"{holder['account']} ({holder['id']})" if holder["id"] else holder["account"]
    return f"{named}, version {number(holder['version'])}" if holder["version"] else str(named)
