"""Waiting for what becomes of an order to take over a path."""

import time
from typing import Any

from infra.hosts.cli.client import ControlClient
from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.cli.output import escaped, note

_POLL = 2.0


def waited(client: ControlClient, sequence: int, timeout: float) -> dict[str, Any]:
    """What became of it, at most `timeout` seconds later. Raises CommandError with TIMEOUT."""
    end = time.monotonic() + timeout
    told = ""
    while True:
        left = end - time.monotonic()
        found: dict[str, Any] = client.ask("outcome", sequence=sequence, seconds=max(0.0, min(_POLL, left)))
        if found["state"] != "pending":
            return found
        if left <= 0:
            why = escaped(found["reason"]) or "its turn has not come"
            raise CommandError(
                f"ordered, and not carried out after {timeout:g} s ({why})"
                f"; `lockstep events --since {sequence - 1}` shows what becomes of it",
                Exit.TIMEOUT,
            )
        if found["reason"] and found["reason"] != told:
            told = found["reason"]
            note(escaped(f"waiting: {told}"))
