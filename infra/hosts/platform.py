"""What differs between the places that Lockstep runs in: where manifests and Secrets are, and who tells of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from events.event import Event
from events.references import ManifestRef, PathRef
from functions._ports import Access, Publication, Publications, SourceSecrets, Suspensions, TargetSecrets, Wiring
from functions._step import Step
from infra.hosts.local.suspensions import Suspension
from infra.wiring.finding import Finding
from infra.wiring.index import Index

if TYPE_CHECKING:  # a step that touches none starts without them
    from functions._manifests.rotation_target import RotationTarget
    from functions._workloads import Workloads

Notice = Callable[[str], None]


class SnapshotWiring(Wiring, Protocol):
    """The wiring with the whole that it answers from."""

    def snapshot(self) -> Index: ...

    def reload(self, prepare: Callable[[Index], object] = ...) -> Any:
        """Make a snapshot of what is known now; `prepare` sees it before anybody else, and may refuse it."""


class SuspensionBook(Suspensions, Protocol):
    """What operators stopped, and how they do."""

    def suspend(self, suspension: Suspension) -> int: ...

    def resume(self, scope: str) -> int | None: ...

    def all(self) -> tuple[Suspension, ...]: ...


class PublicationBook(Publications, Protocol):
    """Confirmed versions, all of them."""

    def all(self) -> Iterator[Publication]: ...


class AccessPolicy(Access, Protocol):
    """The access policy in force. `open`: there is none, so everything that is wired is allowed."""

    @property
    def open(self) -> bool: ...

    def reload(self) -> str | None:
        """Read it again; why it is not in force, and what is, None where all is well."""


class DeclaredTargets(Protocol):
    """The systems that the platform declared, beside the wiring."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with declarations; what was declared before stays in force."""

    def named(self, name: str) -> "RotationTarget | None": ...

    def all(self) -> "tuple[RotationTarget, ...]": ...


class Watch(Protocol):
    """Something that notices changes in a thread of its own."""

    @property
    def mode(self) -> str:
        """How changes are noticed, or "stopped"."""

    @property
    def last_error(self) -> str | None: ...

    def alive(self) -> bool: ...


class Tell(Protocol):
    """Hands events to the broker, and returns when they are durable."""

    def __call__(self, event: Event) -> None: ...

    def all(self, events: Iterable[Event]) -> None: ...


class PromptTell(Tell, Protocol):
    """Tells some events without waiting for their being durable."""

    def soon(self, event: Event) -> Future[int]:
        """Hand an event over; the future ends when it is durable, or raises where it will not be. Raises as a call."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the sources of a platform may do: tell events in the name of a source, bind the steps' permissions to a
    new wiring before its events are told, and have everything swept."""

    tell: Callable[[str], PromptTell]
    bind: Callable[[Index], None]
    sweep: Callable[[], None]


class Platform(Protocol):
    """One place, opened. It is left in two moves: `unfollow` while the broker still takes events, `close` after it."""

    @property
    def title(self) -> str:
        """How people know it: the directory, or the context."""

    @property
    def wiring(self) -> SnapshotWiring: ...

    @property
    def sources(self) -> SourceSecrets: ...

    @property
    def targets(self) -> TargetSecrets: ...

    @property
    def workloads(self) -> "Workloads": ...

    @property
    def publications(self) -> PublicationBook: ...

    @property
    def suspensions(self) -> SuspensionBook: ...

    @property
    def access(self) -> AccessPolicy: ...

    @property
    def declared(self) -> DeclaredTargets: ...

    @property
    def calls(self) -> Counter[tuple[str, str]]:
        """Requests to the API server of Kubernetes so far, by verb and resource; none without a cluster."""

    def retiring(self, index: Index) -> tuple[PathRef, ...]:
        """Paths that steps must still be let at though neither this wiring nor a publication names them.

        Asked before permissions are bound to it. Raises Unavailable.
        """

    @property
    def known_sources(self) -> SourceSecrets:
        """The sources for who only looks, often and at all of them: their heads cost no request where they are known,
        and may be as old as the newest that a watch told."""

    @property
    def known_targets(self) -> TargetSecrets:
        """The targets, likewise."""

    def ready(self) -> bool:
        """Whether steps can work here now; until then deliveries are held."""

    def runs(self, step: Step) -> bool:
        """Whether there is anything here that this step could do; to others no event is delivered."""

    def refusal(self, manifest: ManifestRef) -> str:
        """Why the last write for a manifest was refused, where the place keeps that; "" otherwise."""

    def prepared(self, step: Step) -> Step:
        """The step as it runs here: what the place wants to know of its work, it hears."""

    def observe(self, event: Event) -> None:
        """A step said this; for what shows outcomes to people. Must not raise and must not wait."""

    def refused(self, step: str, event: Event, reason: str) -> None:
        """A step rejected this event; for the same. Must not raise and must not wait."""

    def follow(self, hooks: Hooks) -> tuple[Watch, ...]:
        """Begin to tell of changes; when it returns, whatever happened before was told."""

    def unfollow(self) -> None:
        """Tell of nothing any more. Raises TimeoutError, or a group of what went wrong."""

    def close(self) -> None:
        """Finish what was begun, and let go of everything."""
