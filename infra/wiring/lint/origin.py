"""What the framework is not for (5a.1.5): bootstrap secrets, external secrets, secrets that people made."""

import re
from collections.abc import Iterator

from events.references import SecretRef
from functions._manifests.external_secret import ExternalSecret
from functions._manifests.push_secret import PushSecret
from functions._manifests.rotation import Rotation
from infra.wiring import rules
from infra.wiring.documents import Document
from infra.wiring.finding import Finding, Rule
from infra.wiring.index import Index
from infra.wiring.lint.objects import metadata_of

ORIGIN = "lockstep.dev/origin"  # annotation: operator, human, external or cloud
PHASE = "lockstep.dev/phase"  # annotation: bootstrap or runtime

_ORIGINS: dict[str, Rule] = {"human": rules.HUMAN, "external": rules.EXTERNAL, "cloud": rules.EXTERNAL}

# Names of what exists before the authority does, or opens it.
_BOOTSTRAP = re.compile(
    r"(^|[-./])(bootstrap|unseal|unseal-keys?|root-token|recovery-keys?|sops-(age|gpg|pgp)|sealed-secrets-key[a-z0-9]*)([-./]|$)"
)
_BY_PEOPLE = ("Secret", "SealedSecret", "SopsSecret")
_BOOKKEEPING = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "selfLink")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def origin_findings(documents: list[Document], index: Index) -> Iterator[Finding]:
    """Findings about where a published secret comes from, and where a manifest does."""
    in_git = _in_git(documents)
    external = _from_outside(index)
    for document in documents:
        if isinstance(document.manifest, PushSecret):
            yield from _declared(document, document.manifest)
            yield from _bootstrap(document, document.manifest)
            source = document.manifest.source
            line = document.at("spec", "selector", "secret")
            if source in in_git:
                message = f"its source {source} is written in Git ({in_git[source]}), so people made it"
                yield Finding(rules.HUMAN, document.file, line, f"{document.title}: {message}")
            if source in external:
                message = f"its source {source} comes from outside ({external[source]})"
                yield Finding(rules.EXTERNAL, document.file, line, f"{document.title}: {message}")
        if isinstance(document.manifest, PushSecret | ExternalSecret | Rotation):
            yield from _exported(document)


def _in_git(documents: list[Document]) -> dict[SecretRef | None, str]:
    found: dict[SecretRef | None, str] = {}
    for document in documents:
        if document.manifest is None and document.kind in _BY_PEOPLE:
            namespace, name = metadata_of(document.body)
            try:
                found[SecretRef(namespace=namespace, name=name)] = f"{document.file}:{document.line}"
            except ValueError:
                continue  # a name that Kubernetes would refuse is nobody's source
    return found


def _from_outside(index: Index) -> dict[SecretRef | None, str]:
    found: dict[SecretRef | None, str] = {}
    for external in index.external_secrets():
        store = index.stores.get(external.store)
        if store is not None and store.spec.provider.vault is None:
            found[external.target] = f"provider {store.spec.provider.technology}"
    return found


def _declared(document: Document, push: PushSecret) -> Iterator[Finding]:
    origin = push.annotations.get(ORIGIN, "")
    line = document.at("metadata", "annotations", ORIGIN)
    if origin in _ORIGINS:
        yield Finding(_ORIGINS[origin], document.file, line, f"{document.title}: its origin is {origin}")
    if push.annotations.get(PHASE) == "bootstrap":
        line = document.at("metadata", "annotations", PHASE)
        yield Finding(rules.BOOTSTRAP, document.file, line, f"{document.title}: its phase is bootstrap")


def _bootstrap(document: Document, push: PushSecret) -> Iterator[Finding]:
    name = push.spec.selector.secret.name or ""
    if _BOOTSTRAP.search(name):
        line = document.at("spec", "selector", "secret", "name")
        yield Finding(rules.BOOTSTRAP, document.file, line, f"{document.title}: {name!r} is a bootstrap secret")
    for n, item in enumerate(push.spec.data):
        key = item.match.remote_ref.remote_key
        if _BOOTSTRAP.search(key):
            line = document.at("spec", "data", n, "match", "remoteRef", "remoteKey")
            yield Finding(rules.BOOTSTRAP, document.file, line, f"{document.title}: {key!r} names a bootstrap secret")


def _exported(document: Document) -> Iterator[Finding]:
    metadata = document.body.get("metadata")
    marks = [key for key in _BOOKKEEPING if isinstance(metadata, dict) and metadata.get(key)]
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if isinstance(annotations, dict) and _LAST_APPLIED in annotations:
        marks.append(_LAST_APPLIED)
    if document.body.get("status"):
        marks.append("status")
    if marks:
        line = document.at("metadata")
        yield Finding(rules.EXPORTED, document.file, line, f"{document.title}: carries {', '.join(marks)}")
