"""The limit on how much may be retracted at once, across everything that is due (DESIGN, "Deletion")."""

from collections.abc import Sequence

from events.references import SecretRef
from functions._failures import Reject, Retry
from functions._lease_needs import POLICY as REVOKE_LEASE
from functions._ports import Ports, Tombstone


def held_back(due: Sequence[Tombstone], ports: Ports) -> str:
    """Why none of these may be carried out now; "" when all may. What is gone already takes nothing away."""
    if not due:
        return ""
    if not ports.wiring.complete():
        return "the wiring cannot be read as a whole; nothing is retracted until it can"
    limit = ports.settings.retraction_limit
    if len(due) > limit and (many := sum(not _gone(one, ports) for one in due)) > limit:
        return (
            f"{many} retractions are due at once, more than the limit of {limit}; "
            "if they are meant, raise retraction.limit in lockstep.yaml"
        )
    wired = sum(1 for _ in ports.wiring.push_secrets()) + sum(1 for _ in ports.wiring.external_secrets())
    if wired == 0:
        return "nothing is wired at all; an empty wiring retracts nothing"
    return ""


def _gone(tombstone: Tombstone, ports: Ports) -> bool:
    target = tombstone.target
    if tombstone.policy == REVOKE_LEASE:
        return False  # a lease outlives what the path holds
    try:
        if isinstance(target, SecretRef):
            return ports.wiring.gone(target.namespace) or ports.targets.head(target) is None
        return ports.authority.head(target) is None
    except (Retry, Reject):
        return False  # not known to be
