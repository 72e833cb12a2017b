"""`lockstep fingerprint`: the keyed fingerprint of a value, for labels of alerts and for reports."""

import base64
import sys
from pathlib import Path

import click

from infra.hosts.cli.client import ControlClient
from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.cli.options import output_option, root_option
from infra.hosts.cli.output import document, say

LARGEST = 512 * 1024  # bytes of a value


@click.command("fingerprint")
@root_option
@output_option("json", "yaml")
def command(root: Path, output: str | None) -> None:
    """Read a value from standard input and print its fingerprint. The value is never an argument.

    It is made by a key that the authority keeps: without using it, nobody can make one, or try values against one.
    White space around the value does not count. That it was made, by whom, is on record in the ledger.

    \b
    lockstep fingerprint < leaked-password.txt
    pbpaste | lockstep fingerprint
    """
    value = read_value()
    (found,) = ControlClient(root).tell("fingerprint", purpose="fingerprint", values=[value])["fingerprints"]
    if found is None:
        raise CommandError("that value is too short or too regular to be told from others; it has no fingerprint")
    say(document({"fingerprint": found}, output) if output else found)


def read_value() -> str:
    """The value on standard input, in base64. Raises CommandError."""
    if sys.stdin.isatty():
        raise CommandError("give the value on standard input, not by hand: `lockstep fingerprint < FILE`", Exit.USAGE)
    raw = sys.stdin.buffer.read(LARGEST + 1)
    if not raw.strip():
        raise CommandError("there is nothing on standard input", Exit.USAGE)
    if len(raw) > LARGEST:
        raise CommandError(f"a value has at most {LARGEST // 1024} KiB", Exit.USAGE)
    return base64.b64encode(raw).decode()
