"""Findings for people, for programs, and for code review (SARIF 2.1.0)."""

import json
from collections.abc import Sequence
from typing import Any

from infra.wiring.finding import Finding, Rule

_LEVELS = {"error": "error", "warning": "warning", "notice": "note"}


def as_text(findings: Sequence[Finding]) -> str:
    """One finding a paragraph: where, what, what to do; then the count."""
    lines = []
    for finding in findings:
        lines += [printable(str(finding)), f"    {finding.mend} ({finding.rule.name}, {finding.rule.paragraph})"]
    counts = [
        f"{number} {severity}{'s' if number != 1 else ''}"
        for severity in ("error", "warning", "notice")
        if (number := sum(finding.severity == severity for finding in findings))
    ]
    return "\n".join([*lines, ", ".join(counts) or "nothing found"]) + "\n"


def printable(text: str) -> str:
    """Control characters escaped: names come from files that anybody may have written."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def as_objects(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """What the JSON format holds; fields are only ever added."""
    return [
        {
            "rule": finding.rule.id,
            "name": finding.rule.name,
            "severity": finding.severity,
            "file": finding.file,
            "line": finding.line,
            "message": finding.message,
            "mend": finding.mend,
            "paragraph": finding.rule.paragraph,
        }
        for finding in findings
    ]


def as_json(findings: Sequence[Finding]) -> str:
    return json.dumps(as_objects(findings), indent=2) + "\n"


def as_sarif(findings: Sequence[Finding], version: str) -> str:
    """A SARIF log; `version` is the program's."""
    rules = {finding.rule.id: finding.rule for finding in findings}
    driver = {"name": "lockstep lint", "version": version, "rules": [_descriptor(rules[key]) for key in sorted(rules)]}
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": [_result(finding) for finding in findings]}],
    }
    return json.dumps(log, indent=2) + "\n"


def _descriptor(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.title},
        "help": {"text": f"{rule.mend} ({rule.paragraph})"},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(finding: Finding) -> dict[str, Any]:
    place = {"artifactLocation": {"uri": finding.file}, "region": {"startLine": finding.line}}
    return {
        "ruleId": finding.rule.id,
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{finding.message}. {finding.mend}"},
        "locations": [{"physicalLocation": place}],
    }
