"""What the documents claim: tests that exist, commands that parse, settings that are the defaults, links that lead."""

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from infra.hosts.cli.main import COMMANDS, cli
from infra.hosts.configuration import Configuration
from infra.hosts.rendering import rendered
from infra.wiring.access_policy import load_policy

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md")))
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)[^)]*\)")
BLOCK = re.compile(r"```yaml\n(.*?)```", re.DOTALL)


def named_tests() -> list[tuple[str, str]]:
    return NAMED.findall((ROOT / "docs" / "design-rules.md").read_text(encoding="utf-8"))


def readme_commands() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    return re.findall(r"^\$ (?:\.venv/bin/)?(lockstep .*)$", text, re.MULTILINE)


@pytest.mark.parametrize(("file", "name"), sorted(set(named_tests())))
def test_every_rule_names_tests_that_exist(file: str, name: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert re.search(rf"^\s*(def|class) {name}\b|^{name} = ", text, re.MULTILINE), f"{file} has no {name}"


@pytest.mark.parametrize("name", sorted(rendered()))
def test_generated_files_are_up_to_date(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == rendered()[name], "run `make generate`"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in LINK.findall(document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), f"{document.name} links to {target}"


@pytest.mark.parametrize("line", readme_commands())
def test_the_readmes_commands_parse(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCKSTEP_ROOT", str(tmp_path))
    (tmp_path / "wiring").mkdir()
    words = shlex.split(line, comments=True)[1:]
    words = words[: words.index("<")] if "<" in words else words  # what a shell gives it as input
    group: click.Command = cli
    with click.Context(cli) as context:
        while isinstance(group, click.Group):
            found = group.get_command(context, words[0])
            assert found is not None, f"there is no command {words[0]}"
            group, words = found, words[1:]
        group.make_context(group.name or "", words, parent=context)


def test_every_command_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"lockstep {name}" not in text] == []


def test_the_settings_page_shows_the_defaults() -> None:
    shown, principals = (yaml.safe_load(block) for block in BLOCK.findall(_page("settings.md"))[:2])
    assert Configuration.parse(shown) == Configuration()
    assert Configuration.parse(principals).principals[0].name == "ci"


def test_the_access_policy_of_the_page_is_one() -> None:
    assert load_policy(BLOCK.findall(_page("settings.md"))[2].encode(), "access.yaml").spec.namespaces


def _page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")
