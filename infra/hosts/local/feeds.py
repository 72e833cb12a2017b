"""What the machine's sources report, as events: manifests that changed, Secrets that changed or drifted."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime

from events.envelope import issue
from events.event import Event
from events.references import ManifestRef, SecretRef
from events.secret import SecretChanged, SecretDrifted, SecretRemoved
from events.wiring import WiringChanged
from functions._failures import StepFailure
from functions._manifests.push_secret import PushSecret
from functions._ports import SourceSecrets
from infra.broker.broker import Broker
from infra.broker.principal import Principal
from infra.hosts.local.manifests import KnownManifest, ManifestMemory
from infra.hosts.platform import PromptTell, PublicationBook, SnapshotWiring, Tell
from infra.wiring.index import Index

_BATCH = 500  # manifests told of in one commit: a first start tells of all of them
ACCEPT_TIMEOUT = 30.0  # seconds for the broker to make an event durable


def utc_now() -> datetime:
    return datetime.now(UTC)


class Teller:
    """Hands a source's events to the broker, and returns when they are durable: implements PromptTell."""

    def __init__(self, broker: Broker, name: str, cluster: str, now: Callable[[], datetime]) -> None:
        self._broker = broker
        self._principal = Principal("source", name)
        self._source = f"/lockstep/{cluster}/sources/{name}"
        self._now = now

    def __call__(self, event: Event) -> None:
        """Raises what the broker raises: the source keeps the news and tells it again."""
        wire = issue(event, source=self._source, now=self._now())
        self._broker.accept(wire, self._principal, here=True).result(timeout=ACCEPT_TIMEOUT)

    def soon(self, event: Event) -> Future[int]:
        """Hand it over, to be durable within some milliseconds: the future tells."""
        wire = issue(event, source=self._source, now=self._now())
        return self._broker.accept(wire, self._principal, patient=True)

    def all(self, events: Iterable[Event]) -> None:
        """Hand over all of these or none. Raises as for one."""
        now = self._now()
        wires = tuple(issue(event, source=self._source, now=now) for event in events)
        self._broker.accept_many(wires, self._principal, here=True).result(timeout=ACCEPT_TIMEOUT)


class WiringFeed:
    """Compares the wiring with what was told of it last, across restarts, and tells the difference.

    The steps' policies are bound to a new manifest before its event is told, so that no step is refused.
    """

    def __init__(
        self, wiring: SnapshotWiring, known: ManifestMemory, *, bind: Callable[[Index], None], tell: Tell,
    ) -> None:  # fmt: skip
        self._wiring = wiring
        self._known = known
        self._bind = bind
        self._tell = tell
        self._told: dict[ManifestRef, KnownManifest] | None = None

    def refresh(self) -> int:
        """Read the manifests again; how many events that made."""
        self._wiring.reload(self._bind)
        now = {manifest.ref: manifest for manifest in self._named()}
        if self._told is None:
            self._told = self._known.all()
        told = self._told
        news: list[tuple[WiringChanged, KnownManifest | None]] = [
            (_changed(manifest, told.get(ref)), manifest) for ref, manifest in now.items() if told.get(ref) != manifest
        ]
        news += [(_removed(told[ref]), None) for ref in sorted(told.keys() - now.keys(), key=str)]
        for first in range(0, len(news), _BATCH):
            self._tell_of(news[first : first + _BATCH], told)
        return len(news)

    def _tell_of(
        self, news: Sequence[tuple[WiringChanged, KnownManifest | None]], told: dict[ManifestRef, KnownManifest]
    ) -> None:
        """Tell, then remember.

        Each is numbered: a manifest that is put back as it was is another change, and so another fact with another
        id. The number moves on with what is remembered: news that is told again after a crash keeps its id.
        """
        serial = self._known.serial()
        self._tell.all(
            event.model_copy(update={"generation": f"{event.generation}.{serial + number}"})
            for number, (event, _) in enumerate(news)
        )
        self._known.follow([(event.manifest, manifest) for event, manifest in news])
        for event, manifest in news:
            if manifest is None:
                del told[event.manifest]
            else:
                told[event.manifest] = manifest

    def _named(self) -> Iterable[KnownManifest]:
        index = self._wiring.snapshot()
        targets = {external.placed.ref: (external.target,) for external in index.externals()}
        paths = {push.placed.ref: tuple(push.entries) for push in index.pushes()}
        for ref, generation in index.generations().items():
            # a manifest whose problem came or went has changed, though its text has not
            mark = "-refused" if index.problem(ref) else "-contested" if index.disputed(ref) else ""
            # what another controller serves is not ours to retract, and perhaps not even to look at
            ours = index.mode(ref) == "own"
            yield KnownManifest(
                ref, f"{generation}{mark}", targets.get(ref, ()) if ours else (), paths.get(ref, ()) if ours else ()
            )


