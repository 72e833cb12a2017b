"""The formats of findings."""

import json

from infra.wiring.lint import lint_contents
from infra.wiring.lint.page import render
from infra.wiring.lint.report import as_json, as_sarif, as_text, printable
from infra.wiring.rules import RULES
from tests.infra.wiring.lint.cases import CASES

FINDINGS = lint_contents({"wiring/a.yaml": CASES["LS053"][0].encode()})


def test_text_says_where_what_and_what_to_do() -> None:
    text = as_text(FINDINGS)
    assert "wiring/a.yaml:" in text
    assert "LS053" in text
    assert "Vault namespaces tell environments apart" in text
    assert as_text([]) == "nothing found\n"


def test_json_is_a_list_of_objects_with_stable_fields() -> None:
    objects = json.loads(as_json(FINDINGS))
    assert set(objects[0]) == {"rule", "name", "severity", "file", "line", "message", "mend", "paragraph"}


def test_sarif_refers_to_the_rules_it_declares() -> None:
    run = json.loads(as_sarif(FINDINGS, "1"))["runs"][0]
    declared = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert {result["ruleId"] for result in run["results"]} <= declared


def test_control_characters_are_escaped() -> None:
    assert printable("a\x1b[31m\n") == "a\\x1b[31m\\x0a"


def test_the_page_names_every_rule() -> None:
    (text,) = render().values()
    assert all(f"| {rule.id} | {rule.name} |" in text for rule in RULES)
