"""Who may rotate a path: its claim names the Rotation, made before anything else is touched (DESIGN, "Claims")."""

from dataclasses import replace

from events.errors import EventError
from events.references import ManifestRef, PathRef
from functions._failures import Reject
from functions._manifests.rotation import Rotation
from functions._ports import Claim, Ports
from functions._rotations import Record


def foreign(claim: Claim | None, rotation: Rotation, path: PathRef, ports: Ports) -> str | None:
    """Why the path is not this Rotation's to claim; None where it is, or nobody holds it."""
    if claim is None or claim.state != "active" or ours(claim, rotation, ports):
        return None
    if _left_behind(claim, rotation, path, ports):
        return None
    return (
        f"{path} belongs to {claim.owner} of cluster {claim.cluster} ({claim.origin}); "
        "let it give the path up, then rotate"
    )


def ours(claim: Claim, rotation: Rotation, ports: Ports) -> bool:
    """Whether the claim is active and names exactly this Rotation."""
    known = (claim.state, claim.owner, claim.cluster, claim.uid, claim.origin)
    return known == ("active", str(rotation.ref), ports.settings.cluster, rotation.uid, "rotation")


def hold(rotation: Rotation, path: PathRef, ports: Ports) -> Claim | None:
    """The claim in the Rotation's name, made where it must be; None where it is somebody else's. Raises Conflict."""
    claim = ports.claims.read(path)
    if claim is not None and ours(claim, rotation, ports):
        return claim
    if foreign(claim, rotation, path, ports):
        return None
    wanted = Claim(
        path=path, owner=str(rotation.ref), cluster=ports.settings.cluster, uid=rotation.uid, origin="rotation",
        epoch=1, state="active",
    )  # fmt: skip
    if claim is None:
        return ports.claims.create(wanted)
    kept = replace(claim, owner=wanted.owner, cluster=wanted.cluster, uid=wanted.uid, origin=wanted.origin)
    return ports.claims.update(replace(kept, epoch=claim.epoch + 1, state="active", on_removal="keep"))


def held(record: Record, claim: Claim | None, ports: Ports) -> bool:
    """Whether the path's claim is still for the record's manifest, and not somebody else's, or nobody's."""
    if claim is None or claim.state != "active":
        return False
    owner = (claim.owner, claim.cluster, claim.origin)
    return owner == (str(record.manifest), ports.settings.cluster, "rotation")


def _left_behind(claim: Claim, rotation: Rotation, path: PathRef, ports: Ports) -> bool:
    """Whether the owner was a Rotation of this namespace that rotates the path no longer: renamed, or made again."""
    if claim.cluster != ports.settings.cluster or claim.origin != "rotation" or not ports.wiring.complete():
        return False
    try:
        owner = ManifestRef.parse(claim.owner)
    except EventError:
        return False
    if owner == rotation.ref:
        return True
    if owner.kind != rotation.KIND or owner.namespace != rotation.namespace:
        return False
    former = ports.wiring.rotation(owner)
    try:
        return former is None or former.path(ports.wiring.mount) != path
    except Reject:
        return False  # which path it names cannot be told now
