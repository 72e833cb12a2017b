"""RotationTargets as cluster-scoped objects, which RBAC keeps to the platform: followed, the last good one in force."""

from collections.abc import Callable
from typing import Any

from functions._manifests.rotation_target import RotationTarget
from infra.kubernetes.informing import Feed, Informer, Notice
from infra.kubernetes.mirror import Difference
from infra.kubernetes.resources import ROTATION_TARGETS
from infra.wiring import rules
from infra.wiring.cluster_objects import Held, Reading
from infra.wiring.finding import Finding
from infra.wiring.served import Served, copied

OWN_KINDS = "apply Lockstep's own CRDs, which `lockstep manifests` prints, to have anything rotated"


class ClusterTargets:
    """The declared systems of a cluster. `changed` is called from the watch's thread, after every change.

    A cluster that does not serve the kind declares none. An object that cannot be read keeps declaring what it last
    did, with a finding.
    """

    def __init__(
        self, feed: Feed, *, changed: Callable[[], None] = lambda: None, notice: Notice = lambda _: None
    ) -> None:
        self._changed = changed
        self._all: tuple[RotationTarget, ...] | None = None

        def before(key: tuple[str, str]) -> Held | None:
            return self._informer.held().get(key)

        reading = Reading(RotationTarget, ROTATION_TARGETS.api_version, before)
        self._informer: Informer[Held] = Informer(
            Served((ROTATION_TARGETS,), [feed], OWN_KINDS), reading, self._told, name=RotationTarget.KIND, notice=notice
        )

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Declarations that cannot be read."""
        held = sorted(copied(self._informer).items())
        return tuple(
            Finding(rules.INVALID, f"RotationTarget {key[1]}", 0, one.refusal) for key, one in held if one.refusal
        )

    def named(self, name: str) -> RotationTarget | None:
        """The one of this name, None where none is declared."""
        return _declaration(self._informer.held().get(("", name)))

    def all(self) -> tuple[RotationTarget, ...]:
        """All of them, ordered by name; the same object until something changes."""
        if self._all is None:
            held = sorted(copied(self._informer).items())
            self._all = tuple(target for _, one in held if (target := _declaration(one)) is not None)
        return self._all

    def held(self) -> dict[str, Held]:
        """What is known of each object, by name, with its status; of those that cannot be read too."""
        return {name: one for (_, name), one in sorted(copied(self._informer).items())}

    def start(self) -> None:
        self._informer.start()

    def stop(self, timeout: float = 10.0) -> None:
        """End the thread. Raises TimeoutError where `changed` does not return."""
        self._informer.stop(timeout)

    def wait_ready(self, timeout: float) -> bool:
        """Whether they were listed, or cannot be, within `timeout` seconds."""
        return self._informer.last_error is not None or self._informer.wait_ready(timeout)

    def _told(self, _: tuple[Difference[Any], ...]) -> None:
        self._all = None
        self._changed()


def _declaration(held: Held | None) -> RotationTarget | None:
    manifest = held.manifest if held is not None and not held.leaving else None
    return manifest if isinstance(manifest, RotationTarget) else None
