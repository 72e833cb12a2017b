"""Secrets that travel or lie about outside of the framework: copies, copying tools, plain text (5a.1.5, 5a.8.3)."""

import base64
import binascii
import hashlib
from collections.abc import Iterator
from typing import Any

from infra.wiring import rules
from infra.wiring.documents import Document
from infra.wiring.finding import Finding, Rule
from infra.wiring.lint.objects import items_of, mapping_of, mappings, metadata_of

_COPYING_ANNOTATIONS: tuple[tuple[str, Rule], ...] = (
    ("reflector.v1.k8s.emberstack.com/", rules.REFLECTOR),
    ("replicator.v1.mittwald.de/", rules.REPLICATOR),
    ("kubed.appscode.com/sync", rules.REPLICATOR),
)
_COPYING_KINDS = {
    "SecretExport": "secretgen.carvel.dev/",
    "SecretImport": "secretgen.carvel.dev/",
    "SecretTemplate": "secretgen.carvel.dev/",
}


def secret_findings(documents: list[Document]) -> Iterator[Finding]:
    """Findings in any kind of object."""
    copies: dict[bytes, list[Document]] = {}
    for document in documents:
        yield from _copying(document)
        if document.kind == "Secret" and document.manifest is None:
            values = _values(document)
            if values:
                yield _finding(rules.PLAINTEXT, document, document.line, f"holds {len(values)} values in plain text")
                copies.setdefault(_digest(values), []).append(document)
    for same in copies.values():
        if len({metadata_of(document.body)[0] for document in same}) > 1:
            for document in same:
                others = ", ".join(f"{each.file}:{each.line}" for each in same if each is not document)
                yield _finding(rules.COPY, document, document.line, f"holds the same data as {others}")


def _copying(document: Document) -> Iterator[Finding]:
    for place, mapping in mappings(document.body):
        if place[-1:] != ("annotations",):
            continue
        for key in mapping:
            for prefix, rule in _COPYING_ANNOTATIONS:
                if key.startswith(prefix):
                    yield _finding(rule, document, document.at(*place, key), f"has the annotation {key!r}")
    api = str(document.body.get("apiVersion", ""))
    if api.startswith(_COPYING_KINDS.get(document.kind, "-")):
        yield _finding(rules.REPLICATOR, document, document.line, f"{document.kind} copies Secrets")
    if api.startswith("kyverno.io/"):
        for n, rule_of_policy in enumerate(items_of(mapping_of(document.body, "spec"), "rules")):
            made = mapping_of(rule_of_policy, "generate")
            if made.get("kind") == "Secret" and "clone" in made:
                line = document.at("spec", "rules", n, "generate")
                yield _finding(rules.REPLICATOR, document, line, "a Kyverno rule clones Secrets")


def _values(document: Document) -> dict[str, bytes]:
    """The values in plain text; those encrypted in place (SOPS) are none."""
    if "sops" in document.body:
        return {}
    found = {key: _decoded(value) for key, value in mapping_of(document.body, "data").items()}
    found |= {key: str(value).encode() for key, value in mapping_of(document.body, "stringData").items()}
    return {key: value for key, value in found.items() if value and not value.startswith(b"ENC[")}


def _decoded(value: Any) -> bytes:
    text = str(value or "")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text.encode()


def _digest(values: dict[str, bytes]) -> bytes:
    hasher = hashlib.sha256()
    for key in sorted(values):
        for part in (key.encode(), values[key]):
            hasher.update(len(part).to_bytes(8, "big") + part)
    return hasher.digest()


def _finding(rule: Rule, document: Document, line: int, message: str) -> Finding:
    return Finding(rule, document.file, line, f"{document.title}: {message}")
