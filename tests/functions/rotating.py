"""A path that is rotated, its consumers and its system, and what must hold of them at any moment."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from events.references import PathRef, SecretRef, Version
from events.rotated import RotationCompleted, RotationFailed
from events.rotation import AbortRequested, RotationRequested
from functions._orders import expiry
from functions._ports import Settings
from functions._rotations import ENDED, Record
from functions._values import SecretData
from tests.fakes.systems import FakeSystem, minting
from tests.fakes.world import Killed, World, external_secret, path, rotation, rotation_target, secret
from tests.functions.fuses import documents

PATH = path("runtime/orders/database")
TARGET = secret("orders/database")
OTHER = secret("reports/database")
STRATEGIES = ("single", "alternating", "dual", "minted")
PLAIN = ("single", "alternating", "dual")
FIRST = b"first-value-of-all"


def seal(world: World, sealed: bool) -> None:
    for fake in documents(world):
        fake.sealed = sealed  # type: ignore[attr-defined]  # every fake has it


def rotating(strategy: str = "single", *, settings: Settings | None = None, **spec: Any) -> World:
    """A path with its first value, which works at the target, and two consumers that carry it."""
    world = World(settings=settings or Settings(cluster="test"))
    system = world.declare(rotation_target(limits={"concurrent": 4}))
    first: dict[str, bytes] = {"host": b"orders-db", "username": b"app", "password": FIRST}
    if strategy == "minted":
        minting(system)
        first = {"key": b"key-0", "secret": FIRST}
        system.open_account("app", FIRST, made="key-0")
    elif strategy == "alternating":
        first["username"] = b"app_a"
        system.open_account("app_a", FIRST)
        system.open_account("app_b", b"nobody-knows")
    else:
        system.open_account("app", FIRST)
    world.authority.foreign_write(PATH, first)
    for ref in (TARGET, OTHER):
        world.external(external_secret(str(ref), extract=PATH.path))
    world.rotate(rotation("orders/database", PATH.path, strategy=strategy, **spec))
    world.settle()
    assert world.target(TARGET) is not None
    return world


@contextmanager
def unseen(world: World) -> Iterator[None]:
    """Look at the authority without a trace, and without dying of it."""
    hooks = world.authority.before, world.authority.after, world.authority.sealed
    world.authority.before = world.authority.after = lambda *_: None
    world.authority.sealed = False
    try:
        yield
    finally:
        world.authority.before, world.authority.after, world.authority.sealed = hooks


def newest(world: World, at: PathRef = PATH) -> Version | None:
    with unseen(world):
        head = world.authority.head(at)
    return head.version if head is not None else None


def ask(world: World, policy: str = "planned", *, attempt: int = 1, at: PathRef = PATH, **fields: object) -> None:
    """Somebody orders a rotation away from what is newest."""
    order = {
        "path": at, "policy": policy, "base": newest(world, at), "attempt": attempt, "by": "uid:1000",
        "expires": expiry(world.ports), "reason": "test", **fields,
    }  # fmt: skip
    world.say(RotationRequested.model_validate(order))


def to_the_end(world: World) -> None:
    """Deliver until nothing is left, whatever dies meanwhile."""
    while True:
        try:
            world.settle()
        except Killed:
            continue
        return


def tick(world: World, seconds: float = 60, times: int = 1) -> None:
    for _ in range(times):
        world.clock.advance(seconds)
        world.tick("rotations")
        to_the_end(world)


def until(world: World, phase: str) -> None:
    """Deliver until the record is in a phase."""
    while world.rotations.known(PATH) is None or record(world).phase != phase:
        world.deliver(world.queue.popleft())


def abort(world: World) -> None:
    at = record(world)
    world.say(AbortRequested(path=PATH, rotation=at.id, by="uid:1", expires=expiry(world.ports), reason="test"))


def record(world: World, at: PathRef = PATH) -> Record:
    known = world.rotations.known(at)
    assert known is not None
    return known


def system_of(world: World) -> FakeSystem:
    return world.systems.systems["orders"]


def login(world: World, data: SecretData | dict[str, bytes] | None) -> bool:
    """Whether somebody can log in with what a path or a Secret holds."""
    system = system_of(world)
    if not data:
        return False
    raw = {key: value if isinstance(value, bytes) else value.reveal() for key, value in data.items()}
    account = raw.get("username", b"app").decode()
    value = raw.get("secret" if system.mints else "password")
    return value is not None and system.lets_in(account, value)


def live(world: World) -> dict[str, bytes] | None:
    """What the path holds, read without a trace."""
    with unseen(world):
        return world.path(PATH)


def works_somewhere(world: World, strategy: str) -> bool:
    """Whether a credential that the authority knows lets somebody in: the one that consumers have or are about to get;
    for single, the staged one too."""
    confirmed = world.publications.known.get(PATH)
    with unseen(world):
        stored = world.authority.read(PATH, confirmed.version) if confirmed is not None else None
    if login(world, live(world)) or login(world, stored.data if stored is not None else None):
        return True
    staged = world.pending.known(PATH)
    return strategy == "single" and staged is not None and login(world, staged.data)


def finished(world: World, *, values: int = 1, old: bytes = FIRST, account: str = "") -> None:
    """A rotation that came to its end, as every one should."""
    done = record(world)
    assert (done.phase, done.told) == ("completed", True), done
    assert world.dead == []
    assert login(world, live(world))
    for ref in (TARGET, OTHER):
        assert world.target(ref) == live(world)
    before = account or ("app_a" if "app_b" in system_of(world).accounts else "app")
    assert not system_of(world).lets_in(before, old), "the old credential still works"
    assert len(staged_values(world)) <= values
    settled(world)
    assert world.events(RotationCompleted)


def staged_values(world: World) -> set[bytes]:
    """Every secret that was ever staged: what was drawn and never kept is nobody's."""
    name = "secret" if system_of(world).mints else "password"
    return {one.data[name].reveal() for one in world.pending.history}


def settled(world: World) -> None:
    """Nothing staged, no slot held, nobody in line."""
    assert world.pending.known(PATH) is None
    assert slots(world) == []


def slots(world: World) -> list[str]:
    """The paths of those who hold a slot or wait for one."""
    pools = [budget for pool, budget in world.budgets.pools.items() if not pool.startswith("breaker.")]
    return [name.split(":", 1)[-1] for budget in pools for name in (*budget.holders, *budget.waiting)]


def failures(world: World) -> list[tuple[str, str, bool]]:
    """What was told of failures, in order; what was said again is the same fact."""
    said = [one for one in world.events(RotationFailed) if isinstance(one, RotationFailed)]
    return list(dict.fromkeys((one.step, one.reason, one.ended) for one in said))


def ended(world: World) -> bool:
    return record(world).phase in ENDED


Phase = Callable[[World], None]
References = tuple[SecretRef, ...]
