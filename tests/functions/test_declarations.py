"""What steps declare is what they do: no more (least privilege), no less (the host withholds the rest)."""

import ast
import importlib
import inspect
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import functions
from events.catalogue import EVENTS
from events.claim import ClaimRequested
from events.consumer import WorkloadChanged
from events.event import Category
from events.orders import MaterializeRequested, PublishRequested
from events.references import ManifestRef
from events.rotation import RotationRequested
from events.secret import SecretDrifted
from functions import BY_NAME, NAMES, STEPS, _leaks, _leases, _ports, _rotations, _systems, _workloads
from functions._capability import Capability
from functions._marks import RESTART
from functions._ports import Claim, Ports
from functions._rotations import Holder
from functions._step import Step
from functions._workloads import Use
from infra.hosts.withheld import NEEDED_BY
from tests.fakes.granting import CALLS, Used, granted_ports
from tests.fakes.systems import FakeSystem, minting
from tests.fakes.workloads import workload_ref
from tests.fakes.world import (
    Delivery,
    World,
    external_secret,
    path,
    push_secret,
    rotation,
    rotation_target,
    secret,
)
from tests.functions import leaking, leased

SOURCE, TARGET, PATH = secret("postgres/credentials"), secret("temporal/postgres"), path("platform-data/postgres/all")


class Held(World):
    """A world in which every step has only what it declares."""

    def __init__(self, used: Used) -> None:
        super().__init__()
        self._shared = self.ports
        self._used = used

    def deliver(self, delivery: Delivery) -> None:
        self.ports: Ports = granted_ports(delivery.step, self._shared, self._used)
        super().deliver(delivery)


# --- stories that together make every step do all that it does -----------------------------------------------------


def wired(used: Used, target: dict[str, object] | None = None) -> Held:
    world = Held(used)
    world.push(push_secret("all", str(SOURCE), {"a": f"{PATH.path}#a", "b": f"{PATH.path}#b"}, deletion="Delete"))
    world.push(push_secret("stays", "redis/credentials", {"p": "platform-data/redis/all#p"}))
    world.external(external_secret(str(TARGET), {"a": f"{PATH.path}#a"}, target=target))
    world.source(SOURCE, {"a": b"1", "b": b"2"})
    world.settle()
    assert world.target(TARGET) == {"a": b"1"}
    return world


def overdue(world: World) -> None:
    """Grace is over, and the sweep comes by, twice."""
    for _ in range(2):
        world.clock.advance(3601)
        world.tick()
        world.settle()


def changed_and_swept(used: Used) -> None:
    world = wired(used)
    world.secrets.put(SOURCE, {"a": b"3", "b": b"2"})
    world.tick()
    world.settle()
    assert world.target(TARGET) == {"a": b"3"}
    world.secrets.drift(TARGET, "a", b"other")
    world.say(SecretDrifted(secret=TARGET, seen="x"))
    world.settle()
    assert world.target(TARGET) == {"a": b"3"}


def found_by_expression(used: Used) -> None:
    world = wired(used)
    find = {"find": {"path": "platform-data", "name": {"regexp": "all$"}}}
    world.external(external_secret("orders/everything", dataFrom=[find]))
    world.settle()
    world.tick()
    world.settle()
    assert world.target(secret("orders/everything"))


def found_and_unfed(used: Used) -> None:
    world = wired(used)
    lonely = path("people/one")
    world.authority.foreign_write(lonely, {"x": "y"})
    find = {"find": {"path": "people"}, "rewrite": [{"regexp": {"source": ".*_", "target": ""}}]}
    world.external(external_secret("orders/people", target={"deletionPolicy": "Delete"}, dataFrom=[find]))
    world.settle()
    world.authority.delete(lonely, (1,))
    world.tick()
    world.settle()
    overdue(world)
    assert world.target(secret("orders/people")) is None


def unwired(used: Used) -> None:
    world = wired(used)
    for ref in (*world.wiring.pushes, *world.wiring.externals):
        if ref.name != "stays":
            world.unwire(ref)
    world.settle()
    overdue(world)
    assert world.path(PATH) is None
    assert world.target(TARGET) is None


def renamed_target(used: Used) -> None:
    world = wired(used)
    world.external(external_secret(str(TARGET), {"a": f"{PATH.path}#a"}, target={"name": "other"}))
    world.settle()
    overdue(world)
    assert world.target(TARGET) is None
    assert world.target(secret("temporal/other")) == {"a": b"1"}


