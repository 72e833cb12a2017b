from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from events.event import Event
from events.references import PathRef, Version
from functions._failures import Unavailable
from infra.hosts.views.changes import Blocked
from infra.hosts.views.explaining import Explainer, Setting
from infra.hosts.views.hops import Hop, Way
from infra.hosts.views.pipeline import ConsumerState, PathState
from infra.hosts.views.place import Place
from infra.hosts.views.rehearsal import Rehearsal
from infra.hosts.views.trouble import Trouble
from tests.fakes.world import external_secret, path, push_secret
from tests.infra.hosts.views.scene import ENTRIES, PATH, SOURCE, TARGET, Scene, in_step, value


@dataclass
class Told:
    """Troubles that a test makes up."""

    path: Trouble | None = None
    consumer: Trouble | None = None
    calls: list[str] = field(default_factory=list)

    def of_path(self, state: PathState) -> Trouble | None:
        return self.path

    def of_consumer(self, path: PathRef, consumer: ConsumerState) -> Trouble | None:
        return self.consumer


def explained(scene: Scene, troubles: Told | None = None, authority: str = "", of: PathRef = PATH) -> Way:
    def rehearse(event: Event) -> tuple[Blocked, ...]:
        assert not authority, "nothing is rehearsed against an authority that does not serve"
        rehearsal = Rehearsal(lambda _: scene.world.ports)
        rehearsal.tell(event)
        return tuple(rehearsal.blocked)

    setting = Setting(
        place=Place(Path("/srv/root")), authority=authority, revive=("unseal it",),
        expires=scene.world.clock.now() + timedelta(hours=1), where=lambda ref: (f"wiring/{ref.name}.yaml", 7),
    )  # fmt: skip
    state = scene.state(of)
    return Explainer(scene.lookups, troubles or Told(), setting, rehearse).explain(state, state.consumers)


def states(way: Way) -> list[tuple[str, str]]:
    hops = [*way.hops, *(hop for branch in way.branches for hop in branch.hops)]
    return [(hop.name, hop.state) for hop in hops]


def broken(way: Way) -> Hop:
    hop = way.first_broken()
    assert hop is not None
    return hop


def test_all_ok() -> None:
    way = explained(in_step())
    assert states(way) == [
        ("source", "ok"), ("publish", "ok"), ("authority", "ok"), ("materialize", "ok"), ("consumer", "ok"),
    ]  # fmt: skip
    assert way.first_broken() is None


def test_a_missing_source() -> None:
    scene = in_step()
    scene.world.secrets.remove(SOURCE)
    hop = broken(explained(scene))
    assert (hop.name, hop.says) == ("source", "no source Secret exists")
    assert hop.mend[0] == f"create /srv/root/namespaces/{SOURCE}/<key>"


def test_a_missing_key_is_told_by_the_step_itself() -> None:
    scene = in_step()
    scene.world.secrets.put(SOURCE, {"user": value("1")})
    hop = broken(explained(scene))
    assert (hop.name, hop.says) == ("publish", "no source Secret has key 'password'; add it there or correct spec.data")
    assert "wiring/push.yaml:7" in hop.mend[0]
    assert hop.mend[1] == f"lockstep reconcile {PATH}"


def test_denied_publishing_and_reading_name_the_line_of_the_policy() -> None:
    scene = in_step()
    scene.world.access.denied_read.add(("temporal", str(PATH)))
    hop = broken(explained(scene))
    assert hop.name == "materialize"
    assert hop.mend == (f"name it in /srv/root/access.yaml: spec.namespaces.temporal.read: [{PATH}]",)
    scene.world.access.denied_publish.add(("platform-data", str(PATH)))
    hop = broken(explained(scene))
    assert hop.name == "publish"
    assert hop.mend == (f"name it in /srv/root/access.yaml: spec.namespaces.platform-data.publish: [{PATH}]",)


def test_an_unclaimed_path_leads_to_adopt() -> None:
    scene = Scene()
    scene.world.push(push_secret("push", str(SOURCE), ENTRIES))
    scene.world.secrets.put(SOURCE, {"password": value("1")})
    scene.world.authority.foreign_write(PATH, {"password": value("theirs")})
    hop = broken(explained(scene))
    assert (hop.name, hop.mend) == ("publish", (f"lockstep adopt {PATH} --by platform-data/push --dry-run",))


