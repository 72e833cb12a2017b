"""Where every wired secret stands: source, authority, consumers, and what is not in step.

All of it comes from the wiring, the confirmed versions and the metadata of Secrets; the authority is asked only
about paths that have no producer here, so that `status` costs the same however much is wired, and answers while
the authority is sealed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NoReturn

from events.references import ManifestRef, PathRef, SecretRef, Version
from functions._contested import holders
from functions._failures import Reject, StepFailure
from functions._manifests.external_secret import ExternalSecret
from functions._manifests.push_secret import PushSecret
from functions._manifests.rotation import Rotation
from functions._marks import DERIVED
from functions._ports import (
    Access,
    LookedAt,
    Publication,
    Publications,
    SecretHead,
    SourceSecrets,
    Suspensions,
    TargetSecrets,
    Wiring,
)
from functions._selection import named_sources as named_in
from functions._selection import source_states
from infra.hosts.views.written import Written

Classification = Literal["internal secret", "internal configuration", "external secret", "derived"]
CONFIGURATION_PREFIX = "platform-config/"
_SHARED = ("Merge", "CreateOrMerge")


@dataclass(frozen=True, slots=True)
class ConsumerState:
    """One ExternalSecret reading a path. `version` is the one its target carries, `suspended` why it stands still."""

    manifest: ManifestRef
    target: SecretRef
    version: Version | None
    in_step: bool
    wrong: str = ""
    suspended: str = ""


@dataclass(frozen=True, slots=True)
class PathState:
    """One path, with its producer (None: the authority's own) and its consumers.

    `wrong` is about source and authority only; `in_step` covers the consumers too. `version` is the confirmed one.
    """

    path: PathRef
    classification: Classification
    origin: str
    producer: ManifestRef | None
    sources: tuple[SecretRef, ...]
    version: Version | None
    consumers: tuple[ConsumerState, ...]
    in_step: bool
    wrong: str = ""
    suspended: str = ""


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
    refused: Callable[[ManifestRef], str] = lambda _: ""  # why its last write was refused, as the manifest shows it
    overwritten: Callable[[PathRef, ManifestRef], str] = lambda *_: ""  # what somebody else wrote over a rotated path
    written: Callable[[], Written] = Written  # what of the wiring could not be read
    leaving: Callable[[SecretRef, ManifestRef], datetime | None] = lambda *_: None  # when it goes after its manifest


def pipeline(lookups: Lookups) -> Iterator[PathState]:
    """The state of every wired path, ordered by path."""
    run = _together(lookups)
    for path in sorted(run.paths(), key=str):
        yield run.state(path)


def path_state(path: PathRef, lookups: Lookups) -> PathState:
    """The state of one path."""
    return _Run(lookups).state(path)


def entries(push: PushSecret, wiring: Wiring) -> tuple[PathRef, ...]:
    """The paths of a PushSecret; none where it cannot be resolved, which its problem tells."""
    try:
        return tuple(push.entries(wiring.mount))
    except Reject:
        return ()


def rotated_path(rotation: Rotation, wiring: Wiring) -> tuple[PathRef, ...]:
    """The path of a Rotation; none where it cannot be resolved, which its problem tells."""
    try:
        return (rotation.path(wiring.mount),)
    except Reject:
        return ()


def read_paths(consumer: ExternalSecret, wiring: Wiring) -> tuple[PathRef, ...]:
    """The paths that an ExternalSecret names; none where it cannot be resolved, which its problem tells."""
    try:
        return consumer.paths(wiring.mount)
    except Reject:
        return ()


def _together(lookups: Lookups) -> "_Run":
    """For a question about everything: all Secrets that are wired are looked at with few requests."""
    wiring = lookups.wiring
    sources, targets = named_in(wiring.push_secrets()), {each.target for each in wiring.external_secrets()}
    try:
        return _Run(lookups, lookups.sources.heads(sources), lookups.targets.heads(targets))
    except StepFailure as failure:
        return _Run(lookups, _failing(failure), _failing(failure))


def _failing(failure: StepFailure) -> LookedAt:
    def looked_at(ref: SecretRef) -> NoReturn:
        raise failure

    return looked_at


@dataclass
class _Run:
    """One computation: each target is looked at once, however many paths it reads."""

    lookups: Lookups
    source: LookedAt | None = None
    target: LookedAt | None = None
    heads: dict[SecretRef, SecretHead | StepFailure | None] = field(default_factory=dict)

    def paths(self) -> set[PathRef]:
        wiring = self.lookups.wiring
        found = {path for push in wiring.push_secrets() for path in entries(push, wiring)}
        found.update(path for rotation in wiring.rotations() for path in rotated_path(rotation, wiring))
        for consumer in wiring.external_secrets():
            found.update(read_paths(consumer, wiring))
            if any(part.find is not None for part in consumer.spec.data_from):
                found.update(self._carried_paths(consumer))
        return found

    def _carried_paths(self, consumer: ExternalSecret) -> Iterator[PathRef]:
        """What a search found when it was carried out last: the stamp says it without asking the authority."""
        head = self.head(consumer.target)
        if not isinstance(head, SecretHead) or head.owner != str(consumer.ref):
            return
        try:
            mounts = {search.mount for search in consumer.finds(self.lookups.wiring.mount)}
        except Reject:
            return
        for text in head.stamp:
            for mount in mounts:
                if text.startswith(f"{mount}/"):
                    yield PathRef(mount=mount, path=text.removeprefix(f"{mount}/"))

    def state(self, path: PathRef) -> PathState:
        lookups = self.lookups
        producers = holders(path, lookups.wiring, lookups.publications.read)
        publication = lookups.publications.read(path)
        producer = producers[0] if producers else None
        version = publication.version if publication else None
        sources: tuple[SecretRef, ...] = ()
        suspended = lookups.suspensions.reason(path)
        if producer is not None:
            suspended = lookups.suspensions.reason(path, producer.ref)
            sources, wrong = _producer_state(producer, path, publication, lookups, self.source)
        else:
            version, wrong = _own_version(path, publication, lookups)
        rotation = lookups.wiring.rotation_of_path(path)
        if producer is None and rotation is not None:
            suspended = lookups.suspensions.reason(path, rotation.ref)
            wrong = _rotation_problem(rotation, path, version, lookups) or wrong
        consumers = tuple(self._consumer(each, path, version) for each in lookups.wiring.consumers_of_path(path))
        return PathState(
            path=path,
            classification=_classify(path, producer, rotation),
            origin=str(producer.ref) if producer else str(rotation.ref) if rotation else "the authority",
            producer=producer.ref if producer else None,
            sources=sources,
            version=version,
            consumers=consumers,
            in_step=not wrong and all(consumer.in_step for consumer in consumers),
            wrong=wrong,
            suspended=suspended or "",
        )

    def head(self, ref: SecretRef) -> SecretHead | StepFailure | None:
        if ref not in self.heads:
            try:
                self.heads[ref] = (self.target or self.lookups.targets.head)(ref)
            except StepFailure as failure:
                self.heads[ref] = failure
        return self.heads[ref]

    def _consumer(self, consumer: ExternalSecret, path: PathRef, version: Version | None) -> ConsumerState:
        head = self.head(consumer.target)
        carried = head.stamp.get(str(path)) if isinstance(head, SecretHead) else None
        wrong = _consumer_problem(consumer, path, version, head, self.lookups)
        return ConsumerState(
            manifest=consumer.ref,
            target=consumer.target,
            version=carried,
            in_step=not wrong,
            wrong=wrong,
            suspended=self.lookups.suspensions.reason(consumer.target, consumer.ref) or "",
        )


def _classify(path: PathRef, producer: PushSecret | None, rotation: Rotation | None) -> Classification:
    if path.path.startswith(CONFIGURATION_PREFIX):
        return "internal configuration"
    if producer is None:
        return "external secret" if rotation is None else "internal secret"
    return "derived" if producer.annotations.get(DERIVED) == "true" else "internal secret"


# --- source and authority ---------------------------------------------------------------------------------------------


def _producer_state(
    producer: PushSecret, path: PathRef, publication: Publication | None, lookups: Lookups, source: LookedAt | None
) -> tuple[tuple[SecretRef, ...], str]:
    """The source Secrets, and what is wrong between them and the authority."""
    try:
        states = source_states(producer, lookups.sources, source)
    except StepFailure as failure:
        return named_sources(producer), failure.reason
    refs = tuple(states) or named_sources(producer)
    if problem := lookups.wiring.problem(producer.ref):
        return refs, problem
    if not lookups.access.may_publish(producer.namespace, path):
        return refs, f"the access policy does not let namespace {producer.namespace} publish this path"
    if not states:
        return refs, "no source Secret exists"
    if publication is None:
        return refs, "not published yet"
    if dict(publication.sources) != {str(ref): state for ref, state in states.items()}:
        return refs, "the source changed and is not published yet"
    if publication.generation != producer.generation:
        return refs, "the PushSecret changed and is not published yet"
    return refs, ""


def named_sources(producer: PushSecret) -> tuple[SecretRef, ...]:
    """The source that a PushSecret names, whether it exists or not."""
    return (producer.source,) if producer.source else ()


def _rotation_problem(rotation: Rotation, path: PathRef, version: Version | None, lookups: Lookups) -> str:
    if problem := lookups.wiring.problem(rotation.ref):
        return problem
    if not lookups.access.may_publish(rotation.namespace, path):
        return f"the access policy does not let namespace {rotation.namespace} rotate this path"
    if version is None:
        return "it was never rotated, so nothing is at this path yet"
    return lookups.overwritten(path, rotation.ref)


def _own_version(path: PathRef, publication: Publication | None, lookups: Lookups) -> tuple[Version | None, str]:
    if publication is not None:
        return publication.version, ""
    try:
        version = lookups.newest(path)
    except StepFailure as failure:
        return None, failure.reason
    return version, "" if version else "nothing is at this path, and nothing here publishes it"


# --- consumers --------------------------------------------------------------------------------------------------------


def _consumer_problem(
    consumer: ExternalSecret,
    path: PathRef,
    version: Version | None,
    head: SecretHead | StepFailure | None,
    lookups: Lookups,
) -> str:
    if problem := lookups.wiring.problem(consumer.ref):
        return problem
    if not lookups.access.may_read(consumer.namespace, path):
        return f"the access policy does not let namespace {consumer.namespace} read this path"
    if consumer.spec.target.creation_policy == "None":
        return ""
    if isinstance(head, StepFailure):
        return head.reason
    if version is None:
        return "nothing to materialize yet"
    if head is not None and head.drifted:
        return "the target was changed by somebody else"
    if head is None or str(path) not in head.stamp:
        return _not_carried(consumer, head)
    carried = head.stamp[str(path)]
    if _follows(consumer, path, lookups) and version.newer_than(carried):
        return f"carries version {carried}, the authority holds {version}"
    return lookups.refused(consumer.ref)  # what no stamp shows: another type, an immutable Secret


def _not_carried(consumer: ExternalSecret, head: SecretHead | None) -> str:
    policy = consumer.spec.target.creation_policy
    if head is None:
        return f"waits for somebody to make Secret {consumer.target}" if policy == "Merge" else "not materialized yet"
    if head.owner != str(consumer.ref) and (head.owner or policy not in _SHARED):
        return f"Secret {consumer.target} exists and is managed by {head.owner or 'somebody else'}"
    return "not materialized yet"


def _follows(consumer: ExternalSecret, path: PathRef, lookups: Lookups) -> bool:
    """Whether the consumer is meant to move with the path: not pinned, not made once only."""
    spec, mount = consumer.spec, lookups.wiring.mount
    if spec.refresh_policy != "Periodic" or spec.refresh_interval == 0:
        return False
    pinned = {consumer.data_path(item, mount) for item in spec.data if item.remote_ref.version}
    pinned |= {
        found
        for part in spec.data_from
        if part.extract is not None and part.extract.version
        if (found := consumer.extract_path(part, mount)) is not None
    }
    return path not in pinned
