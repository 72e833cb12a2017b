"""`Rollouts` as documents `lockstep/rollouts/<cluster>_<subject>`: what was last done for a workload.

By cluster, as several may share an authority. A subject's slashes are colons, so that names can be listed at once.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from events.consumer import WorkloadRef
from events.errors import EventError
from events.references import Version
from functions._failures import Conflict
from functions._workloads import Rollout, State
from infra.stores.vault.documents import MOUNT, SCHEMA, kept, number, text, time
from infra.stores.vault.kv import KvEngine

_DIRECTORY = "rollouts"
_STATES: tuple[State, ...] = ("waiting", "rolling", "adopted", "stuck")


class VaultRollouts:
    """A revision is the document's version; what was removed begins anew."""

    def __init__(self, engine: KvEngine, mount: str = MOUNT, cluster: str = "local") -> None:
        self._engine = engine
        self._mount = mount
        self._prefix = f"{cluster}_"  # no cluster's name holds "_"

    def refs(self) -> tuple[WorkloadRef, ...]:
        names = (name for name in self._engine.list(self._mount, _DIRECTORY) if name.startswith(self._prefix))
        found = (_workload(name.removeprefix(self._prefix)) for name in sorted(names))
        return tuple(ref for ref in found if ref is not None)

    def read(self, ref: WorkloadRef) -> Rollout | None:
        found = self._engine.read(self._mount, self._name(ref))
        return kept(f"the rollout record of {ref}", found, _rollout, lambda rollout: rollout.workload, ref)

    def write(self, rollout: Rollout) -> Rollout:
        name = self._name(rollout.workload)
        try:
            written = self._engine.write(self._mount, name, _document(rollout), rollout.revision)
        except Conflict:
            left = self._engine.read(self._mount, name) if rollout.revision == 0 else None
            if left is None or left.data is not None:
                raise Conflict(f"the rollout record of {rollout.workload} changed since it was read") from None
            written = self._engine.write(self._mount, name, _document(rollout), left.number)  # removed, not forgotten
        return replace(rollout, revision=written.number)

    def remove(self, rollout: Rollout) -> None:
        name = self._name(rollout.workload)
        self._engine.delete(self._mount, name, (rollout.revision,))
        left = self._engine.metadata(self._mount, name)
        if left is None:
            return
        if left.newest != rollout.revision:
            raise Conflict(f"the rollout record of {rollout.workload} changed since it was read")
        self._engine.delete_metadata(self._mount, name)

    def _name(self, ref: WorkloadRef) -> str:
        return f"{_DIRECTORY}/{self._prefix}{ref.subject.replace('/', ':')}"


def _workload(name: str) -> WorkloadRef | None:
    try:
        return WorkloadRef.parse(name.replace(":", "/"))
    except EventError:
        return None  # not of our making


def _document(rollout: Rollout) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "workload": rollout.workload.subject,
        "uid": rollout.uid,
        "digest": rollout.digest,
        "marks": dict(rollout.marks),
        "stamps": {
            name: {path: version.model_dump(mode="json") for path, version in stamp.items()}
            for name, stamp in rollout.stamps.items()
        },
        "state": rollout.state,
        "began": rollout.began.isoformat(),
        "generation": rollout.generation,
        "reason": rollout.reason,
        "told": rollout.told,
        "due": rollout.due.isoformat() if rollout.due else None,
    }


def _rollout(data: Mapping[str, Any], revision: int) -> Rollout:
    return Rollout(
        workload=WorkloadRef.parse(text(data, "workload")),
        uid=text(data, "uid"),
        digest=text(data, "digest"),
        marks={str(name): str(mark) for name, mark in data["marks"].items()},
        stamps={
            str(name): {str(path): Version.model_validate(version) for path, version in stamp.items()}
            for name, stamp in data["stamps"].items()
        },
        state=_state(text(data, "state")),
        began=time(data, "began"),
        generation=number(data, "generation"),
        reason=text(data, "reason"),
        told=data["told"] is True,
        due=time(data, "due") if data["due"] is not None else None,
        revision=revision,
    )


def _state(value: str) -> State:
    for state in _STATES:
        if value == state:
            return state
    raise ValueError("state")
