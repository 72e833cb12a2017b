import json
from pathlib import Path

import pytest
import yaml

from infra.hosts.cli.failures import Exit
from infra.wiring.rules import RULES
from tests.infra.hosts.cli.commands import lockstep
from tests.instance import external_secret, push_secret, store

GOOD = [
    store(),
    push_secret("p", "data/s", "platform-data/postgres/app"),
    external_secret("app/s", "platform-data/postgres/app"),
]
WARNS = [
    store(),
    external_secret("app/s", "platform-data/postgres/app", dataFrom=[{"find": {"name": {"regexp": ".*"}}}]),
]
BROKEN = [store(), push_secret("p", "data/s", "Platform Data/x")]


def written(folder: Path, documents: list[object]) -> str:
    (folder / "wiring.yaml").write_text(yaml.safe_dump_all(documents))
    return str(folder)


def test_nothing_found(tmp_path: Path) -> None:
    result = lockstep("lint", written(tmp_path, [*GOOD]))
    assert result.exit_code == 0
    assert "error" not in result.stdout


def test_findings_name_rule_place_and_what_to_do(tmp_path: Path) -> None:
    result = lockstep("lint", written(tmp_path, [*BROKEN]))
    assert result.exit_code == Exit.FINDINGS
    assert f"{tmp_path}/wiring.yaml:" in result.stdout
    assert "LS024" in result.stdout
    rule = next(rule for rule in RULES if rule.id == "LS024")
    assert rule.mend in result.stdout


def test_warnings_count_only_when_strict(tmp_path: Path) -> None:
    folder = written(tmp_path, [*WARNS])
    assert lockstep("lint", folder).exit_code == 0
    assert lockstep("lint", folder, "--strict").exit_code == Exit.FINDINGS


def test_documents_for_programs(tmp_path: Path) -> None:
    folder = written(tmp_path, [*BROKEN])
    listed = lockstep("lint", folder, "-o", "json")
    assert listed.exit_code == Exit.FINDINGS
    assert {"rule", "severity", "file", "line", "message", "mend"} <= set(json.loads(listed.stdout)[0])
    sarif = json.loads(lockstep("lint", folder, "-o", "sarif").stdout)
    assert sarif["version"] == "2.1.0"
    assert yaml.safe_load(lockstep("lint", folder, "-o", "yaml").stdout) == json.loads(listed.stdout)


def test_standard_input() -> None:
    text = yaml.safe_dump_all(BROKEN)
    result = lockstep("lint", "-", stdin=text)
    assert result.exit_code == Exit.FINDINGS
    assert "<stdin>:" in result.stdout
    assert lockstep("lint", "-", "more", stdin=text).exit_code == Exit.USAGE


def test_the_rules_are_listed() -> None:
    listed = json.loads(lockstep("lint", "--rules", "-o", "json").stdout)
    assert [one["rule"] for one in listed] == sorted(rule.id for rule in RULES)
    for form in ((), ("-o", "wide")):
        assert all(rule.id in lockstep("lint", "--rules", *form).stdout for rule in RULES)


@pytest.mark.parametrize(("arguments", "code"), [((), Exit.USAGE), (("/nowhere/at/all",), Exit.NOT_FOUND)])
def test_what_cannot_be_linted(arguments: tuple[str, ...], code: Exit) -> None:
    assert lockstep("lint", *arguments).exit_code == code


def test_control_characters_of_a_manifest_are_escaped(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text('apiVersion: v1\nkind: "Secr\\u001b[31met"\nmetadata: {name: x}\n')
    assert "\x1b" not in lockstep("lint", str(tmp_path)).output
