"""A world with secrets that can leak: two rotated paths of the same value, a producer's, configuration."""

import hashlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from events.envelope import Received
from events.event import Event
from events.leak import LeakReported, TriageRequested
from events.references import PathRef, Version
from events.rotated import RotationCompleted, RotationRevoked
from events.rotation import Policy, RotationRequested
from functions._leaks import Leak, Trust
from functions._manifests.rotation import Rotation
from functions._ports import Claim, Publication, Settings
from functions._rotations import Holder, Phase, Record, Terms
from tests import chaos
from tests.fakes.world import Killed, World, external_secret, path, push_secret, secret

PROMETHEUS = "reporter:prometheus"
ORDERS, TWIN = path("platform-data/postgres/orders"), path("platform-data/postgres/twin")
PRODUCED = path("platform-data/redis/orders")
CONFIG = path("platform-config/postgres/orders")
CONSUMER = secret("orders/database")
OLD, NEW = "correct-horse-battery-1", "correct-horse-battery-2"


class LeakWorld(World):
    """Only the steps that answer leaks, and those that publish: rotation's own are told of, and not run."""

    STEPS = ("publish", "index", "triage", "contain")
    held = False  # nothing is delivered
    survives = False  # who is killed begins again

    def settle(self, limit: int = 2000) -> None:
        if self.held:
            return
        try:
            super().settle(limit)
        except Killed:
            if not self.survives:
                raise
            self.settle(limit)

    def say(self, event: Event, cause: Received | None = None, step: str = "", ordinal: int = 0) -> None:
        super().say(event, cause, step, ordinal)
        self.queue = deque(one for one in self.queue if one.step.name in self.STEPS)


def rotation(name: str, at: PathRef, response: str = "rotate", **leak: Any) -> Rotation:
    return Rotation.model_validate(
        {
            "apiVersion": "lockstep.dev/v1alpha1",
            "kind": "Rotation",
            "metadata": {"name": name, "namespace": "orders"},
            "spec": {
                "secretStoreRef": {"name": "vault-backend", "kind": "ClusterSecretStore"},
                "remoteKey": at.path,
                "target": {"name": "orders-postgres", "account": name},
                "strategy": "single",
                "leak": {"response": response, **leak},
            },
        }
    )


def leaking(*, trust: Trust = "rotate", response: str = "rotate", **settings: Any) -> LeakWorld:
    world = LeakWorld(settings=Settings(cluster="test", reporters={PROMETHEUS: trust}, **settings))
    world.wiring.put(rotation("orders", ORDERS, response))
    world.wiring.put(external_secret(str(CONSUMER), {"password": f"{ORDERS.path}#password"}))
    world.wiring.put(push_secret("cache", "orders/cache", {"password": f"{PRODUCED.path}#password"}))
    world.authority.foreign_write(ORDERS, {"username": "orders-application", "password": OLD})
    world.clock.advance(3600)
    return world


def indexed(world: LeakWorld) -> LeakWorld:
    world.tick("index")
    world.settle()
    return world


@contextmanager
def unsettled(world: LeakWorld) -> Iterator[None]:
    """What is said meanwhile is delivered afterwards, when the world is settled."""
    world.held = True
    try:
        yield
    finally:
        world.held = False


@contextmanager
def unindexed(world: LeakWorld) -> Iterator[None]:
    """Meanwhile, no round of the index is over."""
    world.index.endless = True
    try:
        yield
    finally:
        world.index.endless = False


def report(world: World, finding: str = "one", **members: Any) -> str:
    """Tell of a finding; its id."""
    leak = hashlib.sha256(finding.encode()).hexdigest()[:32]
    event = {
        "leak": leak, "reporter": PROMETHEUS, "via": "alertmanager", "noticed": world.clock.now(),
        "expires": world.clock.now() + timedelta(minutes=15), "reason": "an alert is firing", **members,
    }  # fmt: skip
    world.say(LeakReported.model_validate(event))
    world.settle()
    return leak


def order(world: World, leak: str, decision: str, **members: Any) -> None:
    world.say(
        TriageRequested.model_validate(
            {
                "leak": leak, "decision": decision, "by": "operator:1000", "reason": "seen",
                "expires": world.clock.now() + timedelta(minutes=15), **members,
            }
        )
    )  # fmt: skip
    world.settle()


def fingerprint(world: World, value: str) -> str:
    return world.fingerprints.one("leak", value.encode())


def record(world: World, leak: str) -> Leak:
    found = world.leaks.read(leak)
    assert found is not None
    return found


def version(world: World, at: PathRef = ORDERS) -> Version:
    head = world.authority.head(at)
    assert head is not None
    return head.version


def requested(world: World) -> dict[str, tuple[Policy, Version | None]]:
    """The rotations that triage asked for, by path."""
    found = (event for event in world.said if isinstance(event, RotationRequested) and event.by == "triage")
    return {str(one.path): (one.policy, one.base) for one in found}


def rotating(world: World, phase: Phase, base: Version, at: PathRef = ORDERS, attempt: int = 1) -> None:
    """As the steps of a rotation would have recorded it."""
    now = world.clock.now()
    known = world.rotations.read(at)
    made = Record(
        path=at, id="0" * 32, manifest=rotation("orders", at).ref, attempt=attempt, policy="leak", phase=phase,
        base=base, began=now, entered=now, by="triage", old=Holder("orders"),
        terms=Terms("orders-postgres", "single", ("orders",)),
        revision=known.revision if known else 0,
    )  # fmt: skip
    world.rotations.write(made)


def rotated(
    world: World, at: PathRef = ORDERS, value: str = NEW, *, beside: dict[str, str] | None = None,
    over: dict[str, str] | None = None,
) -> None:  # fmt: skip
    """A whole rotation, as its steps leave the authority and tell it.

    `beside`: what else the path holds; `over`: what somebody wrote over what was confirmed.
    """
    base = version(world, at)
    claim = world.claims.read(at)
    if claim is None:
        world.claims.create(
            Claim(
                path=at, owner="Rotation orders/orders", cluster="test", uid="", origin="rotation", epoch=1,
                state="active", properties=("password",),
            )
        )  # fmt: skip
    world.authority.foreign_write(at, {"username": "orders-application", "password": value, **(beside or {})})
    rotating(world, "completed", base, at)
    if over is not None:
        ref = rotation("orders", at).ref
        world.publications.record(Publication(path=at, version=version(world, at), manifest=ref, sources={}))
        world.authority.foreign_write(at, over)
    common = {
        "path": at, "rotation": "0" * 32, "manifest": rotation("orders", at).ref, "policy": "leak", "base": base,
    }  # fmt: skip
    world.say(RotationRevoked.model_validate({**common, "evidence": "materialized", "proof": "refused"}))
    world.say(RotationCompleted.model_validate({**common, "version": version(world, at)}))
    world.settle()


def carries(world: World, number: Version, at: PathRef = ORDERS) -> None:
    """The consumer's Secret gets this version."""
    world.secrets.put(CONSUMER, {"password": b"x"}, stamp={str(at): number})


def told(world: World, kind: type[Event]) -> list[Any]:
    """What was told, in order; under a chaotic broker, what is said again is the same fact."""
    found = world.events(kind)
    return found if chaos.seed() is None else [one for at, one in enumerate(found) if one not in found[:at]]
