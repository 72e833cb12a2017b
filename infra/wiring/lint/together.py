"""What manifests must keep among each other (5a.3.3, 5a.4.2, 5a.6.3)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from events.references import ManifestRef
from functions._manifests.external_secret import ExternalSecret, RemoteRef, StoreRef
from functions._manifests.push_secret import PushSecret
from infra.wiring import rules
from infra.wiring.documents import Document
from infra.wiring.finding import Finding, Rule
from infra.wiring.index import Index
from infra.wiring.resolved import Placed


@dataclass(slots=True)
class _Published:
    """What is pushed to one remote key, by whom and through which stores."""

    stores: set[str] = field(default_factory=set)
    properties: set[str] = field(default_factory=set)
    pushes: dict[str, PushSecret] = field(default_factory=dict)


def together_findings(documents: list[Document], index: Index) -> Iterator[Finding]:
    """Findings that need more than one manifest."""
    published = _published(index)
    yield from _conflicts(index)
    read: set[str] = set()
    for document in documents:
        if document.target is not None and document.target.spec.admin is not None:
            read.add(document.target.spec.admin.remote_key)  # by the steps that rotate
        if isinstance(document.manifest, ExternalSecret):
            yield from _consumer(document, document.manifest, published, index, read)
    yield from _unread(documents, read, index)


def _published(index: Index) -> dict[str, _Published]:
    found: dict[str, _Published] = {}
    for push in index.push_secrets():
        for item in push.spec.data:
            remote = item.match.remote_ref
            each = found.setdefault(remote.remote_key, _Published())
            each.stores.update(push.stores)
            each.properties.add(remote.property)
            each.pushes[str(push.ref)] = push
    return found


def _conflicts(index: Index) -> Iterator[Finding]:
    places = {each.placed.ref: each.placed for each in index.pushes()}
    places |= {each.placed.ref: each.placed for each in index.externals()}
    places |= {each.placed.ref: each.placed for each in index.rotated()}
    for conflict in index.conflicts:
        placed = places[conflict.ref]
        yield Finding(conflict.rule, placed.file, placed.line, f"{conflict.ref}: {conflict.message}")
    yield from _claimed_through_absent_stores(index)
    for second in index.duplicates:
        message = f"{second.manifest.ref} stands a second time"
        yield Finding(rules.DUPLICATE, second.file, second.line, message)


def _claimed_through_absent_stores(index: Index) -> Iterator[Finding]:
    """Two claims on one key of a store whose manifest is not among the files: what its mount is does not matter."""
    claims: dict[tuple[str, str], dict[ManifestRef, Placed]] = {}
    for pushed in index.pushes():
        keys = {item.match.remote_ref.remote_key for item in pushed.push.spec.data}
        for store in sorted({name for name in pushed.push.stores if name not in index.stores}):
            for key in sorted(keys):
                claims.setdefault((store, key), {})[pushed.placed.ref] = pushed.placed
    for (store, key), claimants in claims.items():
        for ref, placed in claimants.items():
            others = ", ".join(f"{other} ({at.where})" for other, at in claimants.items() if other != ref)
            if others:
                message = f"{ref}: {key!r} of store {store!r} is also published by {others}"
                yield Finding(rules.CLAIMED_TWICE, placed.file, placed.line, message)


def _consumer(
    document: Document, external: ExternalSecret, published: dict[str, _Published], index: Index, read: set[str]
) -> Iterator[Finding]:
    for part, n, remote, ref in _reads(external):
        read.add(remote.key)
        line = document.at("spec", *((part, n, "remoteRef") if part == "data" else (part, n, "extract")), "key")
        pushed = published.get(remote.key)
        if pushed is None and any(each.rotation.spec.remote_key == remote.key for each in index.rotated()):
            continue
        if pushed is None:
            store = index.stores.get(ref.name) if ref else None
            if published and store is not None and store.mount is not None:
                yield _finding(rules.DANGLING, document, line, f"nobody here publishes {remote.key!r}")
            continue
        if ref is not None and pushed.stores and ref.name not in pushed.stores:
            message = (
                f"reads {remote.key!r} through {ref.name!r}; it is pushed through {', '.join(sorted(pushed.stores))}"
            )
            yield _finding(rules.STORE_MISMATCH, document, line, message)
        for push in pushed.pushes.values():
            if push.namespace == external.namespace:
                message = f"reads {remote.key!r}, which {push.ref} publishes from the same namespace"
                yield _finding(rules.SAME_NAMESPACE, document, line, message)
        if remote.property and "" not in pushed.properties and not _offered(remote.property, pushed.properties):
            message = (
                f"reads property {remote.property!r} of {remote.key!r}; published are {_listed(pushed.properties)}"
            )
            yield _finding(rules.MISSING_PROPERTY, document, line, message)
    for resolved in index.externals():
        if resolved.external is external and resolved.finds:
            read.update(
                path.path
                for push in index.pushes()
                for path in push.entries
                if any(s.matches(path) for s in resolved.finds)
            )


def _reads(external: ExternalSecret) -> Iterator[tuple[str, int, RemoteRef, StoreRef | None]]:
    default = external.spec.secret_store_ref
    for n, item in enumerate(external.spec.data):
        yield "data", n, item.remote_ref, (item.source_ref.store_ref if item.source_ref else None) or default
    for n, source in enumerate(external.spec.data_from):
        if source.extract is not None:
            yield "dataFrom", n, source.extract, (source.source_ref.store_ref if source.source_ref else None) or default


def _offered(name: str, properties: set[str]) -> bool:
    # `a.b` may be a property of that name, or `b` within the JSON that property `a` holds.
    return name in properties or name.split(".", maxsplit=1)[0] in properties


def _unread(documents: list[Document], read: set[str], index: Index) -> Iterator[Finding]:
    if next(index.external_secrets(), None) is None:
        return  # producers alone: the consumers are wired elsewhere
    for document in documents:
        if isinstance(document.manifest, PushSecret):
            for n, item in enumerate(document.manifest.spec.data):
                key = item.match.remote_ref.remote_key
                if key not in read:
                    read.add(key)
                    line = document.at("spec", "data", n, "match", "remoteRef", "remoteKey")
                    yield _finding(rules.UNREAD, document, line, f"nobody here reads {key!r}")


def _listed(properties: set[str]) -> str:
    return ", ".join(sorted(properties)) or "none"


def _finding(rule: Rule, document: Document, line: int, message: str) -> Finding:
    return Finding(rule, document.file, line, f"{document.title}: {message}")
