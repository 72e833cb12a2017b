"""Operators that manage Secrets outside of their namespace (5a.6.3)."""

from collections.abc import Iterator
from typing import Any

from infra.wiring import rules
from infra.wiring.documents import Document
from infra.wiring.finding import Finding
from infra.wiring.lint.objects import items_of, mapping_of, mappings, metadata_of, names_of

_CROSS_NAMESPACE = "enable_cross_namespace_secret"  # the Zalando postgres-operator's switch
_WRITING = frozenset(("*", "create", "update", "patch", "delete", "deletecollection"))
# Allowed by 5a.7.3, and ourselves.
_PLATFORM = ("external-secrets", "lockstep")


def rights_findings(documents: list[Document]) -> Iterator[Finding]:
    """Findings in operators' configuration and in cluster-wide bindings."""
    writers = {metadata_of(each.body)[1] for each in documents if each.kind == "ClusterRole" and _writes_secrets(each)}
    for document in documents:
        for place, mapping in mappings(document.body):
            if str(mapping.get(_CROSS_NAMESPACE, "")).lower() == "true":
                line = document.at(*place, _CROSS_NAMESPACE)
                yield Finding(
                    rules.FOREIGN_NAMESPACE, document.file, line, f"{document.title}: {_CROSS_NAMESPACE} is on"
                )
        role = str(mapping_of(document.body, "roleRef").get("name"))
        if document.kind == "ClusterRoleBinding" and role in writers:
            for n, subject in enumerate(items_of(document.body, "subjects")):
                if not _of_platform(subject):
                    line = document.at("subjects", n)
                    message = f"{document.title}: lets {_shown(subject)} write Secrets in every namespace (role {role})"
                    yield Finding(rules.CLUSTER_WRITES, document.file, line, message)


def _writes_secrets(role: Document) -> bool:
    for rule in items_of(role.body, "rules"):
        resources, verbs, groups = (names_of(rule, key) for key in ("resources", "verbs", "apiGroups"))
        everywhere = bool(groups & {"", "*"}) and not items_of(rule, "resourceNames")
        if everywhere and resources & {"*", "secrets"} and verbs & _WRITING:
            return True
    return False


def _of_platform(subject: Any) -> bool:
    return isinstance(subject, dict) and str(subject.get("namespace", "")).startswith(_PLATFORM)


def _shown(subject: Any) -> str:
    if not isinstance(subject, dict):
        return "a subject"
    return f"{subject.get('kind')} {subject.get('namespace', '-')}/{subject.get('name')}"
