"""What the linter is told of a declared target: its type's strategies and fields, without speaking to it."""

from functions._manifests.rotation_target import RotationTarget
from infra.targets.declared import no_admin
from infra.targets.opening import Opening
from infra.targets.registry import module_of, open_target
from infra.wiring.lint.rotations import TargetFacts

_ANY = "account"  # whose public fields are asked for: their names are the same for all


def target_facts(target: RotationTarget) -> TargetFacts:
    """Raises Reject for an unknown type, or parameters that it does not take."""
    system = open_target(Opening(target, no_admin, None))
    fields = frozenset(system.secret_fields) | frozenset(system.public_fields(_ANY))
    return TargetFacts(system.strategies, fields, getattr(module_of(target.spec.type), "UNSEEN", ()))
