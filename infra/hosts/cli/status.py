"""`lockstep status`: every secret, from its origin to its consumers, and what is around them."""

from pathlib import Path
from typing import Any

import click

from infra.hosts.cli.failures import Exit
from infra.hosts.cli.in_cluster import ELSEWHERE, answered, place_options, questions
from infra.hosts.cli.options import NAME, namespace_options, output_option
from infra.hosts.cli.output import document, say, table
from infra.hosts.cli.readable import age, number, remark, stuck, yes
from infra.hosts.located import located

_MARKS = {"current": "       ", "moving": "    -  ", "waiting": "    -  ", "stale": "    -  ", "stuck": "    !  "}
_TOMBSTONES = 5  # shown to people; the documents hold all


@click.command("status")
@place_options
@namespace_options
@click.argument("names", nargs=-1, type=NAME, metavar="[NAMESPACE/NAME | MOUNT/PATH]...")
@output_option("json", "yaml", "wide")
@click.pass_context
def command(
    context: click.Context, root: Path | None, chosen: str | None, namespace: str | None, all_namespaces: bool,
    names: tuple[str, ...], output: str | None,
) -> None:  # fmt: skip
    """Show every secret: class, origin, version, consumers, in step or not, last step, and what is wrong.

    \b
    lockstep status
    lockstep status -n temporal
    lockstep status temporal/postgres -o json
    lockstep status -n temporal --context kind-dev      what a cluster tells, without its broker

    Exit code 1: something that was shown is out of step, or a manifest may not act as it is written; 4: nothing that is
    wired has this name, or nothing is wired in this namespace.
    """
    wide, where = output == "wide", None if all_namespaces else namespace
    found = answered(
        root,
        chosen,
        lambda up: up.ask("status", names=list(names) or None, namespace=where, wide=wide or None),
        lambda: questions().status(names, where, wide=wide),
    )
    nothing = "no path leads to it or from it; the remarks say why" if names else found["unknown"] or "nothing is wired"
    say(document(found, output) if output in ("json", "yaml") else _page(found, nothing, wide=wide))
    context.exit(Exit.OK if found["inStep"] else Exit.NOT_FOUND if found["unknown"] else Exit.FINDINGS)


def _page(found: dict[str, Any], nothing: str, *, wide: bool) -> str:
    parts = [_secrets(found["secrets"], nothing, wide=wide), _around(found), _remarks(found)]
    return "\n\n".join(part for part in parts if part)


# --- secrets ----------------------------------------------------------------------------------------------------------


def _secrets(secrets: list[dict[str, Any]], nothing: str, *, wide: bool) -> str:
    if not secrets:
        return remark(nothing, "")
    rows: list[list[str]] = []
    remarks: list[list[str]] = []
    for secret in secrets:
        for row, notes in _rows(secret, wide=wide):
            rows.append(row)
            remarks.append(notes)
    header = ["secret", "class", "version", "in step", "last step", *(["written"] if wide else [])]
    head, *lines = table(header, rows).splitlines()
    shown = [head]
    for line, notes in zip(lines, remarks, strict=True):
        shown += [line, *notes]
    return "\n".join(shown)


def _rows(secret: dict[str, Any], *, wide: bool) -> list[tuple[list[str], list[str]]]:
    written = [_written(secret["version"])] if wide else []
    version, state = number(secret["version"]), yes(secret["inStep"])
    own = [secret["path"], secret["class"], version, state, _last(secret["lastStep"]), *written]
    pad = [""] if wide else []
    rows = [(own, _notes(secret))]
    rows.append(([f"  from {secret['origin']}", "", "", "", "", *pad], []))
    if wide:
        rows += [([f"       Secret {name}", "", "", "", "", ""], []) for name in secret["sources"]]
    for consumer in secret["consumers"]:
        written = [_written(consumer["version"])] if wide else []
        row = [
            f"  to   {consumer['secret']}", "", number(consumer["version"]), yes(consumer["inStep"]),
            _last(consumer["lastStep"]), *written,
        ]  # fmt: skip
        rows.append((row, [*_notes(consumer), *_workloads(consumer)]))
    return rows


def _notes(one: dict[str, Any]) -> list[str]:
    notes = [remark(one["wrong"], "    !  ")] if one["wrong"] else []
    if waits := stuck(one["trouble"]):
        notes.append(remark(waits, "       "))
    if rotation := one.get("rotation"):
        notes += _rotation(rotation)
    if one["suspended"] and not one["wrong"]:
        notes.append(remark(f"suspended: {one['suspended']}", "    -  "))
    return notes


def _rotation(one: dict[str, Any]) -> list[str]:
    if one["trouble"]:
        return [remark(f"rotation is {one['phase']}: {one['trouble']}", "    !  ")]
    if one["underWay"]:
        return [remark(f"rotation is under way: {one['phase']}", "    -  ")]
    return [remark(f"rotation is due {one['due']}", "    -  ")] if one["due"] else []


def _workloads(consumer: dict[str, Any]) -> list[str]:
    """Which workload runs which version of it, where that was asked for."""
    if consumer["workloadsUnknown"]:
        return [remark(f"workloads: not known: {consumer['workloadsUnknown']}", "       ")]
    return [remark(f"{one['workload']}: {one['says']}", _MARKS[one["state"]]) for one in consumer["workloads"] or ()]


