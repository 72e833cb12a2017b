"""What a single manifest must keep, whatever else is wired: used by the linter and, for refusing rules, at delivery."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions._failures import Reject
from functions._manifests.cluster_secret_store import ClusterSecretStore
from functions._manifests.conventions import Breach, path_breaches, property_breaches
from functions._manifests.expression import compile_expression
from functions._manifests.external_secret import DataFrom, ExternalSecret, RemoteRef, StoreRef
from functions._manifests.paths import CLUSTER_STORE, remote_path
from functions._manifests.push_secret import PushData, PushSecret, PushStoreRef
from functions._manifests.rare import SecretTemplate
from functions._manifests.reserved import REFUSED_TYPES, reserved_metadata
from infra.wiring import rules
from infra.wiring.finding import Fault, Rule

if TYPE_CHECKING:  # loaded where one is wired: a step that rotates nothing starts without it
    from functions._manifests.rotation import Rotation
    from functions._manifests.rotation import StoreReference as RotationStore

Stores = Mapping[str, ClusterSecretStore]
Place = tuple[Hashable, ...]
Labels = Mapping[str, str] | None  # of a namespace; None where they are not known

CONVENTIONS: dict[str, Rule] = {
    "prefix": rules.PREFIX,
    "segments": rules.SEGMENTS,
    "case": rules.CASE,
    "environment": rules.ENVIRONMENT,
    "property": rules.PROPERTY,
}


@dataclass(frozen=True, slots=True)
class _Space:
    """A namespace, and its labels."""

    name: str
    labels: Labels


# Marks of the systems whose Secrets 5a.5.3 wants under their own datasource; by the name of the Secret they make.
_GENERATING_SYSTEMS = ((".credentials.postgresql.acid.zalan.do", "postgres"), (".credentials.postgresql", "postgres"))


def push_faults(
    push: PushSecret, stores: Stores, check_template: Callable[[str], tuple[str, ...]], labels: Labels = None
) -> Iterator[Fault]:
    """Rules of publication (5a.3.2), of stores, of templates. `labels` are its namespace's."""
    for n, ref in enumerate(push.spec.secret_store_refs):
        place = ("spec", "secretStoreRefs", n)
        if ref.label_selector is not None or not ref.name:
            yield Fault(rules.WILDCARD, place, "the store is selected by label; name it")
        else:
            yield from _store_faults(ref, _Space(push.namespace, labels), stores, place)
    if not push.spec.secret_store_refs:
        yield Fault(rules.UNKNOWN_STORE, ("spec", "secretStoreRefs"), "no store is named")
    yield from _selection_faults(push)
    if not push.spec.data and not push.spec.data_to:
        yield Fault(rules.NO_KEYS, ("spec",), "data has no entries")
    for n, item in enumerate(push.spec.data):
        yield from _entry_faults(item, ("spec", "data", n))
    yield from _grouping_faults(push)
    if push.spec.template is not None:
        yield from _template_faults(push.spec.template, ("spec", "template"), check_template)
    yield from _interval_fault(push)


def external_faults(
    external: ExternalSecret, stores: Stores, check_template: Callable[[str], tuple[str, ...]], labels: Labels = None
) -> Iterator[Fault]:
    """Rules of consumption (5a.3.3), of stores, of templates. `labels` are its namespace's."""
    spec = external.spec
    named = tuple(_store_refs(external))
    for where, ref in named:
        yield from _store_faults(ref, _Space(external.namespace, labels), stores, where)
    if not named:
        yield Fault(rules.UNKNOWN_STORE, ("spec",), "no store is named")
    if not spec.data and not spec.data_from:
        yield Fault(rules.NO_KEYS, ("spec",), "neither data nor dataFrom names a key")
    for n, item in enumerate(spec.data):
        place: Place = ("spec", "data", n, "remoteRef")
        if item.source_ref is not None and item.source_ref.generator_ref is not None:
            yield Fault(rules.GENERATOR, place, f"generator {item.source_ref.generator_ref.kind} is used")
        yield from _remote_faults(item.remote_ref, place)
    for n, source in enumerate(spec.data_from):
        yield from _source_faults(source, ("spec", "dataFrom", n))
    if spec.target.template is not None:
        yield from _template_faults(spec.target.template, ("spec", "target", "template"), check_template)
    yield from _interval_fault(external)


def rotation_faults(rotation: "Rotation", stores: Stores, labels: Labels = None) -> Iterator[Fault]:
    """What a Rotation must keep by itself: its store and path. `labels` are its namespace's."""
    spec = rotation.spec
    place: Place = ("spec", "secretStoreRef")
    yield from _store_faults(spec.secret_store_ref, _Space(rotation.namespace, labels), stores, place)
    try:
        remote_path("any", spec.remote_key)
    except Reject as reject:
        yield Fault(rules.BAD_PATH, ("spec", "remoteKey"), reject.reason)


