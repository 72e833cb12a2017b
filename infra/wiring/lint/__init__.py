"""The linter: every rule of seed 001 that manifests can show, and the ways around the framework."""

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

from functions import _templates
from functions._manifests.cluster_secret_store import ClusterSecretStore
from functions._manifests.external_secret import ExternalSecret
from functions._manifests.push_secret import PushSecret
from functions._manifests.rotation import Rotation
from infra.wiring import rules
from infra.wiring.access import AccessError, AccessRules, read_rules
from infra.wiring.checks import (
    convention_faults,
    external_faults,
    push_faults,
    reading_faults,
    rotation_faults,
    store_faults,
)
from infra.wiring.documents import Document, load_documents
from infra.wiring.files import Found, Unusable, locate, read_content, walk
from infra.wiring.finding import Fault, Finding
from infra.wiring.index import Index, Source
from infra.wiring.lint.access_rights import rights_findings
from infra.wiring.lint.origin import origin_findings
from infra.wiring.lint.rotations import Beside, FactsOf, rotation_findings
from infra.wiring.lint.secrets import secret_findings
from infra.wiring.lint.together import together_findings
from infra.wiring.lint.workloads import workload_findings

_ACCESS = "access.yaml"  # the access policy, whose documents are of another shape


def lint(paths: Iterable[Path], facts: FactsOf | None = None) -> list[Finding]:
    """Lint files and folders as one wiring; ordered by file, line and rule. Never raises for what they hold.

    RotationTargets and an `access.yaml` among them count, too; `facts` tells what a target's type can do.
    """
    contents: dict[str, bytes] = {}
    findings: list[Finding] = []
    for path in paths:
        for found in locate(path) if not path.is_dir() else walk(path, str(path)):
            content = found if isinstance(found, Unusable) else read_content(found)
            if isinstance(content, Unusable):
                findings.append(content.finding)
            elif isinstance(found, Found):
                contents[found.name] = content
    return _ordered([*findings, *lint_contents(contents, facts)])


def lint_contents(contents: dict[str, bytes], facts: FactsOf | None = None) -> list[Finding]:
    """Lint texts by the names of their files."""
    findings: list[Finding] = []
    documents: list[Document] = []
    access: AccessRules | None = None
    for name, raw in contents.items():
        if PurePath(name).name == _ACCESS:
            access = _rules(raw, name, findings)
            continue
        loaded = load_documents(raw, name, platform=True)
        documents += loaded.documents
        findings += loaded.findings
    index = Index(Source(each.manifest, each.file, each.line) for each in documents if each.manifest)
    for document in documents:
        findings += (_placed(document, fault) for fault in _faults(document, index))
    foreign = [document for document in documents if document.manifest is None and document.target is None]
    findings += together_findings(documents, index)
    findings += origin_findings(documents, index)
    findings += rotation_findings(documents, index, Beside(facts, access))
    findings += secret_findings(documents)
    findings += workload_findings(foreign)
    findings += rights_findings(foreign)
    return _ordered(findings)


def fails(findings: Iterable[Finding]) -> bool:
    """Whether a check should stop: anything but notices."""
    return any(finding.severity != "notice" for finding in findings)


def _faults(document: Document, index: Index) -> Iterator[Fault]:
    manifest = document.manifest
    if isinstance(manifest, PushSecret):
        yield from push_faults(manifest, index.stores, _templates.check)
        yield from convention_faults(manifest)
    elif isinstance(manifest, ExternalSecret):
        yield from external_faults(manifest, index.stores, _templates.check)
        yield from reading_faults(manifest)
    elif isinstance(manifest, Rotation):
        yield from rotation_faults(manifest, index.stores)
    elif isinstance(manifest, ClusterSecretStore):
        yield from store_faults(manifest)


def _rules(raw: bytes, name: str, findings: list[Finding]) -> AccessRules | None:
    try:
        return read_rules(raw, name)
    except AccessError as error:
        findings.append(Finding(rules.INVALID, name, 1, str(error)))
        return None


def _placed(document: Document, fault: Fault) -> Finding:
    message = f"{document.title}: {fault.message}"
    return Finding(fault.rule, document.file, document.at(*fault.place), message)


def _ordered(findings: list[Finding]) -> list[Finding]:
    return sorted(dict.fromkeys(findings), key=lambda each: (each.file, each.line, each.rule.id, each.message))