def _last(step: dict[str, Any] | None) -> str:
    return f"{step['step']} {age(step['at'])}" if step else "-"


def _written(version: dict[str, Any] | None) -> str:
    return str(version["created"]) if version else "-"


# --- around them ------------------------------------------------------------------------------------------------------


def _around(found: dict[str, Any]) -> str:
    facts = [
        ("secrets", _count(found["secrets"])),
        *([("platform", found["platform"])] if found["platform"] != f"root {found['root']}" else []),
        ("authority", _authority(found["authority"])),
        ("access", _access(found["access"])),
        ("broker", _broker(found["broker"])),
        ("ledger", _ledger(found["ledger"])),
        ("retraction", _tombstones(found["tombstones"])),
        ("wiring", _wiring(found["wiring"])),
    ]
    return "\n".join(remark(text, f"{name + ':':<12}") for name, text in facts)


def _count(secrets: list[dict[str, Any]]) -> str:
    good = sum(secret["inStep"] for secret in secrets)
    return f"{good} of {len(secrets)} in step"


def _authority(one: dict[str, Any] | None) -> str:
    if one is None:
        return "not given here (VAULT_ADDR, BAO_ADDR); versions are as they were confirmed last"
    kind = "embedded OpenBao" if one["embedded"] else "authority"
    seal = "; development seal: the key lies beside the data" if one["developmentSeal"] else ""
    version = f" {one['version']}" if one["version"] else ""
    if one["serves"]:
        return f"{kind}{version} at {one['address']} serves{seal}"
    state = "SEALED" if one["reachable"] and one["sealed"] else "NOT REACHABLE" if not one["reachable"] else "NOT READY"
    return f"{state}: {one['reason']}; versions are as they were confirmed last{seal}"


def _access(one: dict[str, Any]) -> str:
    if one["problem"]:
        return "NOT AS IT IS WRITTEN: the remarks say why, and what is in force"
    return f"{one['place']} is in force" if one["policy"] == "present" else f"no {one['place']}: one trust domain"


def _broker(one: dict[str, Any] | None) -> str:
    if one is None:
        return ELSEWHERE
    held = sum(one["held"].values())
    text = f"{one['pending']} pending, {held} held, {one['deadLetters']} dead letters"
    if one["pending"]:
        text += f", the oldest for {one['stalledSeconds']:.0f} s"
    return f"{text}; STORAGE IS FULL, nothing new is taken" if one["full"] else text


def _ledger(one: dict[str, Any] | None) -> str:
    if one is None:
        return ELSEWHERE
    return f"{one['entries']} entries, {one['lag']} not anchored yet"


def _tombstones(one: dict[str, Any] | None) -> str:
    if one is None:
        return ELSEWHERE
    if not one["known"]:
        return "not known while the authority does not serve"
    if not one["total"]:
        return "nothing noticed as gone"
    held = f"; HELD: {one['held']}" if one["held"] else ""
    return f"{one['total']} noticed as gone, {one['due']} due{held}"


def _wiring(one: dict[str, Any]) -> str:
    text = f"{one['pushSecrets']} PushSecrets, {one['externalSecrets']} ExternalSecrets, {one['stores']} stores"
    text += f", {one['rotations']} Rotations" if one.get("rotations") else ""
    return text if one["complete"] else f"{text}; NOT COMPLETE: nothing is retracted"


# --- remarks ----------------------------------------------------------------------------------------------------------


def _remarks(found: dict[str, Any]) -> str:
    wiring = found["wiring"]
    lines = [remark(found["access"]["problem"], "  !  ")] if found["access"]["problem"] else []
    for one in wiring["findings"]:
        if not any(_told(one, problem) for problem in wiring["problems"]):
            lines.append(remark(f"{located(one['file'], one['line'])}: {one['message']}", "  !  "))
    for one in wiring["problems"]:
        place = f"{located(one['file'], one['line'])}: " if one["file"] else ""
        lines.append(remark(f"{place}{one['manifest']}: {one['message']}", "  !  "))
    lines += [remark(f"{one['manifest']}: {one['message']}", "  -  ") for one in wiring["warnings"]]
    for one in found["suspensions"]:
        lines.append(
            remark(f"{one['scope']} is suspended: {one['reason']} ({one['by']}, {age(one['since'])})", "  -  ")
        )
    items = found["tombstones"]["items"] if found["tombstones"] else []
    for one in items[:_TOMBSTONES]:
        fate = "is back, the next sweep withdraws it" if one["back"] else f"is gone, due {one['due']}"
        lines.append(remark(f"{one['policy']} {one['target']}: {one['manifest']} {fate}", "  -  "))
    if len(items) > _TOMBSTONES:
        lines.append(f"  -  and {len(items) - _TOMBSTONES} more that are gone (-o json shows them)")
    lines += [remark(notice, "  -  ") for notice in found["notices"]]
    return "\n".join(["remarks:", *lines]) if lines else ""


def _told(finding: dict[str, Any], problem: dict[str, Any]) -> bool:
    """Whether a manifest's problem is this finding, and says more."""
    if (finding["file"], finding["line"]) != (problem["file"], problem["line"]):
        return False
    return str(finding["message"]).removeprefix(f"{problem['manifest']}: ") in problem["message"]
