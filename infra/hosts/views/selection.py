"""What a name on the command line stands for: a source or target Secret, a manifest, or a path."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from events.errors import EventError
from events.references import ManifestRef, PathRef, SecretRef
from functions._failures import StepFailure
from functions._manifests.external_secret import ExternalSecret
from functions._manifests.push_secret import PushSecret
from functions._ports import SecretHead, Wiring
from infra.hosts.located import located
from infra.hosts.views.pipeline import ConsumerState, Lookups, PathState, entries, path_state, pipeline, read_paths

Chosen = tuple[tuple[PathState, tuple[ConsumerState, ...]], ...]
KINDS = ("PushSecret", "ExternalSecret")


class UnknownName(LookupError):
    """Nothing that is wired has this name; the message says what to look at."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Paths, and of their consumers those that are meant (None: all). `manifests` are those that were named.

    `left` is a target whose manifest is not there any more, or could not be read: the Secret still says whose it is.
    """

    paths: tuple[PathRef, ...]
    consumers: frozenset[ManifestRef] | None = None
    manifests: tuple[ManifestRef, ...] = ()
    left: SecretRef | None = None

    def chosen(self, state: PathState) -> tuple[ConsumerState, ...]:
        """The consumers of a path that are meant."""
        if self.consumers is None:
            return state.consumers
        return tuple(each for each in state.consumers if each.manifest in self.consumers)


def select(name: str, namespace: str | None, lookups: Lookups) -> Selection:
    """What `name` (`namespace/name`, `mount/path`, `Kind/namespace/name`; with a namespace also `name`) stands for.

    Raises UnknownName.
    """
    text = f"{namespace}/{name}" if namespace and "/" not in name else name
    kind, _, rest = text.partition("/")
    if kind in KINDS and rest.count("/") == 1:
        return _of_manifests(text, [ref for ref in _manifests(rest) if ref.kind == kind], lookups)
    path = as_path(text, lookups.wiring)
    if path is not None:
        return Selection((path,))
    found = _of_secret(text, lookups)
    return found or _of_manifests(text, _manifests(text), lookups)


def everything(namespace: str | None, lookups: Lookups) -> tuple[PathState, ...]:
    """Every wired path; with a namespace those that it produces or consumes."""
    return tuple(state for state in pipeline(lookups) if namespace is None or concerns(state, namespace))


def concerns(state: PathState, namespace: str) -> bool:
    """Whether a namespace produces or consumes the path."""
    producer = state.producer.namespace if state.producer else None
    return namespace == producer or any(each.target.namespace == namespace for each in state.consumers)


def states(selection: Selection, lookups: Lookups) -> tuple[PathState, ...]:
    """The states of what was selected."""
    return tuple(path_state(path, lookups) for path in selection.paths)


def as_path(text: str, wiring: Wiring) -> PathRef | None:
    """A wired path of this name, whatever part of it is the mount."""
    segments = text.split("/")
    for cut in range(1, len(segments)):
        try:
            path = PathRef(mount="/".join(segments[:cut]), path="/".join(segments[cut:]))
        except ValidationError:
            continue
        if _wired(path, wiring):
            return path
    return None


def path_named(text: str, wiring: Wiring) -> PathRef | None:
    """The path that this text (MOUNT/PATH) names: a wired one, whatever part of it is the mount; else with the first
    segment as mount; None for what names none."""
    segments = text.split("/")
    first: PathRef | None = None
    for cut in range(1, len(segments)):
        try:
            path = PathRef(mount="/".join(segments[:cut]), path="/".join(segments[cut:]))
        except ValidationError:
            continue
        if _wired(path, wiring):
            return path
        first = first or path
    return first


def _wired(path: PathRef, wiring: Wiring) -> bool:
    named = wiring.producers_of_path(path) or wiring.consumers_of_path(path)
    return bool(named) or wiring.rotation_of_path(path) is not None


def _of_secret(text: str, lookups: Lookups) -> Selection | None:
    ref = _secret(text)
    if ref is None:
        return None
    try:
        head = lookups.sources.head(ref)
    except StepFailure:
        head = None  # half-written or refused: it may still be named
    pushes = lookups.wiring.producers_of_source(ref, head.labels if head else {})
    consumers = lookups.wiring.consumer_of_target(ref)
    if pushes or consumers:
        return _selected(pushes, consumers, lookups)
    if head is not None and not any(
        lookups.wiring.push_secret(manifest) or lookups.wiring.external_secret(manifest)
        for manifest in _manifests(text)
    ):
        owner = _owner(head)
        if owner is not None:
            return Selection((), manifests=(owner,), left=ref)
        said = f"Secret {text} exists, and no manifest names it; wire it with a PushSecret"
        raise UnknownName(said + _perhaps(lookups))
    return None


def _owner(head: SecretHead) -> ManifestRef | None:
    """Who made the Secret, as it says itself."""
    try:
        return ManifestRef.parse(head.owner)
    except EventError:
        return None


def _perhaps(lookups: Lookups) -> str:
    """Where else it may be named."""
    unread = lookups.written().unread()
    return f"; {located(unread[0].file, unread[0].line)} could not be read, and may name it" if unread else ""


def _of_manifests(text: str, refs: Iterable[ManifestRef], lookups: Lookups) -> Selection:
    found = tuple(refs)
    pushes = tuple(push for ref in found if (push := lookups.wiring.push_secret(ref)))
    externals = tuple(external for ref in found if (external := lookups.wiring.external_secret(ref)))
    if not pushes and not externals:
        if unread := tuple(ref for ref in found if lookups.written().of(ref)):
            return Selection((), manifests=unread)
        said = f"nothing that is wired is called {text}; `lockstep status` lists what is"
        raise UnknownName(said + _perhaps(lookups))
    return _selected(pushes, externals, lookups)


def _selected(pushes: Iterable[PushSecret], externals: Iterable[ExternalSecret], lookups: Lookups) -> Selection:
    pushes, externals = tuple(pushes), tuple(externals)
    produced = [path for push in pushes for path in entries(push, lookups.wiring)]
    consumed = [path for external in externals for path in _consumed(external, lookups)]
    return Selection(
        paths=tuple(dict.fromkeys([*produced, *consumed])),
        consumers=None if pushes else frozenset(external.ref for external in externals),
        manifests=tuple(each.ref for each in (*pushes, *externals)),
    )


def _consumed(external: ExternalSecret, lookups: Lookups) -> Iterator[PathRef]:
    yield from read_paths(external, lookups.wiring)
    if any(part.find is not None for part in external.spec.data_from):
        for state in pipeline(lookups):
            if any(each.manifest == external.ref for each in state.consumers):
                yield state.path


def _secret(text: str) -> SecretRef | None:
    namespace, _, name = text.partition("/")
    try:
        return SecretRef(namespace=namespace, name=name)
    except ValidationError:
        return None


def _manifests(text: str) -> tuple[ManifestRef, ...]:
    namespace, _, name = text.partition("/")
    try:
        return tuple(ManifestRef(kind=kind, namespace=namespace, name=name) for kind in KINDS)
    except ValidationError:
        return ()
