"""A world in which one path holds a leased credential, of which only leases are looked after."""

from datetime import timedelta

from events.rotation import RotationRequested
from functions._manifests.rotation import Rotation
from functions._rotation_naming import rotation_id
from functions._rotations import Holder, Phase, Record, Terms
from tests.fakes.world import Delivery, World, external_secret, path

PATH = path("orders/database")
HOUR = 3600.0
_LOOKED_AT = frozenset({"renew", "sweep", "retract"})


class LeasedWorld(World):
    """Rotation itself stands still: its orders are said, and nobody carries them out."""

    def deliver(self, delivery: Delivery) -> None:
        if delivery.step.name in _LOOKED_AT:
            super().deliver(delivery)

    def replacements(self) -> list[RotationRequested]:
        return [event for event in self.events(RotationRequested) if isinstance(event, RotationRequested)]

    def minutes(self, count: int) -> None:
        """Minutes pass, with the tick of each."""
        for _ in range(count):
            self.clock.advance(59)
            self.tick("rotations")
            self.settle()

    def left(self, lease: str) -> float | None:
        """Seconds until it ends, None where it did."""
        found = self.leases.known(lease)
        return (found.expires - self.clock.now()).total_seconds() if found else None


def rotation(annotations: dict[str, str] | None = None) -> Rotation:
    return Rotation.model_validate(
        {
            "apiVersion": "lockstep.dev/v1alpha1",
            "kind": "Rotation",
            "metadata": {"name": "database", "namespace": "orders", "annotations": annotations or {}},
            "spec": {
                "secretStoreRef": {"name": "vault-backend"},
                "remoteKey": PATH.path,
                "strategy": "minted",
                "target": {"name": "orders-leases", "account": "orders"},
            },
        }
    )


def held(world: World, lease: str, *, phase: Phase = "completed", old: str = "") -> Record:
    """The record of a rotation that made this lease's credential (or, before it did, of the one that was)."""
    stored = world.authority.read(PATH)
    base = stored.version if stored else None
    if base is None:
        base = world.authority.foreign_write(PATH, {"password": "of-the-lease"})
    known = world.rotations.known(PATH)
    return world.rotations.write(
        Record(
            path=PATH, id=rotation_id(PATH, None, 1), manifest=rotation().ref, attempt=1, policy="planned",
            phase=phase, base=None, began=world.clock.now(), entered=world.clock.now(), by="schedule",
            terms=Terms("orders-leases", "minted", ("orders",)), old=Holder("orders", old) if old else None,
            new=Holder("orders", lease), promoted=base, revision=known.revision if known else 0,
        )
    )  # fmt: skip


def leased(ttl: float = HOUR, longest: float = 24 * HOUR, *, renewable: bool = True) -> tuple[LeasedWorld, str]:
    """A path whose credential has a lease, its Rotation and a consumer."""
    world = LeasedWorld()
    world.wiring.put(rotation())
    world.wiring.put(external_secret("orders/database", {"password": f"{PATH.path}#password"}))
    lease = world.leases.issue("orders", ttl, longest, renewable=renewable)
    held(world, lease)
    return world, lease


def until_due(world: LeasedWorld, lease: str) -> None:
    """The lease is to be renewed now, and nobody knows yet."""
    found = world.leases.known(lease)
    assert found is not None
    world.clock.advance((found.due - world.clock.now() + timedelta(seconds=1)).total_seconds())
