"""When a target is left as it is, whatever the authority holds (ESO's refreshPolicy and refreshInterval)."""

from functions._manifests.external_secret import ExternalSecret
from functions._ports import Secret, SecretHead


def settled_for_good(consumer: ExternalSecret, target: Secret | SecretHead, *, rewired: bool) -> bool:
    """Whether the policy refreshes this target no more; `rewired`: the manifest itself came or changed.

    CreatedOnce and an interval of 0 mean once; OnChange means whenever the manifest changes.
    """
    if not target.stamp or target.owner != str(consumer.ref):
        return False
    if consumer.spec.refresh_policy == "CreatedOnce":
        return True
    if consumer.spec.refresh_policy == "OnChange":
        return not rewired
    return consumer.spec.refresh_interval == 0
