"""What manifests do to each other: two claims on a path or target, managed sources, circles."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from events.references import ManifestRef, PathRef, SecretRef
from functions._manifests.external_secret import ExternalSecret
from functions._manifests.push_secret import PushSecret
from infra.wiring import rules
from infra.wiring.finding import Rule
from infra.wiring.graph import circles
from infra.wiring.resolved import DERIVED, ResolvedExternal, ResolvedPush, ResolvedRotation

Node = SecretRef | PathRef
ConsumersOf = Callable[[PathRef], Iterable[ExternalSecret]]

# Policies by which an ExternalSecret holds the whole target; Merge and CreateOrMerge add to what others made.
_WHOLE = ("Owner", "Orphan")


@dataclass(frozen=True, slots=True)
class Conflict:
    """A manifest that disputes something with another; `refuses`: so that it may not act."""

    rule: Rule
    ref: ManifestRef
    message: str
    refuses: bool = True


def conflicts(
    by_path: Mapping[PathRef, list[ResolvedPush]],
    by_target: Mapping[SecretRef, list[ResolvedExternal]],
    by_source: Mapping[SecretRef, list[PushSecret]],
    consumers_of: ConsumersOf,
    pushes: Mapping[ManifestRef, ResolvedPush],
) -> Iterator[Conflict]:
    """Every conflict, once for each manifest that takes part in it."""
    yield from _double_claims(by_path)
    yield from _double_targets(by_target)
    yield from _managed_sources(by_source, by_target)
    yield from _circles(by_target, consumers_of, pushes)


def rotation_conflicts(
    by_rotated: Mapping[PathRef, list[ResolvedRotation]], by_path: Mapping[PathRef, list[ResolvedPush]]
) -> Iterator[Conflict]:
    """Paths with two rotations, and rotations of a producer's path: the producer goes on, as the value is its own."""
    for path, rotations in by_rotated.items():
        for each in rotations:
            others = ", ".join(f"{other.placed.ref} ({other.placed.where})" for other in rotations if other is not each)
            if others:
                yield Conflict(rules.ROTATED_TWICE, each.placed.ref, f"{path} is also rotated by {others}")
            producers = ", ".join(f"{one.placed.ref} ({one.placed.where})" for one in by_path.get(path, ()))
            if producers:
                message = f"{path} is published by {producers}, which would write its own value over the new one"
                yield Conflict(rules.ROTATES_PRODUCED, each.placed.ref, message)


def _double_claims(by_path: Mapping[PathRef, list[ResolvedPush]]) -> Iterator[Conflict]:
    """Told, and refused by the claim: a manifest may not hold up another's rotation by naming its path."""
    for path, claimants in by_path.items():
        if len(claimants) < 2:
            continue
        for each in claimants:
            others = ", ".join(f"{other.placed.ref} ({other.placed.where})" for other in claimants if other is not each)
            message = f"{path} is also published by {others}"
            yield Conflict(rules.CLAIMED_TWICE, each.placed.ref, message, refuses=False)


def _double_targets(by_target: Mapping[SecretRef, list[ResolvedExternal]]) -> Iterator[Conflict]:
    """A Secret has one owner with one stamp: of two, each would drop the other's keys in turn.

    The one that makes the whole Secret goes on where the others only meant to add to it.
    """
    for target, makers in by_target.items():
        writers = [each for each in makers if each.external.spec.target.creation_policy != "None"]
        if len(writers) < 2:
            continue
        whole = [each for each in writers if each.external.spec.target.creation_policy in _WHOLE]
        for each in writers:
            others = ", ".join(f"{other.placed.ref} ({other.placed.where})" for other in writers if other is not each)
            message = f"Secret {target} is also written by {others}"
            yield Conflict(rules.TARGET_CLAIMED_TWICE, each.placed.ref, message, refuses=whole != [each])


def _managed_sources(
    by_source: Mapping[SecretRef, list[PushSecret]], by_target: Mapping[SecretRef, list[ResolvedExternal]]
) -> Iterator[Conflict]:
    for source, pushes in by_source.items():
        makers = [each for each in by_target.get(source, ()) if each.external.spec.target.creation_policy != "None"]
        for push in pushes if makers else ():
            if not derived(push):
                message = f"its source {source} is made by {makers[0].placed.ref} ({makers[0].placed.where})"
                yield Conflict(rules.DERIVED, push.ref, message)


def derived(push: PushSecret) -> bool:
    """Whether it declares that its source is a managed Secret."""
    return push.annotations.get(DERIVED) == "true"


def _circles(
    by_target: Mapping[SecretRef, list[ResolvedExternal]],
    consumers_of: ConsumersOf,
    pushes: Mapping[ManifestRef, ResolvedPush],
) -> Iterator[Conflict]:
    # A circle needs a Secret that is made and pushed; with none there is no graph to walk.
    made: dict[str, list[tuple[SecretRef, list[dict[str, str]]]]] = {}
    for target, makers_of in by_target.items():
        made.setdefault(target.namespace, []).append((target, [_labels(each.external) for each in makers_of]))
    sources = {ref: _managed(push.push, by_target, made.get(ref.namespace, [])) for ref, push in pushes.items()}
    if not any(sources.values()):
        return
    edges: dict[Node, set[Node]] = {}
    makers: dict[tuple[Node, Node], set[ManifestRef]] = {}

    def link(start: Node, end: Node, ref: ManifestRef) -> None:
        edges.setdefault(start, set()).add(end)
        makers.setdefault((start, end), set()).add(ref)

    for push in pushes.values():
        for path in push.entries:
            for source in sources[push.placed.ref]:
                link(source, path, push.placed.ref)
            for external in consumers_of(path):
                link(path, external.target, external.ref)
    for circle in circles(edges):
        around = " -> ".join(sorted(node.subject for node in circle))
        parts = {ref for (start, end), refs in makers.items() if start in circle and end in circle for ref in refs}
        for ref in sorted(parts, key=str):
            yield Conflict(rules.CYCLE, ref, f"is part of a circle: {around}")


def _managed(
    push: PushSecret,
    by_target: Mapping[SecretRef, list[ResolvedExternal]],
    made: list[tuple[SecretRef, list[dict[str, str]]]],
) -> tuple[SecretRef, ...]:
    """The managed Secrets that it pushes: by name, or by labels that their manifests give them."""
    if push.source is not None:
        return (push.source,) if push.source in by_target else ()
    selector = push.spec.selector.secret.selector
    if selector is None:
        return ()
    return tuple(target for target, labels in made if any(selector.matches(each) for each in labels))


def _labels(external: ExternalSecret) -> dict[str, str]:
    template = external.spec.target.template
    made = template.metadata.labels if template else external.labels
    return {**made, "reconcile.external-secrets.io/managed": "true"}