def _store_refs(external: ExternalSecret) -> Iterator[tuple[Place, StoreRef]]:
    if external.spec.secret_store_ref is not None:
        yield ("spec", "secretStoreRef"), external.spec.secret_store_ref
    sources = [(("data", n), item.source_ref) for n, item in enumerate(external.spec.data)]
    sources += [(("dataFrom", n), item.source_ref) for n, item in enumerate(external.spec.data_from)]
    for place, source in sources:
        if source is not None and source.store_ref is not None:
            yield ("spec", *place, "sourceRef", "storeRef"), source.store_ref


def store_faults(store: ClusterSecretStore) -> Iterator[Fault]:
    """Notices about a store, and what is wrong with its conditions."""
    if store.reserved:
        yield Fault(rules.RESERVED_MOUNT, ("spec", "provider", "vault", "path"), store.reserved)
    rule = rules.STORE_NOTICE if store.reserved or store.mount is not None else rules.FOREIGN_STORE
    for notice in store.notices:
        yield Fault(rule if "ignored" not in notice else rules.STORE_NOTICE, ("spec", "provider"), notice)
    for n, condition in enumerate(store.spec.conditions):
        try:
            condition.admits("any-namespace")
        except Reject as reject:
            yield Fault(rules.STORE_REFUSES, ("spec", "conditions", n), reject.reason)


def convention_faults(push: PushSecret) -> Iterator[Fault]:
    """Path and property conventions of what is written (5a.5.3, 5a.5.4); the writer answers for the names."""
    for n, item in enumerate(push.spec.data):
        remote, place = item.match.remote_ref, ("spec", "data", n, "match", "remoteRef")
        yield from _breaches(path_breaches(remote.remote_key), (*place, "remoteKey"))
        if remote.property:
            yield from _breaches(property_breaches(remote.property), (*place, "property"))
        segments = remote.remote_key.split("/")
        for mark, system in _GENERATING_SYSTEMS:
            if (push.spec.selector.secret.name or "").endswith(mark) and len(segments) > 1 and segments[1] != system:
                message = (
                    f"path {remote.remote_key!r} names the datasource {segments[1]!r}, but {system} makes its source"
                )
                yield Fault(rules.DATASOURCE, (*place, "remoteKey"), message)
                break


def reading_faults(external: ExternalSecret) -> Iterator[Fault]:
    """Path conventions of what is read (5a.5.3)."""
    for n, item in enumerate(external.spec.data):
        yield from _breaches(path_breaches(item.remote_ref.key), ("spec", "data", n, "remoteRef", "key"))
    for n, source in enumerate(external.spec.data_from):
        if source.extract is not None:
            yield from _breaches(path_breaches(source.extract.key), ("spec", "dataFrom", n, "extract", "key"))


def _breaches(breaches: tuple[Breach, ...], place: Place) -> Iterator[Fault]:
    for breach in breaches:
        yield Fault(CONVENTIONS[breach.convention], place, breach.message)


def _store_faults(
    ref: "StoreRef | PushStoreRef | RotationStore", space: _Space, stores: Stores, place: Place
) -> Iterator[Fault]:
    name = ref.name
    store = stores.get(name)
    if ref.kind != CLUSTER_STORE:
        yield Fault(rules.NAMESPACED_STORE, place, f"refers to {ref.kind} {name!r}, not to a ClusterSecretStore")
    elif store is None:
        yield Fault(rules.UNKNOWN_STORE, place, f"refers to ClusterSecretStore {name!r}, which is not there")
    elif store.reserved:
        yield Fault(rules.RESERVED_MOUNT, place, f"store {name!r} {store.reserved}")
    elif store.mount is None:
        technology = store.spec.provider.technology
        yield Fault(rules.FOREIGN_STORE, place, f"store {name!r} ({technology}) is no Vault KV version 2 mount")
    elif refusal := store.refusal(space.name, space.labels):
        yield Fault(rules.STORE_REFUSES, place, refusal)


def _selection_faults(push: PushSecret) -> Iterator[Fault]:
    selector = push.spec.selector
    if selector.generator_ref is not None:
        yield Fault(rules.GENERATOR, ("spec", "selector"), f"pushes what generator {selector.generator_ref.kind} makes")
    if selector.secret.selector is not None and selector.secret.selector.empty:
        yield Fault(rules.WILDCARD, ("spec", "selector", "secret"), "the empty selector selects every Secret")
    if push.spec.data_to:
        yield Fault(rules.WILDCARD, ("spec", "dataTo"), "dataTo pushes keys that it does not name")


