"""`lockstep leak`: report leaks, decide what triage leaves to people, and see what became of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from functions._leak_joining import MOST
from infra.hosts.cli.client import ControlClient
from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.cli.fingerprint import read_value
from infra.hosts.cli.in_cluster import answered, place_options, questions
from infra.hosts.cli.options import Given, output_option, root_option
from infra.hosts.cli.output import document, escaped, note, say, table
from infra.hosts.cli.readable import age
from infra.hosts.cli.scanner_reports import gitleaks, trufflehog

_LEAK = Given("the id of a leak, or how it begins")
_PATH = Given("MOUNT/PATH")
_STOPPED = {"aborted": "was given up", "failed": "failed"}
_AT_ONCE = 300  # findings of one request
_BYTES_AT_ONCE = 600_000
_OF_FINGERPRINT = 15  # letters that are shown


@click.group("leak")
def command() -> None:
    """Report leaks, decide what is left to people, and see what became of them.

    \b
    lockstep leak report --path secret/platform-data/postgres/orders --key password
    lockstep leak list
    lockstep leak show 5f2b0c0e
    lockstep leak confirm 5f2b0c0e --reason "seen in the build log"
    lockstep leak dismiss 5f2b0c0e --reason "a test value"
    lockstep leak attest 5f2b0c0e --reason "the provider deleted the old key"
    """


@command.command("report")
@root_option
@click.option("--path", type=_PATH, metavar="MOUNT/PATH", help="The secret that is out.")
@click.option("--key", metavar="KEY", help="Which of its properties; without it, all of them.")
@click.option("--version", type=click.IntRange(1), metavar="N", help="Which version; without it, the newest.")
@click.option("--fingerprint", metavar="FINGERPRINT", help="What `lockstep fingerprint` made of the value.")
@click.option("--value-stdin", is_flag=True, help="The value itself, on standard input: it is fingerprinted first.")
@click.option("--gitleaks", "from_gitleaks", type=click.Path(path_type=Path), metavar="FILE", help="Its JSON report.")
@click.option(
    "--trufflehog", "from_trufflehog", type=click.Path(path_type=Path), metavar="FILE", help="Its JSON lines."
)
@click.option("--place", default="", metavar="TEXT", help="Where it was found; never the value.")
@click.option("--force", is_flag=True, help="Report a path that no manifest names, too.")
@output_option("json", "yaml")
def report_command(
    root: Path, path: str | None, key: str | None, version: int | None, fingerprint: str | None, value_stdin: bool,
    from_gitleaks: Path | None, from_trufflehog: Path | None, place: str, force: bool, output: str | None,
) -> None:  # fmt: skip
    """Report that a secret is out: by its path, its fingerprint, its value, or a scanner's findings.

    Values are fingerprinted by the authority before anything is reported, and go nowhere else. What comes of it is
    told by `lockstep leak list` and `lockstep leak show`.

    Exit code 4: nothing that is wired has this path; nothing was reported.

    \b
    lockstep leak report --path secret/platform-data/postgres/orders --place "ticket 4711"
    lockstep leak report --value-stdin < found.txt
    gitleaks git --report-format json --report-path found.json; lockstep leak report --gitleaks found.json
    """
    findings, via = _findings(
        path=path, key=key, version=version, fingerprint=fingerprint, value_stdin=value_stdin, place=place,
        from_gitleaks=from_gitleaks, from_trufflehog=from_trufflehog,
    )  # fmt: skip
    client = ControlClient(root)
    told: dict[str, Any] = {"leaks": [], "skipped": 0}
    for batch in _batches(findings):
        answer = client.tell("leak/report", via=via, findings=batch, force=force)
        told["leaks"] += [one for one in answer["leaks"] if one not in told["leaks"]]
        told["skipped"] += answer["skipped"]
    if output:
        say(document(told, output))
        return
    for leak in told["leaks"]:
        say(f"reported as {leak}")
    if told["leaks"]:
        which = f"show {told['leaks'][0][:12]}" if len(told["leaks"]) == 1 else "list"
        note(f"what becomes of it: lockstep leak {which}")
    if told["skipped"]:
        note(f"{told['skipped']} findings are too short or too regular to be told from others, and were left out")
    if not findings:
        note("no findings")


@command.command("confirm")
@root_option
@click.argument("leak", type=_LEAK)
@click.option("--path", type=_PATH, metavar="MOUNT/PATH", help="The secret that it is, where nothing else tells.")
@click.option("--key", metavar="KEY", help="Which of its properties.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is on record.")
@output_option("json", "yaml")
def confirm_command(
    root: Path, leak: str, path: str | None, key: str | None, reason: str, output: str | None
) -> None:  # fmt: skip
    """It is a leak: have it rotated now, revoking first where its owner wants that. Limits do not hold it."""
    _decide(root, leak, "confirm", reason, output, path=path, key=key)


@command.command("dismiss")
@root_option
@click.argument("leak", type=_LEAK)
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is on record.")
@output_option("json", "yaml")
def dismiss_command(root: Path, leak: str, reason: str, output: str | None) -> None:
    """It is none: close it, whoever reports it again. A rotation that has begun goes on."""
    _decide(root, leak, "dismiss", reason, output)


@command.command("attest")
@root_option
@click.argument("leak", type=_LEAK)
@click.option("--reason", required=True, metavar="TEXT", help="How you know; it is on record.")
@output_option("json", "yaml")
def attest_command(root: Path, leak: str, reason: str, output: str | None) -> None:
    """Vouch that what leaked is refused, where Lockstep cannot try it: a producer's secret, a former version."""
    _decide(root, leak, "attest", reason, output)


