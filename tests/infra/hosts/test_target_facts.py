"""The linter with everything that stands beside the wiring: types of targets, the access policy."""

import inspect

import pytest

from infra.hosts.target_facts import target_facts
from infra.targets.registry import TYPES, module_of
from infra.wiring.finding import Finding
from infra.wiring.lint import lint_contents
from tests.infra.wiring.samples import STORE, external, rotation, rotation_target, together

_ACCESS = """\
apiVersion: lockstep.dev/v1alpha1
kind: AccessPolicy
spec: {namespaces: {shop: {publish: [secret/%s/**]}}}
"""
_READS = "[{secretKey: host, remoteRef: {key: platform-data/postgres/orders, property: %s}}]"


def findings(*documents: str, access: str = "platform-data") -> list[Finding]:
    contents = {
        "root/wiring/a.yaml": together(STORE, *documents).encode(),
        "root/access.yaml": (_ACCESS % access).encode(),
    }
    return lint_contents(contents, target_facts)


def ids(*documents: str, access: str = "platform-data") -> set[str]:
    return {finding.rule.id for finding in findings(*documents, access=access)}


def test_a_correct_rotation_has_no_findings() -> None:
    assert findings(rotation(), rotation_target(), external(data=_READS % "password")) == []


@pytest.mark.parametrize(
    ("rule", "documents"),
    [
        ("LS104", (rotation(strategy="dual"), rotation_target())),
        ("LS105", (rotation(), rotation_target(type_="oracle"))),
        ("LS105", (rotation(), rotation_target(parameters="{port: many}"))),
        ("LS106", (rotation(), rotation_target(), external(data=_READS % "host"))),
    ],
)
def test_what_the_type_cannot_do_is_found(rule: str, documents: tuple[str, ...]) -> None:
    assert rule in ids(*documents)


_DUAL = {"strategy": "dual", "target": "{name: orders-postgres, account: orders}"}
_REDIS = rotation_target(type_="redis", parameters="{host: cache.example.com}")


@pytest.mark.parametrize(
    ("documents", "refused"),
    [
        ((rotation(**_DUAL, more="  evidence: seen"), _REDIS), True),
        ((rotation(**_DUAL, more="  evidence: rolled-out"), _REDIS), False),
        ((rotation(more="  evidence: seen"), _REDIS), False),  # one password: who logs in has used it
        ((rotation(more="  evidence: seen"), rotation_target()), False),
        ((rotation(more="  evidence: seen"), rotation_target(type_="generated", parameters="{}")), True),
    ],
)
def test_evidence_that_a_target_cannot_give_is_refused(documents: tuple[str, ...], *, refused: bool) -> None:
    found = [finding for finding in findings(*documents) if finding.rule.id == "LS110"]
    assert [(one.severity, "strategy" in one.message) for one in found] == ([("error", True)] if refused else [])


@pytest.mark.parametrize("type_name", sorted(TYPES))
def test_a_type_that_never_tells_says_so(type_name: str) -> None:
    """Whose `usage` gives nothing but "not known" has all its strategies among those that are not seen."""
    module = module_of(type_name)
    source = inspect.getsource(module)
    blind = "def usage" in source and "known=True" not in source and "sessions(" not in source and "ages(" not in source
    strategies = {one for made in vars(module).values() for one in getattr(made, "strategies", ())}
    assert blind == (set(getattr(module, "UNSEEN", ())) >= strategies)


def test_a_path_that_the_namespace_may_not_publish() -> None:
    (found,) = findings(rotation(), rotation_target(), access="platform-config")
    assert found.rule.id == "LS108"
    assert (found.file, found.line) == ("root/wiring/a.yaml", 13)
    assert "shop may not publish secret/platform-data/postgres/orders" in found.message
    assert found.mend


def test_a_spoilt_access_policy_is_named() -> None:
    (found,) = lint_contents({"root/access.yaml": b"kind: AccessPolicy\n"}, target_facts)
    assert "access.yaml:1" in found.message
