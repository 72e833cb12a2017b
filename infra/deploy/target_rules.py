"""What the steps' policies say for a target that is an engine of the authority, as a table of its page."""

from collections.abc import Iterable, Iterator

from functions import STEPS
from functions._capability import Capability
from functions._manifests.rotation_target import RotationTarget
from infra.deploy.engine_rules import Rules, authority_rules
from infra.targets.registry import module_of

_ACCOUNT = "<account>"


def has_rules(name: str) -> bool:
    """Whether the type's module asks for anything at the authority."""
    return hasattr(module_of(name), "authority_rules")


def rules_table(name: str) -> str:
    """A Markdown table: by step, what its policy says for one account of a target with default parameters."""
    by_capability = dict(authority_rules(_target(name), (_ACCOUNT,)))
    head = "| Step | Its rules |\n|---|---|\n"
    return head + "".join(f"| {steps} | {rules} |\n" for steps, rules in _rows(by_capability))


def _rows(by_capability: dict[Capability, Rules]) -> Iterator[tuple[str, str]]:
    """Steps of equal rules share a row."""
    found: dict[str, list[str]] = {}
    for step in STEPS:
        rules = _merged(rules for capability, rules in by_capability.items() if capability in step.needs)
        if rules:
            found.setdefault(_told(rules), []).append(f"`{step.name}`")
    return ((", ".join(steps), rules) for rules, steps in found.items())


def _merged(several: Iterable[Rules]) -> Rules:
    merged: Rules = {}
    for rules in several:
        for path, verbs in rules.items():
            merged[path] = merged.get(path, set()) | verbs
    return merged


def _told(rules: Rules) -> str:
    return ", ".join(f"`{' '.join(sorted(rules[path]))}` on `{path}`" for path in sorted(rules))


def _target(name: str) -> RotationTarget:
    return RotationTarget.model_validate(
        {
            "apiVersion": "lockstep.dev/v1alpha1", "kind": "RotationTarget", "metadata": {"name": "example"},
            "spec": {"type": name, "allow": [{"namespaces": ["*"], "accounts": [_ACCOUNT]}]},
        }
    )  # fmt: skip