def _changed(manifest: KnownManifest, before: KnownManifest | None) -> WiringChanged:
    if before is None:
        return WiringChanged(manifest=manifest.ref, change="added", generation=manifest.generation)
    return WiringChanged(
        manifest=manifest.ref,
        change="changed",
        generation=manifest.generation,
        secrets=tuple(ref for ref in before.secrets if ref not in manifest.secrets),
        paths=before.paths,
    )


def _removed(before: KnownManifest) -> WiringChanged:
    return WiringChanged(
        manifest=before.ref,
        change="removed",
        generation=before.generation,
        secrets=before.secrets,
        paths=before.paths,
    )


class SecretFeed:
    """Tells which wired Secrets changed. A target that somebody touched is drift; anything else is a source."""

    def __init__(
        self, wiring: SnapshotWiring, secrets: SourceSecrets, publications: PublicationBook, tell: PromptTell,
        now: Callable[[], datetime] = utc_now,
    ) -> None:  # fmt: skip
        self._wiring = wiring
        self._secrets = secrets
        self._publications = publications
        self._tell = tell
        self._now = now
        self._seen: dict[SecretRef, str] = {}  # the state that each Secret was last told at

    def interested(self, ref: SecretRef) -> bool:
        """Whether the wiring names this Secret, or might select it by label."""
        index = self._wiring.snapshot()
        return bool(
            index.producers_of_source(ref, {}) or index.consumer_of_target(ref) or index.selects_labels(ref.namespace)
        )

    def derived(self, ref: SecretRef) -> bool:
        """Whether what we write there is itself published."""
        return bool(self._producers(ref))

    def known(self, ref: SecretRef) -> str | None:
        """The source state that every path made of this Secret was confirmed at; None where they differ."""
        states = {
            publication.sources.get(str(ref)) if publication else None
            for push in self._producers(ref)
            if not self._wiring.problem(push.ref)
            for path in push.entries(self._wiring.mount)
            for publication in (self._publications.read(path),)
        }
        return states.pop() if len(states) == 1 else None

    def expected(self) -> tuple[SecretRef, ...]:
        """Sources that paths were confirmed from: their absence after a restart is news."""
        names = {name for publication in self._publications.all() for name in publication.sources}
        pairs = (name.split("/", 1) for name in sorted(names))
        return tuple(SecretRef(namespace=namespace, name=name) for namespace, name in pairs)

    def told(self, event: SecretChanged | SecretRemoved) -> list[Future[int]]:
        """Hand one observation to the broker, as what it is; each future raises where it could not be kept.

        Steps begin before it is: whoever loses such an event tells it again, and a change is to be seen until then.
        """
        seen = event.seen or self._vanished(event.secret)
        gone = isinstance(event, SecretRemoved)
        kept = []
        if self._wiring.consumer_of_target(event.secret):
            kept.append(self._tell.soon(SecretDrifted(secret=event.secret, seen=seen)))
        if gone or self._producers(event.secret):
            kept.append(self._tell.soon(event.model_copy(update={"seen": seen})))
        if event.seen and not gone:
            self._seen[event.secret] = event.seen
        else:
            self._seen.pop(event.secret, None)
        return kept

    def _vanished(self, ref: SecretRef) -> str:
        """The state identity of having none: which state went away, so that each disappearance is its own fact."""
        before = self._seen.get(ref) or self.known(ref)
        return f"after-{before}" if before else f"at-{self._now().isoformat()}"

    def _producers(self, ref: SecretRef) -> tuple[PushSecret, ...]:
        index = self._wiring.snapshot()
        labels: dict[str, str] = {}
        if index.selects_labels(ref.namespace):
            try:
                head = self._secrets.head(ref)
            except StepFailure:
                head = None  # half-written or refused: the step says so when it reads it
            labels = dict(head.labels) if head else {}
        return index.producers_of_source(ref, labels)
