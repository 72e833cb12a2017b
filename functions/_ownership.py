"""Who may write a path: claims, and what a step may make of the one it finds (DESIGN, "Claims")."""

from dataclasses import replace
from typing import Literal

from events.errors import EventError
from events.references import ManifestRef, PathRef
from functions._failures import Reject
from functions._manifests.push_secret import PushSecret
from functions._ports import Claim, Ports


def new_claim(push: PushSecret, path: PathRef, properties: tuple[str, ...], ports: Ports) -> Claim:
    """The claim a PushSecret makes on a path that nobody claimed."""
    return Claim(
        path=path,
        owner=str(push.ref),
        cluster=ports.settings.cluster,
        uid=push.uid,
        origin="producer",
        epoch=1,
        state="active",
        on_removal=removal_of(push),
        properties=tuple(sorted(properties)),
    )


def owned_by(claim: Claim, push: PushSecret, ports: Ports) -> bool:
    """Whether the claim names this PushSecret of this cluster, and this very object of that name."""
    return (claim.owner, claim.cluster, claim.uid) == (str(push.ref), ports.settings.cluster, push.uid)


def left_behind(claim: Claim, push: PushSecret, ports: Ports) -> bool:
    """Whether the owner was a PushSecret of the same namespace that publishes the path no longer: it was renamed in
    Git, names other paths now, or was deleted and made again, which its name in its cluster tells.

    Only where the wiring is known as a whole; a manifest that cannot be read at the moment still owns its path.
    """
    if claim.cluster != ports.settings.cluster or not ports.wiring.complete():
        return False
    try:
        owner = ManifestRef.parse(claim.owner)
    except EventError:
        return False
    if owner == push.ref:
        return True
    if owner.namespace != push.namespace:
        return False
    former = ports.wiring.push_secret(owner)
    try:
        return former is None or claim.path not in former.entries(ports.wiring.mount)
    except Reject:
        return False  # what it names cannot be told now


def taken_over(claim: Claim, push: PushSecret, properties: tuple[str, ...], ports: Ports) -> Claim:
    """The claim as its next owner holds it: a new epoch, the same revision to compare and set against."""
    return replace(
        new_claim(push, claim.path, properties, ports),
        epoch=claim.epoch + 1,
        deleted=claim.deleted,
        revoked=claim.revoked,
        pages=claim.pages,
        revision=claim.revision,
    )


def refreshed(claim: Claim, push: PushSecret, properties: tuple[str, ...]) -> Claim:
    """The owner's own claim brought up to its manifest; equal to `claim` where nothing changed."""
    return replace(
        claim,
        on_removal=removal_of(push),
        properties=tuple(sorted({*claim.properties, *properties})),
    )


def removal_of(push: PushSecret) -> Literal["keep", "delete"]:
    """What becomes of the path when the PushSecret goes."""
    return "delete" if push.spec.deletion_policy == "Delete" else "keep"