def source_gone_and_consumer_unfed(used: Used) -> None:
    world = wired(used, target={"deletionPolicy": "Delete"})
    world.source_removed(SOURCE)
    world.settle()
    overdue(world)
    overdue(world)
    assert world.path(PATH) is None


def property_dropped(used: Used) -> None:
    world = wired(used)
    world.push(push_secret("all", str(SOURCE), {"a": f"{PATH.path}#a"}, deletion="Delete"))
    world.settle()
    overdue(world)
    assert world.path(PATH) == {"a": b"1"}


def taken_over(used: Used) -> None:
    world = wired(used)
    world.wiring.remove(ManifestRef(kind="PushSecret", namespace="postgres", name="all"))
    ref = world.push(push_secret("new", str(SOURCE), {"a": f"{PATH.path}#a", "b": f"{PATH.path}#b"}))
    world.settle()
    world.say(
        ClaimRequested(
            path=PATH, claimant=ref, epoch=1, by="operator:1000", reason="test",
            expires=world.clock.now().replace(year=2027),
        )
    )  # fmt: skip
    world.settle()
    claim = world.claims.read(PATH)
    assert claim is not None
    assert claim.owner == str(ref)


def restarted_and_followed(used: Used) -> None:
    world = wired(used)
    refs = [workload_ref(f"temporal/{name}") for name in ("a", "b", "c", "d")]
    for ref in refs:
        began = world.clock.now() - timedelta(hours=1)
        world.workloads.put(ref, {TARGET.name: frozenset(Use)}, annotations={RESTART: "true"}, began=began)
    world.clock.advance(60)
    world.source(SOURCE, {"a": b"3", "b": b"2"})
    for _ in range(4):
        world.settle()
        world.clock.advance(301)
        for ref in refs:
            world.workloads.complete(ref, world.clock.now())
        world.tick("rollouts")
    world.settle()
    assert [len(world.workloads.restarts(ref)) for ref in refs] == [1] * 4
    world.workloads.remove(refs[0])
    world.say(WorkloadChanged(workload=refs[0], seen="gone"))
    world.settle()
    assert refs[0] not in world.rollouts.refs()


def anchored(used: Used) -> None:
    world = wired(used)
    world.tick("anchor")
    world.settle()
    assert world.ledger.anchored >= 1  # once for each delivery


def leased_and_abandoned(used: Used) -> None:
    world = wired(used)
    world.wiring.put(leased.rotation())
    world.external(external_secret("orders/database", {"password": f"{leased.PATH.path}#password"}))
    lease = world.leases.issue("orders", 7200, 7200)
    leased.held(world, lease)
    world.clock.advance(4800)
    world.tick()
    world.settle()
    assert world.leases.count("renew") == 1
    world.wiring.remove(leased.rotation().ref)
    lease = world.leases.issue("orders", 90_000, 90_000)
    leased.held(world, lease)
    world.tick()
    world.settle()
    overdue(world)
    assert world.leases.known(lease) is None


def leaked_and_contained(used: Used) -> None:
    """A producer's secret and one that a lease gave are reported, answered for, and do not come back."""
    world = wired(used)
    dynamic, other = path("platform-data/postgres/dynamic"), path("people/one")
    world.wiring.put(leaking.rotation("dynamic", dynamic))
    world.external(external_secret("orders/people", dataFrom=[{"find": {"path": "people"}}]))
    old, new = b"correct-horse-battery-1", b"correct-horse-battery-2"
    world.authority.foreign_write(dynamic, {"password": old.decode()})
    world.authority.foreign_write(other, {"password": "nobody-reports-this-1"})
    world.source(SOURCE, {"a": old, "b": b"2"})
    world.settle()
    leaking.rotating(world, "completed", leaking.version(world, dynamic), dynamic)
    known = world.rotations.read(dynamic)
    assert known is not None
    lease = Holder("orders", id=world.leases.issue("orders", 60.0, 60.0))
    world.rotations.write(replace(known, old=lease))
    printed = leaking.fingerprint(world, old.decode())
    leak = leaking.report(world, reporter="operator:1000", fingerprint=printed)
    leaking.order(world, leak, "attest")
    world.authority.foreign_write(dynamic, {"password": new.decode()})
    leaking.report(world, "newest", reporter="operator:1000", path=dynamic)
    world.source(SOURCE, {"a": new, "b": b"2"})
    for _ in range(3):
        world.settle()
        world.clock.advance(130)
        world.tick("rotations")
    world.settle()
    world.source(SOURCE, {"a": old, "b": b"2"})
    world.settle()
    leaking.report(world, "nothing", reporter="operator:1000", path=path("people/nobody"))
    world.clock.advance(9 * 86_400)
    world.tick("rotations")
    world.settle()


