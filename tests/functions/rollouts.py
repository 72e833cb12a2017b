"""A world with one Secret, its consumer's workloads, and hands on their controllers."""

from datetime import timedelta

from events.consumer import ConsumerAdopted, ConsumerStuck, WorkloadChanged, WorkloadRef
from events.references import SecretRef
from functions._marks import RESTART
from functions._ports import Settings
from functions._workloads import Use
from tests.fakes.workloads import workload_ref
from tests.fakes.world import World, external_secret, path, push_secret, secret

SOURCE = secret("postgres/credentials")
TARGET = secret("temporal/postgres")
PATH = path("platform-data/postgres/temporal")
APP = workload_ref("temporal/frontend")
ENV = frozenset({Use.ENVIRONMENT})
ASKED = {RESTART: "true"}


def wired(value: bytes = b"one", settings: Settings | None = None) -> World:
    """The Secret is materialized, ten minutes ago."""
    world = World(settings=settings or Settings(cluster="test"))
    world.push(push_secret("temporal", str(SOURCE), {"password": f"{PATH.path}#password"}))
    world.external(external_secret(str(TARGET), {"password": f"{PATH.path}#password"}))
    world.source(SOURCE, {"password": value})
    world.settle()
    world.clock.advance(600)
    return world


def running(world: World, ref: WorkloadRef = APP, uses: frozenset[Use] = ENV, **more: object) -> WorkloadRef:
    """The workload asked to be restarted, uses the Secret, and began a minute ago."""
    more.setdefault("annotations", ASKED)
    began = world.clock.now() - timedelta(minutes=1)
    world.workloads.put(ref, {TARGET.name: uses}, began=began, **more)  # type: ignore[arg-type]  # fields of a workload
    return ref


def changed(world: World, value: bytes, ref: SecretRef = SOURCE) -> None:
    world.source(ref, {"password": value})
    world.settle()


def complete(world: World, ref: WorkloadRef = APP) -> None:
    """Its controller is done, and a watch tells of it."""
    world.clock.advance(30)
    world.workloads.complete(ref, world.clock.now())
    workload = world.workloads.read(ref)
    world.say(WorkloadChanged(workload=ref, seen=workload.state if workload else "gone"))
    world.settle()


def tick(world: World, seconds: float = 60) -> None:
    """Time passes, and what is due is looked at."""
    world.clock.advance(seconds)
    world.tick("rollouts")
    world.settle()


def stuck(world: World) -> list[str]:
    """Why workloads are stuck: one for every fact that is not merely a repetition."""
    said = {(event.about.subject, event.state, event.reason) for event in world.events(ConsumerStuck)}  # type: ignore[attr-defined]  # by kind
    return sorted(reason for _, _, reason in said)


def versions(world: World, ref: WorkloadRef = APP) -> list[int]:
    """The versions that the workload is said to have adopted, in order, repetitions left out."""
    found: list[int] = []
    for event in world.events(ConsumerAdopted):
        assert isinstance(event, ConsumerAdopted)
        if event.workload == ref and (number := event.secrets[TARGET.name][str(PATH)].number) not in found[-1:]:
            found.append(number)
    return found
