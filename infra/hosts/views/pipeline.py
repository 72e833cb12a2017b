"""Where every wired secret stands: source, authority, consumers, and the first hop that is not in step.

All of it comes from the wiring, the confirmed versions and the metadata of Secrets; the authority is asked only
about paths that have no producer here, so that `status` costs the same however much is wired, and answers while
the authority is sealed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from events.references import ManifestRef, PathRef, SecretRef, Version
from functions._failures import Reject, StepFailure
from functions._manifests.external_secret import ExternalSecret
from functions._manifests.push_secret import PushSecret
from functions._ports import Access, Publication, Publications, SourceSecrets, Suspensions, TargetSecrets, Wiring

Classification = Literal["internal secret", "internal configuration", "external secret", "derived"]
CONFIGURATION_PREFIX = "platform-config/"


@dataclass(frozen=True, slots=True)
class ConsumerState:
    """One ExternalSecret reading a path. `version` is the one its target carries."""

    manifest: ManifestRef
    target: SecretRef
    version: Version | None
    in_step: bool
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class PathState:
    """One path, with its producer (None: the authority's own) and its consumers."""

    path: PathRef
    classification: Classification
    origin: str
    producer: ManifestRef | None
    sources: tuple[SecretRef, ...]
    version: Version | None
    consumers: tuple[ConsumerState, ...]
    in_step: bool
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class Lookups:
    """What the pipeline is computed from."""

    wiring: Wiring
    publications: Publications
    sources: SourceSecrets
    targets: TargetSecrets
    suspensions: Suspensions
    access: Access
    newest: Callable[[PathRef], Version | None]  # of a path without producer; may raise StepFailure


def pipeline(lookups: Lookups) -> Iterator[PathState]:
    """The state of every wired path, ordered by path."""
    paths: dict[PathRef, list[ExternalSecret]] = {}
    for push in lookups.wiring.push_secrets():
        for path in _entries(push, lookups):
            paths.setdefault(path, [])
    for consumer in lookups.wiring.external_secrets():
        for path in _read_paths(consumer, lookups):
            paths.setdefault(path, []).append(consumer)
    for path in sorted(paths, key=str):
        yield _path_state(path, lookups)


def path_state(path: PathRef, lookups: Lookups) -> PathState:
    """The state of one path."""
    return _path_state(path, lookups)


def _entries(push: PushSecret, lookups: Lookups) -> tuple[PathRef, ...]:
    try:
        return tuple(push.entries(lookups.wiring.mount))
    except Reject:
        return ()  # its problem is listed with the wiring's problems


def _read_paths(consumer: ExternalSecret, lookups: Lookups) -> tuple[PathRef, ...]:
    try:
        return consumer.paths(lookups.wiring.mount)
    except Reject:
        return ()


def _path_state(path: PathRef, lookups: Lookups) -> PathState:
    producers = lookups.wiring.producers_of_path(path)
    publication = lookups.publications.read(path)
    producer = producers[0] if producers else None
    wrong, version = "", publication.version if publication else None
    sources: tuple[SecretRef, ...] = ()
    if producer is not None:
        sources, wrong = _producer_state(producer, path, publication, lookups)
    else:
        version, wrong = _own_version(path, publication, lookups)
    consumers = tuple(_consumer_state(c, path, version, lookups) for c in lookups.wiring.consumers_of_path(path))
    return PathState(
        path=path,
        classification=_classify(path, producer),
        origin=str(producer.ref) if producer else "the authority",
        producer=producer.ref if producer else None,
        sources=sources,
        version=version,
        consumers=consumers,
        in_step=not wrong and all(consumer.in_step for consumer in consumers),
        wrong=wrong,
    )


def _classify(path: PathRef, producer: PushSecret | None) -> Classification:
    if path.path.startswith(CONFIGURATION_PREFIX):
        return "internal configuration"
    if producer is None:
        return "external secret"
    return "derived" if producer.annotations.get("lockstep.dev/derived") == "true" else "internal secret"


def _producer_state(
    producer: PushSecret, path: PathRef, publication: Publication | None, lookups: Lookups
) -> tuple[tuple[SecretRef, ...], str]:
    """The source Secrets, and what is wrong between them and the authority."""
    if problem := lookups.wiring.problem(producer.ref):
        return (), problem
    if not lookups.access.may_publish(producer.namespace, path):
        return (), f"the access policy does not let namespace {producer.namespace} publish here"
    try:
        states = _source_states(producer, lookups)
    except StepFailure as failure:
        return (), failure.reason
    refs = tuple(states)
    if not states:
        return refs, "the source Secret does not exist"
    if suspended := lookups.suspensions.reason(path, producer.ref):
        return refs, f"suspended: {suspended}"
    if publication is None:
        return refs, "not published yet"
    if dict(publication.sources) != {str(ref): state for ref, state in states.items()}:
        return refs, "the source changed and is not published yet"
    if publication.generation != producer.generation:
        return refs, "the PushSecret changed and is not published yet"
    return refs, ""


def _source_states(producer: PushSecret, lookups: Lookups) -> dict[SecretRef, str]:
    selector = producer.spec.selector.secret
    if selector.name is not None:
        refs: tuple[SecretRef, ...] = (SecretRef(namespace=producer.namespace, name=selector.name),)
    elif selector.selector is not None:
        refs = lookups.sources.select(producer.namespace, selector.selector)
    else:
        refs = ()
    return {ref: head.state for ref in refs if (head := lookups.sources.head(ref)) is not None}


def _own_version(path: PathRef, publication: Publication | None, lookups: Lookups) -> tuple[Version | None, str]:
    if publication is not None:
        return publication.version, ""
    try:
        version = lookups.newest(path)
    except StepFailure as failure:
        return None, failure.reason
    return version, "" if version else "nothing is at this path, and nothing here publishes it"


def _consumer_state(
    consumer: ExternalSecret, path: PathRef, version: Version | None, lookups: Lookups
) -> ConsumerState:
    carried, wrong = _carried(consumer, path, lookups)
    if not wrong:
        wrong = _consumer_problem(consumer, path, version, carried, lookups)
    return ConsumerState(manifest=consumer.ref, target=consumer.target, version=carried, in_step=not wrong, wrong=wrong)


def _carried(consumer: ExternalSecret, path: PathRef, lookups: Lookups) -> tuple[Version | None, str]:
    try:
        head = lookups.targets.head(consumer.target)
    except StepFailure as failure:
        return None, failure.reason
    if head is None:
        return None, ""
    if head.drifted:
        return head.stamp.get(str(path)), "the target was changed by somebody else"
    return head.stamp.get(str(path)), ""


def _consumer_problem(
    consumer: ExternalSecret, path: PathRef, version: Version | None, carried: Version | None, lookups: Lookups
) -> str:
    if problem := lookups.wiring.problem(consumer.ref):
        return problem
    if not lookups.access.may_read(consumer.namespace, path):
        return f"the access policy does not let namespace {consumer.namespace} read this path"
    if consumer.spec.target.creation_policy == "None":
        return ""
    if version is None:
        return "nothing to materialize yet"
    if suspended := lookups.suspensions.reason(consumer.target, consumer.ref):
        return f"suspended: {suspended}"
    if carried is None:
        return "not materialized yet"
    if _follows(consumer, path, lookups) and version.newer_than(carried):
        return f"carries version {carried}, the authority holds {version}"
    return ""


def _follows(consumer: ExternalSecret, path: PathRef, lookups: Lookups) -> bool:
    """Whether the consumer is meant to move with the path: not pinned, not made once only."""
    spec = consumer.spec
    if spec.refresh_policy != "Periodic" or spec.refresh_interval == 0:
        return False
    return not any(
        item.remote_ref.version and consumer.data_path(item, lookups.wiring.mount) == path for item in spec.data
    )


@dataclass(frozen=True, slots=True)
class LastStep:
    """The newest thing that happened about a subject."""

    step: str
    at: datetime
    outcome: str
