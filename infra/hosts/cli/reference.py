"""The reference page of these commands, docs/cli.md."""

from infra.deploy import cli_reference
from infra.hosts.cli.json_members import DOCUMENTS
from infra.hosts.cli.main import cli


def render() -> dict[str, str]:
    """The page as {path: text}."""
    return cli_reference.render(cli, DOCUMENTS)