@command.command("list")
@place_options
@click.option("--state", type=click.Choice(["reported", "confirmed", "dismissed", "contained"]), help="Only these.")
@output_option("json", "yaml")
def list_command(root: Path | None, chosen: str | None, state: str | None, output: str | None) -> None:
    """List leaks, newest first."""
    found = answered(root, chosen, lambda up: up.ask("leaks", state=state), lambda: questions().leaks(state))
    if output:
        say(document(found, output))
    elif not found["leaks"]:
        note("no leaks")
    else:
        header = ["id", "state", "age", "contained", "detector", "reporter", "secrets"]
        say(table(header, [_row(one) for one in found["leaks"]]))


@command.command("show")
@place_options
@click.argument("leak", type=_LEAK)
@output_option("json", "yaml")
def show_command(root: Path | None, chosen: str | None, leak: str, output: str | None) -> None:
    """Show one leak: what it is, whom it touches, what was done when, and what containment waits for."""
    found = answered(root, chosen, lambda up: up.ask("leaks/show", leak=leak), lambda: questions().leak(leak))
    say(document(found, output) if output else "\n".join(lines(found)))


def _findings(
    *, path: str | None, key: str | None, version: int | None, fingerprint: str | None, value_stdin: bool, place: str,
    from_gitleaks: Path | None, from_trufflehog: Path | None,
) -> tuple[list[dict[str, Any]], str]:  # fmt: skip
    if from_gitleaks is not None or from_trufflehog is not None:
        if any((path, key, version, fingerprint, value_stdin, place)):
            raise CommandError("--gitleaks and --trufflehog stand alone: the report says the rest", Exit.USAGE)
        found = gitleaks(from_gitleaks) if from_gitleaks is not None else []
        return found + (trufflehog(from_trufflehog) if from_trufflehog is not None else []), "scanner"
    if not any((path, fingerprint, value_stdin)):
        raise CommandError("say what is out: --path, --fingerprint, --value-stdin, or a scanner's report", Exit.USAGE)
    said = {"path": path, "key": key, "version": version, "fingerprint": fingerprint, "place": place}
    said["value"] = read_value() if value_stdin else None
    return [{name: value for name, value in said.items() if value is not None}], "operator"


def _batches(findings: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size = 0
    for finding in findings:
        weight = sum(len(str(value)) for value in finding.values()) + 100
        if batch and (len(batch) >= _AT_ONCE or size + weight > _BYTES_AT_ONCE):
            yield batch
            batch, size = [], 0
        batch.append(finding)
        size += weight
    if batch:
        yield batch


def _decide(root: Path, leak: str, decision: str, reason: str, output: str | None, **more: str | None) -> None:
    answer = ControlClient(root).tell("leak/decide", leak=leak, decision=decision, reason=reason, **more)
    say(
        document(answer, output) if output else f"ordered: {decision} {answer['leak']}; `lockstep leak show` follows it"
    )


def _row(one: dict[str, Any]) -> list[str]:
    why = one["held"] or one["dismissed"] or (f"rotation {one['stopped']}" if one["stopped"] else "")
    state = f"{one['state']} ({why})" if why else one["state"]
    took = one["secondsToContain"]
    return [
        one["id"][:12], state, age(one["received"]), f"{took:.0f}s" if took is not None else "-",
        one["detector"] or "-", ", ".join(one["reporters"]), ", ".join(one["paths"]) or "-",
    ]  # fmt: skip


def lines(found: dict[str, Any]) -> Iterator[str]:
    """A finding as `leak show` prints it."""
    held = f", held: {found['held']}" if found["held"] else ""
    stopped = f", its rotation {_STOPPED[found['stopped']]}" if found["stopped"] else ""
    yield f"leak {found['id']}: {found['state']}{held}{stopped}"
    for name, text in (
        ("reported by", ", ".join(found["reporters"])), ("detector", found["detector"]), ("reported", _reported(found)),
        ("found at", found["place"]), ("noticed", found["noticed"]), ("known by", found["match"]),
        ("decided by", found["decidedBy"]), ("dismissed", _dismissed(found)), ("resolved", found["resolved"] or ""),
    ):  # fmt: skip
        if text:
            yield f"  {name}: {escaped(text)}"
    for one in found["exposures"]:
        key = f" {one['key']}" if one["key"] else ""
        yield f"  secret: {escaped(one['path'])}{escaped(key)} version {one['version']}: {one['standing']}"
    if found["consumers"]:
        yield f"  used by: {escaped(', '.join(found['consumers']))}"
    if found["joined"]:
        count = len(found["joined"])
        yield f"  joined by: {count} other finding{'s' if count > 1 else ''}{' or more' if count >= MOST else ''}"
    for text in found["missing"]:
        yield f"  waits for: {escaped(text)}"
    yield "  timeline:"
    for one in found["timeline"]:
        detail = f" ({one['detail']})" if one["detail"] else ""
        yield f"    +{one['after']:.1f}s {one['what']} by {escaped(one['by'])}{escaped(detail)}"
    if found["secondsToContain"] is not None:
        yield f"  contained in {found['secondsToContain']:.1f} s"


def _reported(found: dict[str, Any]) -> str:
    """What the report named: of a fingerprint as much as tells it from others."""
    fingerprint = found["fingerprint"] or ""
    named = [
        found["path"] or "", f"key {found['key']}" if found["key"] else "",
        f"version {found['version']}" if found["version"] else "",
        f"fingerprint {fingerprint[:_OF_FINGERPRINT]}…" if fingerprint else "",
    ]  # fmt: skip
    return ", ".join(one for one in named if one)


def _dismissed(found: dict[str, Any]) -> str:
    """Why, with what the record says of it."""
    why = str(found["dismissed"])
    said = [one["detail"] for one in found["timeline"] if one["what"] == "dismissed"]
    return said[-1] if said and said[-1].startswith(f"{why}: ") else why
