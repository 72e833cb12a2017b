from datetime import timedelta
from typing import Any

from events.references import ManifestRef
from infra.hosts.control.diffing import differences
from infra.hosts.views.choice import Choice, named, wired
from infra.hosts.views.hindrances import Hindrance
from tests.fakes.world import external_secret
from tests.infra.hosts.views.scene import SOURCE, TARGET, Scene, in_step, value

PULL = ManifestRef(kind="ExternalSecret", namespace="temporal", name="postgres")


def blocked(scene: Scene, choice: Choice | None = None) -> Any:
    found = differences(
        lambda _: scene.world.ports, choice or wired(None, scene.lookups), scene.state, timedelta(minutes=5),
        everything=False,
    )  # fmt: skip
    return [(one["step"], one["about"], one["kind"], one["reason"]) for one in found["blocked"]]


def test_nothing_is_in_the_way_of_what_is_in_step() -> None:
    assert blocked(in_step()) == []


def test_what_would_change_is_not_said_to_wait() -> None:
    scene = in_step()
    scene.world.source(SOURCE, {"password": value("2")})
    assert not scene.state().in_step
    assert blocked(scene) == []


def test_a_path_that_nobody_publishes_keeps_its_consumer_waiting() -> None:
    scene = in_step()
    scene.world.external(external_secret("temporal/other", extract="platform-data/postgres/tempral"))
    dangling = "paths/secret/platform-data/postgres/tempral"
    expected = [("materialize", dangling, "waiting", "nothing is at this path, and nothing here publishes it")]
    assert blocked(scene) == expected
    assert blocked(scene, named(("temporal/other",), None, scene.lookups)) == expected
    assert blocked(scene, named((str(TARGET),), None, scene.lookups)) == []


def test_a_source_that_is_not_there() -> None:
    scene = in_step()
    scene.world.secrets.remove(SOURCE)
    assert ("publish", "waiting", "no source Secret exists") in [(one[0], *one[2:]) for one in blocked(scene)]


def test_what_came_in_step_meanwhile_is_not_told() -> None:
    scene = in_step()
    scene.world.source(SOURCE, {"password": value("2")})
    before = wired(None, scene.lookups)
    scene.world.settle()
    assert not before.states()[0].in_step
    assert blocked(scene, before) == []


def test_what_hinders_is_told() -> None:
    hindrance = Hindrance(PULL, "wiring/temporal.yaml", 9, "former", "spec.datafrom is no field")
    assert blocked(in_step(), Choice((), (hindrance,))) == [
        ("wiring", PULL.subject, "former", "wiring/temporal.yaml:9: spec.datafrom is no field")
    ]
