"""`lockstep emit`: one valid event to the running Lockstep, as its operator."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from events.catalogue import BY_TYPE
from events.cloudevent import CloudEvent
from events.envelope import issue, read
from events.errors import EventError
from events.event import PREFIX
from events.http_binding import MAX_BODY_BYTES, STRUCTURED, decode, encode_structured
from events.strict_json import parse
from infra.hosts.cli.client import ControlClient
from infra.hosts.cli.composing import ComposeError, compose, model_named
from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.cli.options import output_option, root_option
from infra.hosts.cli.output import document, escaped, say
from infra.hosts.cli.refusals import advice

INGRESS = "/lockstep/default"
SOURCE = "/lockstep/cli"
LIFETIME = 900.0  # seconds that an order holds where --expires-in says nothing


@click.command("emit")
@root_option
@click.argument("type_", required=False, metavar="TYPE")
@click.option("--data", "data_text", metavar="JSON|@FILE|-", help="The event's data; what is left out is filled in.")
@click.option(
    "--subject", help="What it is about, such as namespaces/orders/secrets/db or paths/secret/platform-data/x/y."
)
@click.option("--reason", help="Of an order: why it is given.")
@click.option("--expires-in", default=LIFETIME, show_default=True, metavar="SECONDS", help="How long an order holds.")
@click.option("--raw", metavar="FILE|-", help="Send this CloudEvent (JSON, structured mode) as it is.")
@click.option("--dry-run", is_flag=True, help="Print the event instead of sending it.")
@output_option("json", "yaml")
def command(
    root: Path, type_: str | None, data_text: str | None, subject: str | None, reason: str | None, expires_in: float,
    raw: str | None, dry_run: bool, output: str | None,
) -> None:  # fmt: skip
    """Send an event: a hint or an order of the catalogue (docs/events.md). Events name things; they carry no values.

    \b
    lockstep emit secret.changed --subject namespaces/platform-data/secrets/postgres
    lockstep emit schedule.ticked --subject schedules/sweep/0      sweep everything now
    lockstep emit schedule.ticked --subject schedules/start/0      look at unfinished rotations
    lockstep emit publish.requested --subject paths/secret/platform-data/postgres/temporal --reason "restored"
    lockstep emit materialize.requested --data @order.json
    lockstep emit --raw event.json

    Exit codes: 0 accepted, and durable; 2 no valid event; 3 nothing runs, or it takes nothing now; 5 refused.
    """
    if (type_ is None) == (raw is None):
        raise CommandError("give a TYPE, or --raw with a whole event", Exit.USAGE)
    if raw is not None:
        if data_text or subject or reason:
            raise CommandError("--raw sends an event as it is; leave out --data, --subject and --reason", Exit.USAGE)
        body, event = _raw(raw)
    else:
        event = _typed(type_ or "", data_text, subject, reason, expires_in)
        body = encode_structured(event)[1]
    if dry_run:
        say(document({**event.attributes(), "data": json.loads(event.data or b"null")}, output or "json"))
        return
    _send(root, event, body)
    accepted = {"id": event.id, "type": event.type, "subject": event.subject, "status": 202}
    say(document(accepted, output) if output else escaped(f"accepted {event.type} {event.subject or ''} id {event.id}"))


def _typed(type_: str, data_text: str | None, subject: str | None, reason: str | None, expires_in: float) -> CloudEvent:
    now = datetime.now(UTC)
    try:
        given = _members(data_text)
        if reason is not None:
            given.setdefault("reason", reason)
        event = compose(model_named(type_), given, subject, now=now, expires=now + timedelta(seconds=expires_in))
        wire = issue(event, source=SOURCE, now=now)
        read(wire)
    except (ComposeError, EventError) as error:
        raise CommandError(str(error), Exit.USAGE) from None
    return wire


def _members(data_text: str | None) -> dict[str, Any]:
    given = parse(_read(data_text)) if data_text is not None else {}
    if not isinstance(given, dict):
        raise ComposeError("--data is a JSON object")
    return given


def _raw(source: str) -> tuple[bytes, CloudEvent]:
    """The body as it is, and what it holds for the report. Only the ingress decides whether it is taken."""
    body = _read("-" if source == "-" else f"@{source}")
    try:
        event = decode([("content-type", STRUCTURED)], body)
    except EventError as error:
        raise CommandError(f"not an event in structured mode: {error}", Exit.USAGE) from None
    if event.type.startswith(PREFIX) and event.type not in BY_TYPE:
        message = f"{event.type[:80]}: unknown type of ours: a newer version? docs/events.md has those of this one"
        raise CommandError(message, Exit.USAGE)
    return body, event


def _read(text: str) -> bytes:
    if text == "-":
        return sys.stdin.buffer.read(MAX_BODY_BYTES + 1)
    if not text.startswith("@"):
        return text.encode()
    try:
        with Path(text[1:]).open("rb") as file:
            return file.read(MAX_BODY_BYTES + 1)
    except OSError as error:
        raise CommandError(f"cannot read {text[1:]}: {error.strerror}", Exit.NOT_FOUND) from None


def _send(root: Path, event: CloudEvent, body: bytes) -> None:
    status, answer = ControlClient(root).send("POST", INGRESS, {"content-type": STRUCTURED}, body)
    if status == 202:
        return
    try:
        problem: Any = json.loads(answer)
        detail = str(problem.get("detail") or problem.get("title") or "no reason given")
    except (ValueError, AttributeError):
        detail = "no reason given"
    code = Exit.UNREACHABLE if status >= 500 else Exit.USAGE if status in (400, 413) else Exit.REFUSED
    raise CommandError(escaped(f"refused ({status}): {detail}{advice(status, event.type)}"), code)
