"""Workloads that reach the authority directly (5a.3.3, 5a.6.3)."""

import re
from collections.abc import Iterator

from infra.wiring import rules
from infra.wiring.documents import Document
from infra.wiring.finding import Finding, Rule
from infra.wiring.lint.objects import Place, items_of, mapping_of, mappings
from infra.wiring.tree import Mapping

_AGENTS = (
    "vault.hashicorp.com/",
    "openbao.org/",
    "vault.security.banzaicloud.io/",
    "secrets-webhook.security.bank-vaults.io/",
)
_VARIABLE = re.compile(
    r"(VAULT|BAO|OPENBAO)_(ADDR|TOKEN|ROLE|ROLE_ID|SECRET_ID|NAMESPACE|AGENT_ADDR|URL|AUTH_METHOD|CACERT)"
)
_CSI_DRIVERS = ("secrets-store.csi.k8s.io",)
_CSI_PROVIDERS = ("vault", "openbao")
_OPERATORS = ("secrets.hashicorp.com/",)
# The authority itself and what serves it are no consumers.
_PLATFORM_IMAGE = re.compile(r"(^|/)(vault|openbao|vault-k8s|bank-vaults|external-secrets|lockstep)[-a-z0-9]*(:|@|$)")


def workload_findings(documents: list[Document]) -> Iterator[Finding]:
    """Findings in objects that are no part of the wiring."""
    for document in documents:
        api = str(document.body.get("apiVersion", ""))
        if api.startswith(_OPERATORS):
            yield _finding(rules.OTHER_OPERATOR, document, (), f"{document.kind} pulls from Vault")
        spec = mapping_of(document.body, "spec")
        if document.kind == "SecretProviderClass" and str(spec.get("provider")) in _CSI_PROVIDERS:
            yield _finding(rules.CSI, document, ("spec", "provider"), f"provider {spec['provider']} mounts from Vault")
        for place, mapping in mappings(document.body):
            yield from _mapping(document, place, mapping)


def _mapping(document: Document, place: Place, mapping: Mapping) -> Iterator[Finding]:
    if place[-1:] == ("annotations",):
        for key in mapping:
            if key.startswith(_AGENTS):
                yield _finding(rules.AGENT, document, (*place, key), f"has the annotation {key!r}")
    if mapping.get("driver") in _CSI_DRIVERS and place[-1:] == ("csi",):
        yield _finding(rules.CSI, document, place, "mounts a volume of the secrets store CSI driver")
    if document.kind == "ConfigMap" and place == ("data",):
        for key in mapping:
            if _VARIABLE.fullmatch(key):
                yield _finding(rules.VAULT_CLIENT, document, (*place, key), f"hands out {key}")
    if "image" in mapping and not _PLATFORM_IMAGE.search(str(mapping["image"])):
        yield from _environment(document, place, mapping)


def _environment(document: Document, place: Place, container: Mapping) -> Iterator[Finding]:
    for n, variable in enumerate(items_of(container, "env")):
        if not isinstance(variable, dict):
            continue
        name, value = str(variable.get("name")), variable.get("value")
        if _VARIABLE.fullmatch(name):
            yield _finding(rules.VAULT_CLIENT, document, (*place, "env", n), f"sets {name}")
        elif isinstance(value, str) and value.startswith(("vault:", ">>vault:", "bao:")):
            yield _finding(rules.AGENT, document, (*place, "env", n), f"{name} is replaced from Vault by a webhook")


def _finding(rule: Rule, document: Document, place: Place, message: str) -> Finding:
    return Finding(rule, document.file, document.at(*place), f"{document.title}: {message}")
