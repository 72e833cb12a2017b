"""A path that several PushSecrets name: whoever claimed it goes on, and the others are refused (DESIGN, "Claims").

Claims are kept at the authority, where only `publish` reads them. Whoever else must know which of several is meant goes
by what was confirmed: only the claim's owner confirms.
"""

from collections.abc import Callable

from events.errors import EventError
from events.references import ManifestRef, PathRef
from functions._failures import Reject
from functions._manifests.push_secret import PushSecret
from functions._ports import Claim, Ports, Publication, Wiring

STILL_THEIRS = "which publishes it; remove it there first and adopt it then (`lockstep adopt`), or name another path"


def holders(
    path: PathRef, wiring: Wiring, confirmed: Callable[[PathRef], Publication | None]
) -> tuple[PushSecret, ...]:
    """The PushSecret that the path was last confirmed by; all that name it where that is none of them."""
    producers = wiring.producers_of_path(path)
    if len(producers) < 2:
        return producers
    known = confirmed(path)
    holding = tuple(push for push in producers if known is not None and push.ref == known.manifest)
    return holding or producers


def still_publishes(claim: Claim, ports: Ports) -> bool:
    """Whether the claim's owner is wired here, and names the path: what it holds is not handed over behind its back."""
    if claim.cluster != ports.settings.cluster or claim.state != "active":
        return False
    try:
        owner = ports.wiring.push_secret(ManifestRef.parse(claim.owner))
        return owner is not None and owner.uid == claim.uid and claim.path in owner.entries(ports.wiring.mount)
    except (EventError, Reject):
        return False
