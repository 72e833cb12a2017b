"""`docs/rules.md`, rendered from the rules' declarations."""

from infra.wiring.rules import RULES

_HEAD = """\
# Rules

Rendered from `infra/wiring/rules.py` by `make generate`; do not edit.

What `lockstep lint` looks for. A manifest that breaks a rule marked *refused* does not act: nothing is published or
materialized for it, and nothing is retracted either. The path and property rules (LS050 to LS055) refuse in
namespaces that enforce conventions and warn in others. Notices do not fail a check.

| Rule | Name | Severity | Refused | Says | What to do | Source |
|---|---|---|---|---|---|---|
"""


def render() -> dict[str, str]:
    """The page by its path in the repository."""
    rows = [
        f"| {rule.id} | {rule.name} | {rule.severity} | {'refused' if rule.refuses else ''} | {_cell(rule.title)} "
        f"| {_cell(rule.mend)} | {_cell(rule.paragraph)} |"
        for rule in sorted(RULES, key=lambda each: each.id)
    ]
    return {"docs/rules.md": _HEAD + "\n".join(rows) + "\n"}


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;").replace("*", "\\*")
