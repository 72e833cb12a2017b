"""materialize: pull what the authority holds into consumer Secrets (seed 001, 5a.3.3).

A target says in its stamp which versions it carries. The stamp is written with the data, so a delivery that
comes twice, late or beside another finds out from the target itself that there is nothing left to do.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Literal

from events.errors import EventError
from events.event import Event
from events.orders import MaterializeRequested
from events.references import ManifestRef, PathRef, SecretRef, Version
from events.secret import SecretDrifted, SecretMaterialized, SecretPublished
from events.wiring import WiringChanged
from functions._ahead import TargetsAhead
from functions._capability import Capability
from functions._composing import Composed, Waiting, compose
from functions._data_since import mark
from functions._failures import Conflict, Reject, Retry
from functions._manifests.external_secret import ExternalSecret
from functions._manifests.reserved import REFUSED_TYPES, reserved_metadata
from functions._marks import CREATION_POLICY, DATA_SINCE
from functions._orders import expiry
from functions._ports import Ports, Secret, SecretContent
from functions._refresh import settled_for_good
from functions._step import Step
from functions._values import SecretValue
from functions._vouched import VouchedReads

ATTEMPTS = 4
MOST_KEYS = 256  # named in an event


def handle(
    event: SecretPublished | MaterializeRequested | SecretDrifted | WiringChanged, ports: Ports
) -> Iterator[Event]:
    """Bring every consumer that the event concerns to the newest confirmed version."""
    consumers = _consumers(event, ports)
    bounds = _lower_bounds(event)
    reads = VouchedReads(ports, bounds)
    with ExitStack() as asked:
        if isinstance(event, SecretPublished) and consumers:
            asked.enter_context(reads.asking(event.path))
        targets = asked.enter_context(TargetsAhead(_written(consumers, ports), ports))
        if isinstance(event, SecretPublished) and consumers:
            reads.newest(event.path)  # a failure to read what all of them share is nobody's alone
        yield from _each(consumers, event, reads, targets, ports)


def _written(consumers: tuple[ExternalSecret, ...], ports: Ports) -> Iterator[SecretRef]:
    """The targets that are worth reading ahead."""
    for consumer in consumers:
        if consumer.spec.target.creation_policy != "None" and not ports.wiring.problem(consumer.ref):
            yield consumer.target


def _each(
    consumers: tuple[ExternalSecret, ...], event: Event, reads: VouchedReads, targets: TargetsAhead, ports: Ports
) -> Iterator[Event]:
    for consumer in consumers:
        try:
            yield from _materialize(consumer, event, reads, targets, ports)
        except (Retry, Reject, Conflict) as failure:
            if len(consumers) == 1:
                raise
            yield MaterializeRequested(
                consumer=consumer.ref,
                secret=consumer.target,
                base={str(path): version for path, version in _lower_bounds(event).items()},
                expires=expiry(ports),
                reason=failure.reason[:500],
            )


def _consumers(
    event: SecretPublished | MaterializeRequested | SecretDrifted | WiringChanged, ports: Ports
) -> tuple[ExternalSecret, ...]:
    if isinstance(event, SecretPublished):
        return ports.wiring.consumers_of_path(event.path)
    if isinstance(event, SecretDrifted):
        return ports.wiring.consumer_of_target(event.secret)
    if isinstance(event, MaterializeRequested):
        consumer = ports.wiring.external_secret(event.consumer)
        return (consumer,) if consumer else ()
    if event.manifest.kind == "ClusterSecretStore" and event.change == "changed":
        return tuple(c for c in ports.wiring.external_secrets() if c.store == event.manifest.name)
    consumer = ports.wiring.external_secret(event.manifest) if event.manifest.kind == "ExternalSecret" else None
    return (consumer,) if consumer else ()


def _lower_bounds(event: Event) -> dict[PathRef, Version]:
    return {event.path: event.version} if isinstance(event, SecretPublished) else {}


def _materialize(
    consumer: ExternalSecret, event: Event, reads: VouchedReads, targets: TargetsAhead, ports: Ports
) -> Iterator[SecretMaterialized]:
    if problem := ports.wiring.problem(consumer.ref):
        if isinstance(event, MaterializeRequested):
            raise Reject(f"{consumer.ref}: {problem}")
        return  # one bad manifest holds up no other consumer; `status` names it
    if consumer.spec.target.creation_policy == "None":
        return
    target = targets.read(consumer.target)
    rewired = isinstance(event, WiringChanged)
    if target is not None and settled_for_good(consumer, target, rewired=rewired):
        return
    composed = compose(consumer, reads, ports)
    if isinstance(composed, Waiting):
        return
    for _ in range(ATTEMPTS):
        if ports.suspensions.reason(consumer.target, consumer.ref):
            return
        try:
            outcome = _bring(consumer, target, composed, ports)
        except Conflict:
            target = ports.targets.read(consumer.target)
            continue
        if outcome is not None:
            yield outcome
        return
    raise Retry(f"{consumer.target} changes faster than it can be compared and set")


def _bring(
    consumer: ExternalSecret, target: Secret | None, composed: Composed, ports: Ports
) -> SecretMaterialized | None:
    policy = consumer.spec.target.creation_policy
    if target is None:
        if policy == "Merge":
            return None  # Merge only ever adds to a Secret that somebody else makes; the sweep looks again
        state = ports.targets.create(consumer.target, _content(consumer, None, composed, ports))
        return _materialized(consumer, composed, state, "created")
    _refuse_foreign(consumer, target, ports)
    if _goes_back(target.stamp, composed):
        return None
    content = _content(consumer, target, composed, ports)
    if _same(target, content):
        return _materialized(consumer, composed, target.state, "unchanged")
    if target.immutable and not (content.immutable and dict(target.data) == dict(content.data)):
        raise Reject(f"{consumer.target} is immutable and its data would change; delete it or unset target.immutable")
    state = ports.targets.update(consumer.target, content, target.state)
    return _materialized(consumer, composed, state, "updated")


def _refuse_foreign(consumer: ExternalSecret, target: Secret, ports: Ports) -> None:
    if target.owner == str(consumer.ref) or _left_behind(target, ports):
        return
    if not target.owner and (target.drifted or consumer.spec.target.creation_policy in ("Merge", "CreateOrMerge")):
        return  # nobody of ours holds it; or it is ours, swapped by somebody together with the marks that said so
    # Merging too: a Secret has one owner with one stamp, and two would drop each other's keys in turn.
    advice = "choose another target.name" if target.owner else "use creationPolicy Merge, choose another target.name"
    raise Reject(
        f"{consumer.ref}: Secret {consumer.target} exists and is managed by {target.owner or 'somebody else'}; "
        f"{advice}, or delete that Secret"
    )


def _left_behind(target: Secret, ports: Ports) -> bool:
    """Whether its owner is an ExternalSecret that makes it no longer: it was renamed in Git, or has another target."""
    try:
        owner = ManifestRef.parse(target.owner)
    except EventError:
        return False
    if owner.namespace != target.ref.namespace or not ports.wiring.complete():
        return False
    former = ports.wiring.external_secret(owner)
    return former is None or former.target != target.ref


def _goes_back(stamp: Mapping[str, Version], composed: Composed) -> bool:
    return any(
        path in composed.stamp and path not in composed.pinned and not composed.stamp[path].at_least(version)
        for path, version in stamp.items()
    )


def _content(consumer: ExternalSecret, target: Secret | None, composed: Composed, ports: Ports) -> SecretContent:
    policy = consumer.spec.target.creation_policy
    template = consumer.spec.target.template
    merging = target is not None and target.owner != str(consumer.ref) and policy in ("Merge", "CreateOrMerge")
    merging = merging or (target is not None and policy == "Merge")
    base: dict[str, SecretValue] = {}
    if target is not None and merging:
        base = {key: value for key, value in target.data.items() if key not in target.managed}
    kind = (template.type if template and template.type else None) or "Opaque"
    if kind in REFUSED_TYPES:
        raise Reject(f"{consumer.ref}: a Secret of type {kind} is never made from the authority")
    labels, annotations = dict(composed.labels), dict(composed.annotations)
    _refuse_reserved(consumer, labels, annotations)
    if merging and target is not None:
        labels, annotations, kind = {**target.labels, **labels}, {**target.annotations, **annotations}, target.type
    data = {**base, **composed.data}
    annotations[CREATION_POLICY] = policy
    annotations.pop(DATA_SINCE, None)
    if since := mark(target, data, composed.stamp, ports.clock.now()):
        annotations[DATA_SINCE] = since
    return SecretContent(
        data=data,
        stamp=composed.stamp,
        owner=str(consumer.ref),
        managed=frozenset(composed.data),
        type=kind,
        labels=labels,
        annotations=annotations,
        immutable=consumer.spec.target.immutable,
    )


def _refuse_reserved(consumer: ExternalSecret, labels: Mapping[str, str], annotations: Mapping[str, str]) -> None:
    for name in (*labels, *annotations):
        if reserved_metadata(name):
            raise Reject(f"{consumer.ref}: template.metadata may not set the reserved {name!r}")


def _same(target: Secret, content: SecretContent) -> bool:
    return not target.drifted and (
        dict(target.data), dict(target.stamp), target.owner, target.managed,
        target.type, dict(target.labels), dict(target.annotations), target.immutable,
    ) == (
        dict(content.data), dict(content.stamp), content.owner, content.managed,
        content.type, dict(content.labels), dict(content.annotations), content.immutable,
    )  # fmt: skip


def _materialized(
    consumer: ExternalSecret, composed: Composed, state: str, outcome: Literal["created", "updated", "unchanged"]
) -> SecretMaterialized:
    return SecretMaterialized(
        secret=consumer.target,
        consumer=consumer.ref,
        stamp=composed.stamp,
        keys=tuple(sorted(composed.data))[:MOST_KEYS],
        seen=state,
        outcome=outcome,
    )


STEP = Step(
    name="materialize",
    does="Reads what the authority holds and brings consumer Secrets up to it, once per version.",
    consumes=(SecretPublished, MaterializeRequested, SecretDrifted, WiringChanged),
    emits=(SecretMaterialized, MaterializeRequested),
    needs=frozenset(
        {
            Capability.AUTHORITY_READ,
            Capability.AUTHORITY_LIST,
            Capability.TARGET_READ,
            Capability.TARGET_WRITE,
            Capability.PUBLICATION_READ,
        }
    ),
    handle=handle,
)