def _entry_faults(item: PushData, place: Place) -> Iterator[Fault]:
    key, remote = item.match.secret_key, item.match.remote_ref
    if not key:
        yield Fault(rules.WHOLE_SECRET, (*place, "match"), f"pushes a whole Secret to {remote.remote_key!r}")
    elif any(sign in key for sign in "*?["):
        yield Fault(rules.WILDCARD, (*place, "match", "secretKey"), f"secretKey {key!r} is a pattern")
    if not remote.property:
        yield Fault(
            rules.WHOLE_DOCUMENT, (*place, "match", "remoteRef"), f"writes {remote.remote_key!r} as a whole document"
        )


def _grouping_faults(push: PushSecret) -> Iterator[Fault]:
    """What keeps entries from becoming one write per path; judged as if every store were there."""
    if any(not item.match.secret_key for item in push.spec.data) or not push.stores:
        return  # said already
    try:
        push.model_copy(update={"spec": _named_stores_only(push)}).entries(lambda _: "any")
    except Reject as reject:
        yield Fault(rules.BAD_PATH, ("spec", "data"), reject.reason)


def _named_stores_only(push: PushSecret) -> object:
    refs = tuple(ref for ref in push.spec.secret_store_refs if ref.kind == CLUSTER_STORE and ref.name)
    return push.spec.model_copy(update={"secret_store_refs": refs})


def _remote_faults(remote: RemoteRef, place: Place) -> Iterator[Fault]:
    try:
        remote_path("any", remote.key)
    except Reject as reject:
        yield Fault(rules.BAD_PATH, (*place, "key"), reject.reason)
    if remote.metadata_policy != "None":
        yield Fault(rules.UNSUPPORTED, (*place, "metadataPolicy"), "metadataPolicy Fetch is not supported")
    if remote.version and not remote.version.isdigit():
        yield Fault(rules.UNSUPPORTED, (*place, "version"), f"version {remote.version!r} is no KV version number")


def _source_faults(source: DataFrom, place: Place) -> Iterator[Fault]:
    if source.source_ref is not None and source.source_ref.generator_ref is not None:
        yield Fault(rules.GENERATOR, place, f"generator {source.source_ref.generator_ref.kind} is used")
    if source.extract is not None:
        yield from _remote_faults(source.extract, (*place, "extract"))
    for n, step in enumerate(source.rewrite):
        where = (*place, "rewrite", n)
        if step.regexp is None:
            yield Fault(rules.UNSUPPORTED, where, "only rewrite.regexp is supported")
        else:
            yield from _expression_faults(step.regexp.source, where)
    if source.find is None:
        return
    regexp = source.find.name.regexp if source.find.name else ""
    yield from _expression_faults(regexp, (*place, "find"))
    if source.find.tags:
        yield Fault(rules.UNSUPPORTED, (*place, "find", "tags"), "find.tags is not supported")
    if not source.find.path or regexp in ("", ".*", ".+", "^.*$", "^.+$", ".", "^"):
        yield Fault(rules.BROAD_FIND, (*place, "find"), "takes whatever matches instead of named keys")


def _expression_faults(pattern: str, place: Place) -> Iterator[Fault]:
    try:
        compile_expression(pattern)
    except Reject as reject:
        yield Fault(rules.EXPRESSION, place, reject.reason)


def _template_faults(
    template: SecretTemplate, place: Place, check_template: Callable[[str], tuple[str, ...]]
) -> Iterator[Fault]:
    for name, text in template.texts:
        for message in check_template(text):
            yield Fault(rules.TEMPLATE, (*place, *name.split(".", 1)), f"{name}: {message}")
    for n, source in enumerate(template.template_from):
        if source.literal is None:
            yield Fault(rules.TEMPLATE_OBJECT, (*place, "templateFrom", n), "takes a template from another object")
    if template.type in REFUSED_TYPES:
        yield Fault(rules.SECRET_TYPE, (*place, "type"), f"makes a Secret of type {template.type}")
    for kind, names in (("labels", template.metadata.labels), ("annotations", template.metadata.annotations)):
        for name in filter(reserved_metadata, names):
            yield Fault(rules.RESERVED, (*place, "metadata", kind, name), f"sets the reserved {kind[:-1]} {name!r}")
    if template.metadata.finalizers:
        yield Fault(rules.RESERVED, (*place, "metadata", "finalizers"), "sets finalizers")


def _interval_fault(manifest: PushSecret | ExternalSecret) -> Iterator[Fault]:
    if "refresh_interval" in manifest.spec.model_fields_set and manifest.spec.refresh_interval:
        yield Fault(rules.INTERVAL, ("spec", "refreshInterval"), "refreshInterval sets no pace: changes are followed")
