"""What the documents claim: tests that exist, commands that parse, files that are there."""

import re
from pathlib import Path

import pytest

from infra.deploy.generate import rendered

ROOT = Path(__file__).resolve().parents[1]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def named_tests() -> list[tuple[str, str]]:
    return NAMED.findall((ROOT / "docs" / "design-rules.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("file", "name"), sorted(set(named_tests())))
def test_every_rule_names_tests_that_exist(file: str, name: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert re.search(rf"^\s*(def|class) {name}\b|^{name} = ", text, re.MULTILINE), f"{file} has no {name}"


@pytest.mark.parametrize("name", sorted(rendered()))
def test_generated_files_are_up_to_date(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == rendered()[name], "run `make generate`"
