"""A whole Lockstep in memory: the real steps over fakes, and a broker that delivers when asked.

Deliveries can be duplicated, shuffled, and killed between any two I/O calls; what was accepted is delivered until
it is answered, as the real broker does.
"""

import random
from collections import deque
from dataclasses import dataclass, field, replace

from events.envelope import Received, issue, read
from events.event import Event
from events.references import ManifestRef, PathRef, SecretRef
from events.schedule import ScheduleRef, ScheduleTicked
from events.secret import SecretChanged, SecretRemoved
from events.wiring import WiringChanged
from functions import STEPS
from functions._failures import Conflict, Reject, Retry
from functions._manifests.external_secret import ExternalSecret
from functions._manifests.push_secret import PushSecret
from functions._manifests.rotation import Rotation
from functions._manifests.rotation_target import RotationTarget
from functions._ports import Ports, Settings
from functions._step import Step
from tests import chaos
from tests.fakes.authority import FakeAuthority
from tests.fakes.beside import FakeBeside
from tests.fakes.claims import FakeClaims
from tests.fakes.clock import FakeClock
from tests.fakes.leaks import FakeFingerprintIndex, FakeFingerprints, FakeLeaks
from tests.fakes.leases import FakeLeases
from tests.fakes.local import FakeAccess, FakeLedger, FakePublications, FakeSuspensions
from tests.fakes.rotations import FakePending, FakeProofs, FakeRotations
from tests.fakes.secrets import FakeSecrets
from tests.fakes.systems import FakeRandomness, FakeSystem, FakeSystems
from tests.fakes.tombstones import FakeTombstones
from tests.fakes.wiring import FakeWiring
from tests.fakes.workloads import FakeBudgets, FakeReminders, FakeRollouts, FakeWorkloads


class Killed(BaseException):
    """The process died here."""


@dataclass
class Delivery:
    """One event on its way to one step."""

    step: Step
    received: Received
    attempts: int = 0


@dataclass
class _Durable:
    """What a crash leaves."""

    queue: deque[Delivery]
    said: list[Event]


