"""Commands as a user types them, run in this process; and the installation that they are tried on."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from infra.hosts.cli.main import cli
from tests.instance import Installation, Running, external_secret, push_secret, store, wait_for

CANARY = "canary-7f3a9c"  # in every value that a test puts anywhere; it may appear in no output
PATH = "platform-data/postgres/temporal"
SOURCE = "temporal-credentials"


def lockstep(*arguments: str, root: Path | None = None, stdin: str | bytes | None = None) -> Result:
    """Run a command; what it printed is checked for values."""
    environment = {"LOCKSTEP_ROOT": str(root) if root else None}
    result = CliRunner().invoke(cli, arguments, input=stdin, env=environment)
    assert CANARY not in result.output, "a value was printed"
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def answered(*arguments: str, root: Path | None = None) -> Any:
    """What a command says as JSON, where it succeeds."""
    result = lockstep(*arguments, "-o", "json", root=root)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def prepared(root: Path, keys: tuple[str, ...] = ("password",)) -> Installation:
    """One producer and one consumer; anchors are left to the tests, and what is refused dies at once."""
    at = Installation(root)
    at.configure(anchor={"intervalSeconds": 3600}, sweep={"intervalSeconds": 3600}, delivery={"retry": 0})
    at.wire("store", store())
    at.wire(
        "temporal", push_secret("push", f"platform-data/{SOURCE}", PATH, keys), external_secret("temporal/pg", PATH)
    )
    at.put("platform-data", SOURCE, {"password": f"{CANARY}-1".encode()})
    return at


def settled(up: Running) -> None:
    """Wait for the first value to arrive, and for the broker to be done."""
    wait_for(lambda: up.at.values("temporal", "pg") is not None, "the first value")
    up.wait_idle()