def rotated_and_given_up(used: Used) -> None:
    """A planned rotation with everything in its way, and one that fails and is taken back."""
    world = wired(used)
    system = world.declare(rotation_target(), FakeSystem("orders", world.clock.now))
    system.open_account("app_a", b"first")
    at = path("runtime/orders/database")
    world.authority.foreign_write(at, {"username": "app_a", "password": "first"})
    known = world.fingerprints.one("revoked", b"what-was-here-before")
    world.claims.seed(Claim(at, "PushSecret orders/former", "test", "u", "producer", 1, "released", revoked=(known,)))
    world.external(external_secret("orders/database", extract=at.path))
    hourly = {"interval": "1h"}
    world.rotate(rotation("orders/database", at.path, strategy="alternating", evidence="rolled-out", schedule=hourly))
    uses = {"database": frozenset({Use.ENVIRONMENT})}
    app = workload_ref("orders/app")
    world.workloads.put(app, uses, annotations={RESTART: "true"}, began=world.clock.now() - timedelta(hours=1))
    system.down = True
    world.clock.advance(4000)
    world.tick()
    world.settle()
    system.down = False
    for _ in range(3):
        world.clock.advance(700)
        world.workloads.complete(app, world.clock.now())
        for schedule in ("rollouts", "rotations"):
            world.tick(schedule)
            world.settle()
    assert [one.phase for one in world.rotations.history][-1] == "completed"
    assert not system.lets_in("app_a", b"first")
    system.refuses = lambda value: True
    world.clock.advance(4000)
    world.tick()
    world.settle()
    assert world.rotations.history[-1].phase == "failed"


def minted_and_not_accepted(used: Used) -> None:
    world = wired(used)
    system = minting(world.declare(rotation_target(), FakeSystem("orders", world.clock.now)))
    system.open_account("app", b"first", made="key-0")
    at = path("runtime/orders/key")
    world.authority.foreign_write(at, {"key": "key-0", "secret": "first"})
    ref = world.rotate(rotation("orders/key", at.path, strategy="minted", maximumAge="1h"))
    system.rejects.add("app")
    world.clock.advance(4000)
    world.tick()
    world.settle()
    assert world.rotations.history[-1].phase == "failed"
    assert system.accepted("app") == (b"first",)
    assert world.wiring.rotation(ref) is not None


def leaked_and_revoked_first(used: Used) -> None:
    world = wired(used)
    system = world.declare(rotation_target(), FakeSystem("orders", world.clock.now))
    system.open_account("app", b"first")
    at = path("runtime/orders/leaked")
    version = world.authority.foreign_write(at, {"username": "app", "password": "first"})
    world.rotate(rotation("orders/leaked", at.path, leak={"response": "revoke-first"}))
    world.say(
        RotationRequested(
            path=at, policy="leak", base=version, by="operator:1000", reason="test",
            expires=world.clock.now().replace(year=2027),
        )
    )  # fmt: skip
    world.settle()
    assert world.rotations.history[-1].revoked_first
    assert not system.lets_in("app", b"first")


STORIES: tuple[Callable[[Used], None], ...] = (
    changed_and_swept, found_by_expression, found_and_unfed, unwired, renamed_target, source_gone_and_consumer_unfed,
    property_dropped, taken_over, restarted_and_followed, anchored, leased_and_abandoned, rotated_and_given_up,
    minted_and_not_accepted, leaked_and_revoked_first,
    leaked_and_contained,
)  # fmt: skip


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_no_step_does_what_it_does_not_declare(story: Callable[[Used], None]) -> None:
    story({})


def test_no_step_declares_what_it_never_does() -> None:
    used: Used = {}
    for story in STORIES:
        story(used)
    assert {step.name: step.needs - used.get(step.name, set()) for step in STEPS} == {
        name: frozenset() for name in NAMES
    }


# --- the table -------------------------------------------------------------------------------------------------------