@dataclass
class World:
    """Fakes of every port, and the queue between the steps."""

    settings: Settings = field(default_factory=lambda: Settings(cluster="test", retraction_grace=3600.0))
    rng: random.Random = field(default_factory=lambda: random.Random(chaos.seed() or 1))
    duplicate: float = field(default_factory=lambda: 0.0 if chaos.seed() is None else chaos.REPEATED)
    shuffle: bool = field(default_factory=lambda: chaos.seed() is not None)
    rewound: tuple[int, int] = (0, 0)  # before this delivery begins all is durable; the crash is after that one

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.secrets = FakeSecrets()
        self.authority = FakeAuthority(clock=self.clock.now)
        self.claims = FakeClaims()
        self.tombstones = FakeTombstones()
        self.publications = FakePublications()
        self.wiring = FakeWiring()
        self.access = FakeAccess()
        self.suspensions = FakeSuspensions()
        self.ledger = FakeLedger()
        self.workloads = FakeWorkloads()
        self.rollouts = FakeRollouts()
        self.budgets = FakeBudgets()
        self.reminders = FakeReminders()
        self.rotations = FakeRotations()
        self.pending = FakePending(clock=self.clock.now)
        self.proofs = FakeProofs()
        self.systems = FakeSystems()
        self.leases = FakeLeases(self.clock.now)
        self.randomness = FakeRandomness()
        self.leaks = FakeLeaks()
        self.fingerprints = FakeFingerprints()
        self.index = FakeFingerprintIndex()
        self.ports = Ports(
            sources=self.secrets,
            targets=self.secrets,
            authority=self.authority,
            claims=self.claims,
            tombstones=self.tombstones,
            publications=self.publications,
            wiring=self.wiring,
            access=self.access,
            suspensions=self.suspensions,
            ledger=self.ledger,
            workloads=self.workloads,
            rollouts=self.rollouts,
            budgets=self.budgets,
            reminders=self.reminders,
            rotations=self.rotations,
            pending=self.pending,
            proofs=self.proofs,
            systems=self.systems,
            leases=self.leases,
            randomness=self.randomness,
            leaks=self.leaks,
            fingerprints=self.fingerprints,
            index=self.index,
            beside=FakeBeside(),
            clock=self.clock,
            settings=self.settings,
        )
        self.queue: deque[Delivery] = deque()
        self.said: list[Event] = []
        self.dead: list[tuple[Delivery, str]] = []
        self.delivered = 0
        self._durable: _Durable | None = None  # while what came since may be lost
        self._ticks = 0
        self._removals = 0

    # --- what happens outside ---

    def push(self, manifest: PushSecret) -> ManifestRef:
        return self._wire(manifest)

    def external(self, manifest: ExternalSecret) -> ManifestRef:
        return self._wire(manifest)

    def rotate(self, manifest: Rotation) -> ManifestRef:
        """Wire a Rotation."""
        return self._wire(manifest)

    def declare(self, target: RotationTarget, system: FakeSystem | None = None) -> FakeSystem:
        """Declare a target, and the system behind it."""
        return self.systems.declare(target, system or FakeSystem(target.name, self.clock.now))

    def unwire(self, ref: ManifestRef) -> None:
        push, external = self.wiring.push_secret(ref), self.wiring.external_secret(ref)
        secrets = (external.target,) if external else ()
        paths = tuple(push.entries(self.wiring.mount)) if push else ()
        self.wiring.remove(ref)
        self._removals += 1  # as the feed numbers them
        generation = f"0.{self._removals}"
        self.say(WiringChanged(manifest=ref, change="removed", generation=generation, secrets=secrets, paths=paths))

    def source(self, ref: SecretRef, data: dict[str, bytes]) -> None:
        state = self.secrets.put(ref, data)
        self.say(SecretChanged(secret=ref, seen=state))

    def source_removed(self, ref: SecretRef) -> None:
        self.secrets.remove(ref)
        self.say(SecretRemoved(secret=ref, seen="gone"))

    def tick(self, schedule: str = "sweep") -> None:
        self._ticks += 1
        self.clock.advance(1)
        self.say(ScheduleTicked(schedule=ScheduleRef(name=schedule), at=self.clock.now()))

    def _wire(self, manifest: PushSecret | ExternalSecret | Rotation) -> ManifestRef:
        old_push = self.wiring.push_secret(manifest.ref)
        old_external = self.wiring.external_secret(manifest.ref)
        known = any((old_push, old_external, self.wiring.rotation(manifest.ref)))
        secrets: tuple[SecretRef, ...] = ()
        if old_external and isinstance(manifest, ExternalSecret) and old_external.target != manifest.target:
            secrets = (old_external.target,)
        paths = tuple(old_push.entries(self.wiring.mount)) if old_push else ()
        ref = self.wiring.put(manifest)
        self.say(
            WiringChanged(
                manifest=ref,
                change="changed" if known else "added",
                generation=manifest.generation,
                secrets=secrets,
                paths=paths,
            )
        )
        return ref

    # --- the broker ---

    def say(self, event: Event, cause: Received | None = None, step: str = "", ordinal: int = 0) -> None:
        """Accept an event: a delivery for every step that consumes it, at least one."""
        self.said.append(event)
        if cause is None and self._durable is not None:  # whoever sent it waited for the answer
            self._durable.said.append(event)
        wire = issue(event, source="test", now=self.clock.now(), cause=cause, step=step, ordinal=ordinal)
        received = read(wire)
        for consumer in STEPS:
            if isinstance(event, consumer.consumes):
                copies = 2 if self.rng.random() < self.duplicate else 1
                if self._durable is not None and cause is not None and isinstance(event, consumer.proves):
                    continue  # not before it is durable, which it will not be
                made = [Delivery(consumer, received) for _ in range(copies)]
                self.queue.extend(made)
                if cause is None and self._durable is not None:
                    self._durable.queue.extend(made)

    def deliver(self, delivery: Delivery) -> None:
        """One attempt. A kill leaves the delivery in the queue, a retry puts it back, a reject buries it.

        What steps reply is delivered before it is durable, and a batch of it is lost at once: then all is as it was
        before the batch, but for what the steps have done.
        """
        self.delivered += 1
        first, last = self.rewound
        if self.delivered == first:
            self._durable = _Durable(deque(replace(one) for one in (delivery, *self.queue)), list(self.said))
        self._attempt(delivery)
        if self.delivered >= last or not self.queue:
            self._crash()

    def _crash(self) -> None:
        if self._durable is not None:
            self.queue, self.said, self._durable = self._durable.queue, self._durable.said, None
            for schedule in ("sweep", "start"):  # as each start does
                self.say(ScheduleTicked(schedule=ScheduleRef(name=schedule), at=self.clock.now()))

    def _attempt(self, delivery: Delivery) -> None:
        delivery.attempts += 1
        try:
            events = tuple(delivery.step.handle(delivery.received.event, self.ports))
        except Killed:
            self.queue.append(delivery)
            raise
        except (Retry, Conflict) as failure:
            if delivery.attempts > 11:
                self._bury(delivery, failure.reason)
            else:
                self.queue.append(delivery)
            return
        except Reject as failure:
            self._bury(delivery, failure.reason)
            return
        for ordinal, event in enumerate(events):
            assert isinstance(event, delivery.step.emits), f"{delivery.step.name} does not declare {event.TYPE}"
            self.say(event, cause=delivery.received, step=delivery.step.name, ordinal=ordinal)

    def _bury(self, delivery: Delivery, reason: str) -> None:
        """Copies of a delivery are one delivery, of which a broker keeps one dead letter."""
        known = [(one.step.name, one.received.id, why) for one, why in self.dead] if self.duplicate else []
        if (delivery.step.name, delivery.received.id, reason) not in known:
            self.dead.append((delivery, reason))

    def settle(self, limit: int = 2000) -> None:
        """Deliver until nothing is left."""
        for _ in range(limit):
            if not self.queue:
                return
            if self.shuffle:
                self.queue.rotate(self.rng.randrange(len(self.queue)))
            self.deliver(self.queue.popleft())
        raise AssertionError(f"still {len(self.queue)} deliveries after {limit}: a loop")

    # --- looking ---

    def events(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.said if isinstance(event, kind)]

    def only(self, kind: type[Event]) -> Event:
        """The one event of a kind; under a chaotic broker it may be told again, and the first one counts."""
        first, *again = self.events(kind)
        assert not again or chaos.seed() is not None, again
        return first

    def target(self, ref: SecretRef) -> dict[str, bytes] | None:
        return self.secrets.values(ref)

    def path(self, path: PathRef) -> dict[str, bytes] | None:
        stored = self.authority.read(path)
        if stored is None or stored.data is None:
            return None
        return {key: value.reveal() for key, value in stored.data.items()}


