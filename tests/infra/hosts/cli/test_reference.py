import re

import click
import pytest

from infra.hosts.cli import reference
from infra.hosts.cli.json_members import DOCUMENTS
from infra.hosts.cli.main import COMMANDS, cli
from tests.infra.hosts.cli.commands import lockstep

PAGE = reference.render()["docs/cli.md"]


def test_every_command_is_on_the_page_with_its_options() -> None:
    context = click.Context(cli)
    for name in COMMANDS:
        assert re.search(rf"^## lockstep {name}$", PAGE, re.MULTILINE), name
        command = cli.get_command(context, name)
        assert command is not None
        assert command.help, name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.opts[-1] in PAGE, f"{name} {parameter.opts}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_helps_with_examples(name: str) -> None:
    result = lockstep(name, "--help")
    assert result.exit_code == 0
    assert f"lockstep {name}" in result.stdout
    assert all(len(line) <= 110 for line in result.stdout.splitlines())


def test_documents_belong_to_commands() -> None:
    assert {name.split()[0] for name in DOCUMENTS} <= COMMANDS.keys()


def test_the_page_does_not_depend_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKSTEP_ROOT", "/somewhere")
    monkeypatch.setenv("COLUMNS", "40")
    assert reference.render()["docs/cli.md"] == PAGE