def test_the_table_of_contents_names_every_module() -> None:
    folder = Path(functions.__file__).parent
    assert sorted(NAMES) == sorted(file.stem for file in folder.glob("[a-z]*.py"))
    assert [step.name for step in STEPS] == list(NAMES)
    assert {name: step for name, step in BY_NAME.items() if step.name == name} == BY_NAME
    assert functions.step("publish") is BY_NAME["publish"]


def test_nothing_else_is_in_the_package() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = functions.nonsense


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_declaration_is_whole(step: Step) -> None:
    assert step.does.endswith(".")
    assert step.consumes
    assert set(step.consumes) | set(step.emits) <= set(EVENTS)
    assert len(set(step.emits)) == len(step.emits)
    module = importlib.import_module(f"functions.{step.name}")
    assert step.handle is module.handle
    assert (module.__doc__ or "").startswith(f"{step.name}: ")


def test_whatever_is_ordered_or_reported_reaches_a_step_and_whatever_a_step_says_is_known() -> None:
    consumed = {event for step in STEPS for event in step.consumes}
    emitted = {event for step in STEPS for event in step.emits}
    for event in EVENTS:
        if event.CATEGORY is not Category.FACT:
            assert event in consumed, f"nobody reacts to {event.TYPE}"
    assert {PublishRequested, MaterializeRequested} <= emitted


def test_promises_of_the_design() -> None:
    """Only publish and retract may write values; no step but publish and retract claims; the sweep reads no value."""
    able = {capability: {step.name for step in STEPS if capability in step.needs} for capability in Capability}
    assert able[Capability.AUTHORITY_WRITE] == {"publish", "retract"}
    # create claims for rotations; contain remembers in a claim what was revoked
    assert able[Capability.CLAIM_WRITE] == {"publish", "retract", "create", "contain"}
    assert able[Capability.LEAK_WRITE] == {"triage", "contain"}
    assert able[Capability.LEAK_REMOVE] == {"triage"}
    # who could both make fingerprints of leaks and look them up could try guesses: the index's writer alone
    assert able[Capability.FINGERPRINT_LEAK] == {"index"}
    assert Capability.AUTHORITY_READ not in BY_NAME["triage"].needs, "values"
    assert able[Capability.AUTHORITY_DELETE] == able[Capability.TARGET_DELETE] == {"retract"}
    assert able[Capability.TARGET_WRITE] == {"materialize"}
    assert able[Capability.SOURCE_READ] == {"publish"}
    assert able[Capability.LEDGER_WRITE] == {"record"}
    assert able[Capability.WORKLOAD_WRITE] == {"restart"}
    assert able[Capability.ROTATED_WRITE] == {"promote"}
    assert able[Capability.PROOF_WRITE] == {"verify"}
    assert able[Capability.SYSTEM_APPLY] == {"apply"}
    assert Capability.SYSTEM_REVOKE not in BY_NAME["create"].needs | BY_NAME["apply"].needs | BY_NAME["verify"].needs
    assert not BY_NAME["promote"].needs & {Capability.SYSTEM_LOGIN, Capability.SYSTEM_APPLY, Capability.SYSTEM_REVOKE}
    for name in ("restart", "adopted"):
        needs = BY_NAME[name].needs
        assert not needs & {Capability.TARGET_READ, Capability.TARGET_WRITE, Capability.AUTHORITY_READ}, "values"
    assert not BY_NAME["sweep"].needs & {Capability.AUTHORITY_READ, Capability.SOURCE_READ, Capability.TARGET_READ}
    assert not any("rotation" in event.TYPE for event in BY_NAME["publish"].consumes)


PORTS = (_leaks, _leases, _ports, _rotations, _systems, _workloads)  # where their Protocols are


def test_every_call_of_a_port_has_its_capability() -> None:
    """The table that the stories are held to covers the ports, and the host's withholding covers the table."""
    protocols = {name: one for module in PORTS for name, one in vars(module).items()}
    hints = inspect.get_annotations(Ports, globals=protocols, eval_str=True)
    for port, capabilities in NEEDED_BY.items():
        methods = {name for name in vars(hints[port]) if not name.startswith("_")}
        assert methods == {name for known, name in CALLS if known == port}
        assert capabilities == {one for (known, _), allowing in CALLS.items() if known == port for one in allowing}


@pytest.mark.parametrize("name", NAMES)
def test_a_step_imports_no_other(name: str) -> None:
    tree = ast.parse(Path(functions.__file__).with_name(f"{name}.py").read_text())
    assert not _modules(tree) & {f"functions.{other}" for other in NAMES}


def _modules(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return found
