"""What targets that are engines of the authority itself need there: their modules say so, by capability."""

from collections.abc import Iterable, Iterator

from functions._capability import Capability
from functions._manifests.rotation_target import RotationTarget
from infra.targets.opening import parameters_of
from infra.targets.registry import module_of

Rules = dict[str, set[str]]
_LEASED = frozenset({Capability.LEASE_RENEW, Capability.LEASE_REVOKE})
_ASKED = (
    Capability.SYSTEM_LOGIN, Capability.SYSTEM_APPLY, Capability.SYSTEM_REVOKE, Capability.LEASE_READ,
    Capability.LEASE_RENEW, Capability.LEASE_REVOKE,
)  # fmt: skip


def authority_rules(target: RotationTarget, accounts: Iterable[str]) -> Iterator[tuple[Capability, Rules]]:
    """Policy rules (pattern -> verbs) by the capability that needs them; none for systems elsewhere.

    Raises Reject for an unknown type, and for parameters that the type does not take.
    """
    module = module_of(target.spec.type)
    rules = getattr(module, "authority_rules", None)
    if rules is None:
        return
    parameters, named = parameters_of(target, module.PARAMETERS), tuple(sorted(accounts))
    # A lease outlives the manifest that asked for it: it is kept through a grace, and then revoked.
    allowed = tuple(sorted({account for one in target.spec.allow for account in one.accounts}))
    for capability in _ASKED:
        yield capability, rules(parameters, allowed if capability in _LEASED else named, capability)