def test_a_problem_of_the_wiring_names_the_manifest() -> None:
    scene = in_step()
    scene.world.wiring.problems = {next(scene.world.wiring.push_secrets()).ref: "is part of a circle"}
    hop = broken(explained(scene))
    assert (hop.name, hop.says) == ("publish", "is part of a circle")
    assert hop.mend == ("correct wiring/push.yaml:7; it is read again when it is saved",)


@pytest.mark.parametrize("changed", [False, True])
def test_an_authority_that_does_not_serve_is_the_first_broken_hop(changed: bool) -> None:
    scene = in_step()
    if changed:
        scene.world.secrets.put(SOURCE, {"password": value("2")})
    way = explained(scene, authority="it is sealed; unseal it")
    hop = broken(way)
    assert (hop.name, hop.says, hop.mend) == ("authority", "it is sealed; unseal it", ("unseal it",))
    assert ("publish", "waiting" if changed else "ok") in states(way)


def test_suspended_leads_to_resume_of_the_scope() -> None:
    scene = in_step()
    scene.world.suspensions.everything = "migration (scope platform-data)"
    assert explained(scene).first_broken() is None, "nothing is out of step yet"
    scene.world.secrets.put(SOURCE, {"password": value("2")})
    hop = broken(explained(scene))
    assert (hop.name, hop.mend) == ("publish", ("lockstep resume platform-data",))


def test_a_foreign_version_is_named() -> None:
    scene = in_step()
    scene.world.authority.foreign_write(PATH, {"password": value("theirs")})
    hop = broken(explained(scene))
    assert (hop.name, "version 2 was not confirmed by its origin" in hop.says) == ("authority", True)
    assert hop.mend == (f"lockstep reconcile {PATH}",)


def test_nothing_at_a_path_that_nobody_publishes() -> None:
    scene = Scene()
    own = path("platform-data/stripe/orders")
    scene.world.external(external_secret("orders/stripe", extract=own.path))
    way = explained(scene, of=own)
    assert states(way)[0] == ("authority", "broken")
    assert broken(way).mend[0] == "write it: bao kv put -mount=secret platform-data/stripe/orders <key>=-"


def test_a_consumer_that_waits_for_another_path_points_there() -> None:
    scene = Scene()
    other = path("platform-config/postgres/main")
    scene.world.push(push_secret("push", str(SOURCE), ENTRIES))
    scene.world.external(
        external_secret(str(TARGET), {"password": f"{PATH.path}#password", "host": f"{other.path}#host"})
    )
    scene.world.source(SOURCE, {"password": value("1")})
    scene.world.settle()
    hop = broken(explained(scene))
    assert (hop.name, hop.state, hop.mend) == ("materialize", "waiting", (f"lockstep explain {other}",))


def test_what_only_the_broker_knows_is_told_with_its_retry() -> None:
    scene = in_step()
    scene.world.suspensions.subjects[TARGET.subject] = "frozen"
    scene.world.source(SOURCE, {"password": value("2")})
    scene.world.settle()
    scene.world.suspensions.subjects.clear()
    reason = f"{TARGET}: cannot write it: the file system is read-only: mount it writable"
    retried = Trouble(7, "materialize", "retried", reason, attempts=3, next_attempt=scene.world.clock.now())
    hop = broken(explained(scene, Told(consumer=retried)))
    assert (hop.name, hop.state, hop.trouble) == ("materialize", "broken", retried)
    assert reason in hop.says
    dead = Trouble(7, "materialize", "dead letter", reason, attempts=11, dead_letter=4)
    hop = broken(explained(scene, Told(consumer=dead)))
    assert hop.mend == ("lockstep dead-letters replay 4",)


def test_under_way_is_no_fault_and_nothing_under_way_offers_reconcile() -> None:
    scene = in_step()
    scene.world.secrets.put(SOURCE, {"password": value("2")})
    hop = broken(explained(scene, Told(path=Trouble(9, "publish", "pending"))))
    assert (hop.name, hop.state, hop.mend) == ("publish", "waiting", ())
    hop = broken(explained(scene))
    assert (hop.name, hop.state) == ("publish", "waiting")
    assert hop.mend == (f"lockstep reconcile {PATH}",)


def test_an_authority_that_fails_for_this_path_only() -> None:
    scene = in_step()

    def denied(of: PathRef) -> Version | None:
        raise Unavailable("authority", "permission denied")

    scene.newest = denied
    assert (broken(explained(scene)).name, broken(explained(scene)).mend) == ("authority", ("lockstep check",))
