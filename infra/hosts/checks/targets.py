"""Rotation targets: reachable, with an admin credential that may do what is asked, and room for what will be made."""

from collections import defaultdict
from collections.abc import Iterator

from functions._failures import StepFailure
from functions._manifests.rotation import Rotation
from functions._ports import Wiring
from functions._rotation_rights import refused_accounts, refused_strategy, terms_of
from functions._systems import System, Systems
from infra.hosts.checks.result import Check, fail, ok, some, warn

_MEND = "do what the message says; `lockstep rotate SECRET --dry-run` shows all of it for one secret"


def target_checks(wiring: Wiring, systems: Systems) -> Iterator[Check]:
    """Each target that a Rotation names, asked once for all of its accounts (SYSTEM_APPLY)."""
    by_target: dict[str, list[Rotation]] = defaultdict(list)
    for rotation in wiring.rotations():
        if not wiring.problem(rotation.ref):  # told with the wiring
            by_target[rotation.spec.target.name].append(rotation)
    for name, rotations in sorted(by_target.items()):
        yield _examined(name, rotations, systems)


def _examined(name: str, rotations: list[Rotation], systems: Systems) -> Check:
    title, accounts = f"target {name}", sorted({one for each in rotations for one in each.spec.target.names})
    try:
        system = systems.open(name)
        blocking = list(_refused(name, rotations, system, systems))
        found = system.examine(tuple(accounts))
    except StepFailure as failure:
        return fail(title, failure.reason, _MEND)
    blocking += [one.text for one in found if one.blocks]
    if blocking:
        return fail(title, some(list(dict.fromkeys(blocking))), _MEND)
    if notices := list(dict.fromkeys(one.text for one in found)):
        return warn(title, some(notices), _MEND)
    return ok(title, f"takes what is asked for {some(accounts)}")


def _refused(name: str, rotations: list[Rotation], system: System, systems: Systems) -> Iterator[str]:
    """What its declaration, or its type, does not let a Rotation do."""
    for rotation in rotations:
        for reason in (
            refused_accounts(rotation.namespace, terms_of(rotation), systems),
            refused_strategy(name, rotation.spec.strategy, system.strategies),
        ):
            if reason is not None:
                yield f"{rotation.ref}: {reason}"