# --- manifests in a line -------------------------------------------------------------------------------------------


def path(text: str) -> PathRef:
    return PathRef(mount="secret", path=text)


def secret(text: str) -> SecretRef:
    namespace, name = text.split("/")
    return SecretRef(namespace=namespace, name=name)


def push_secret(
    name: str, source: str, entries: dict[str, str], *, deletion: str = "None", update: str = "Replace", **spec: object
) -> PushSecret:
    """`entries` maps a source key to `remoteKey#property`."""
    namespace, ref = source.split("/")
    data = []
    for key, remote in entries.items():
        remote_key, _, prop = remote.partition("#")
        data.append({"match": {"secretKey": key, "remoteRef": {"remoteKey": remote_key, "property": prop}}})
    return PushSecret.model_validate(
        {
            "apiVersion": "external-secrets.io/v1alpha1",
            "kind": "PushSecret",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "secretStoreRefs": [{"name": "vault-backend", "kind": "ClusterSecretStore"}],
                "selector": {"secret": {"name": ref}},
                "deletionPolicy": deletion,
                "updatePolicy": update,
                "data": data,
                **spec,
            },
        }
    )


def external_secret(
    name: str, entries: dict[str, str] | None = None, *, extract: str = "", target: dict[str, object] | None = None,
    **spec: object,
) -> ExternalSecret:  # fmt: skip
    """`name` is `namespace/name`; `entries` maps a target key to `key#property`."""
    namespace, own = name.split("/")
    data = []
    for key, remote in (entries or {}).items():
        remote_key, _, prop = remote.partition("#")
        data.append({"secretKey": key, "remoteRef": {"key": remote_key, "property": prop}})
    return ExternalSecret.model_validate(
        {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "metadata": {"name": own, "namespace": namespace},
            "spec": {
                "secretStoreRef": {"name": "vault-backend", "kind": "ClusterSecretStore"},
                "target": target or {},
                "data": data,
                **({"dataFrom": [{"extract": {"key": extract}}]} if extract else {}),
                **spec,
            },
        }
    )


def rotation(
    name: str, remote_key: str, *, strategy: str = "single", target: dict[str, object] | None = None, **spec: object
) -> Rotation:
    """`name` is `namespace/name`; the target is `orders`, its account `app` (alternating: `app_a` and `app_b`)."""
    namespace, own = name.split("/")
    accounts = {"accounts": ["app_a", "app_b"]} if strategy == "alternating" else {"account": "app"}
    return Rotation.model_validate(
        {
            "apiVersion": "lockstep.dev/v1alpha1",
            "kind": "Rotation",
            "metadata": {"name": own, "namespace": namespace},
            "spec": {
                "secretStoreRef": {"name": "vault-backend"},
                "remoteKey": remote_key,
                "target": target or {"name": "orders", **accounts},
                "strategy": strategy,
                **spec,
            },
        }
    )


def rotation_target(name: str = "orders", **spec: object) -> RotationTarget:
    """One that lets every namespace change every account."""
    return RotationTarget.model_validate(
        {
            "apiVersion": "lockstep.dev/v1alpha1",
            "kind": "RotationTarget",
            "metadata": {"name": name},
            "spec": {"type": "fake", "allow": [{"namespaces": ["*"], "accounts": ["*"]}], **spec},
        }
    )
