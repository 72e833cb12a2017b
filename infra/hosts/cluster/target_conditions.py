"""Whether each declared system can be used, in its RotationTarget's status, so that `kubectl get` shows it.

Only what the declaration itself says is judged: its type, its parameters, and where its admin credential is read from.
Whether the system answers is each rotation's own to say. What names a store that is not ours is left alone.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from functions._failures import Conflict, Reject
from functions._manifests.rotation_target import RotationTarget
from infra.hosts.cluster.conditions import Condition
from infra.hosts.cluster.pump import Pump
from infra.kubernetes.api import Api, Patch
from infra.kubernetes.refusals import Absent
from infra.kubernetes.resources import ROTATION_TARGETS
from infra.wiring.cluster import ClusterWiring
from infra.wiring.cluster_objects import Held
from infra.wiring.cluster_targets import ClusterTargets

DECLARED, INVALID = "Declared", "Invalid"
Strategies = Callable[[RotationTarget], tuple[str, ...]]
"""What a declared system carries out. Raises Reject for an unknown type, or parameters that it does not take."""


class TargetConditions:
    """Writes conditions from a thread of its own, where they changed; `ring` after the declarations or stores did."""

    def __init__(
        self, targets: ClusterTargets, wiring: ClusterWiring, api: Api, strategies: Strategies, *,
        notice: Callable[[str], None] = lambda _: None, now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:  # fmt: skip
        self._targets = targets
        self._wiring = wiring
        self._api = api
        self._strategies = strategies
        self._now = now
        self._pump = Pump(self._look, "conditions of RotationTargets", notice=notice)
        self.ring = self._pump.ring
        self.start = self._pump.start
        self.stop = self._pump.stop

    def _look(self) -> None:
        for name, held in self._targets.held().items():
            if not held.leaving and self._ours(held):
                condition = self._condition(held)
                if not condition.shown_in(held.status):
                    self._write(name, held.version, held.status, condition)

    def _ours(self, held: Held) -> bool:
        """A store that is not there (yet) is nobody else's."""
        stores, named = self._wiring.snapshot().stores, set(held.stores)
        admin = held.manifest.spec.admin if isinstance(held.manifest, RotationTarget) else None
        if admin is not None and admin.secret_store_ref is not None:
            named.add(admin.secret_store_ref.name)
        return all(name not in stores or stores[name].mode == "own" for name in named)

    def _condition(self, held: Held) -> Condition:
        if held.refusal:
            return Condition(False, INVALID, held.refusal)
        target = held.manifest
        if not isinstance(target, RotationTarget):
            return Condition(False, INVALID, "it cannot be read")
        try:
            able = self._strategies(target)
            if target.spec.admin is not None:
                target.spec.admin.path(self._wiring.mount)
        except Reject as reject:
            return Condition(False, INVALID, reject.reason)
        return Condition(True, DECLARED, f"{target.spec.type}: carries out {', '.join(able)}")

    def _write(self, name: str, version: str, status: Mapping[str, Any], condition: Condition) -> None:
        """Against the version that it was made of; where somebody was faster, from what stands there now."""
        try:
            self._patch(name, version, status, condition)
        except Conflict:
            found = self._api.get(ROTATION_TARGETS, name)
            now = (found or {}).get("status") or {}
            if found is not None and not condition.shown_in(now):
                self._patch(name, found["metadata"]["resourceVersion"], now, condition)
        except Absent:
            return  # it went; nothing of it is to be shown

    def _patch(self, name: str, version: str, status: Mapping[str, Any], condition: Condition) -> None:
        body = {
            "metadata": {"resourceVersion": version},
            "status": {"conditions": condition.document(status, self._now())},
        }
        self._api.patch(ROTATION_TARGETS, name, body, strategy=Patch.MERGE, subresource="status", metadata_only=True)


def strategies(target: RotationTarget) -> tuple[str, ...]:
    """As its type says."""
    from infra.hosts.target_facts import target_facts  # here: few have any system declared

    return target_facts(target).strategies
