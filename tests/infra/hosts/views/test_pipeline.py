from dataclasses import replace
from typing import Any

import pytest

from events.references import PathRef, Version
from functions._failures import Unavailable
from infra.hosts.views.pipeline import pipeline
from tests.fakes.world import external_secret, path, push_secret, secret
from tests.infra.hosts.views.scene import ENTRIES, PATH, SOURCE, TARGET, Scene, in_step, value


def test_in_step_with_its_versions_and_without_asking_the_authority() -> None:
    scene = in_step()
    state = scene.state()
    assert state.in_step
    assert (state.classification, state.origin, state.sources) == (
        "internal secret", "PushSecret platform-data/push", (SOURCE,),
    )  # fmt: skip
    assert state.version is not None
    assert [(each.target, each.version) for each in state.consumers] == [(TARGET, state.version)]
    assert scene.asked == []


def test_a_source_that_changed_is_told_before_any_event_of_it_came() -> None:
    scene = in_step()
    scene.world.secrets.put(SOURCE, {"password": value("2")})
    state = scene.state()
    assert not state.in_step
    assert state.wrong == "the source changed and is not published yet"
    assert all(each.in_step for each in state.consumers), "it still carries what is confirmed"


def test_suspended_is_told_beside_in_step_not_instead_of_it() -> None:
    scene = in_step()
    scene.world.suspensions.everything = "migration"
    state = scene.state()
    assert state.in_step
    assert (state.suspended, state.consumers[0].suspended) == ("migration", "migration")
    scene.world.source(SOURCE, {"password": value("2")})
    scene.world.settle()
    assert scene.state().wrong == "the source changed and is not published yet"


def test_a_consumer_behind_says_both_versions() -> None:
    scene = in_step()
    scene.world.suspensions.subjects[TARGET.subject] = "frozen"
    scene.world.source(SOURCE, {"password": value("2")})
    scene.world.settle()
    consumer = scene.state().consumers[0]
    assert consumer.wrong == "carries version 1, the authority holds 2"
    assert not scene.state().in_step


def test_what_access_denies_is_not_in_step_even_where_nothing_differs() -> None:
    scene = in_step()
    scene.world.access.denied_publish.add(("platform-data", str(PATH)))
    scene.world.access.denied_read.add(("temporal", str(PATH)))
    assert "does not let namespace platform-data publish" in scene.state().wrong
    assert "does not let namespace temporal read" in scene.state().consumers[0].wrong


def test_problems_of_the_wiring_come_first() -> None:
    scene = in_step()
    push, external = next(scene.world.wiring.push_secrets()), next(scene.world.wiring.external_secrets())
    scene.world.wiring.problems = {push.ref: "a circle", external.ref: "made twice"}
    assert (scene.state().wrong, scene.state().consumers[0].wrong) == ("a circle", "made twice")


def test_drift_and_foreign_targets() -> None:
    scene = in_step()
    scene.world.secrets.drift(TARGET, "password", value("theirs"))
    assert scene.state().consumers[0].wrong == "the target was changed by somebody else"
    scene.world.secrets.put(TARGET, {"password": value("theirs")})
    assert scene.state().consumers[0].wrong == "Secret temporal/postgres exists and is managed by somebody else"


def test_a_missing_source_is_named_though_it_is_not_there() -> None:
    scene = in_step()
    scene.world.secrets.remove(SOURCE)
    assert (scene.state().wrong, scene.state().sources) == ("no source Secret exists", (SOURCE,))


def test_nothing_published_yet() -> None:
    scene = Scene()
    scene.world.push(push_secret("push", str(SOURCE), ENTRIES))
    scene.world.external(external_secret(str(TARGET), extract=PATH.path))
    scene.world.secrets.put(SOURCE, {"password": value("1")})
    state = scene.state()
    assert (state.wrong, state.consumers[0].wrong) == ("not published yet", "nothing to materialize yet")


@pytest.mark.parametrize(
    ("spec", "follows"),
    [
        ({}, True),
        ({"refreshPolicy": "CreatedOnce"}, False),
        ({"refreshInterval": "0"}, False),
        ({"dataFrom": [{"extract": {"key": PATH.path, "version": "1"}}]}, False),
    ],
)
def test_who_does_not_follow_the_path_is_in_step_with_an_older_version(spec: dict[str, Any], follows: bool) -> None:
    scene = in_step()
    scene.world.unwire(next(scene.world.wiring.external_secrets()).ref)
    extract = "" if "dataFrom" in spec else PATH.path
    scene.world.external(external_secret(str(TARGET), extract=extract, **spec))
    scene.world.settle()
    confirmed = scene.world.publications.known[PATH]
    newer = Version(number=confirmed.version.number + 1, created=scene.world.clock.now())
    scene.world.publications.known[PATH] = replace(confirmed, version=newer)
    assert scene.state().consumers[0].in_step is not follows


def test_a_path_of_the_authority_itself_is_asked_for_and_failures_are_told() -> None:
    scene = Scene()
    own = path("platform-data/stripe/orders")
    scene.world.external(external_secret("orders/stripe", extract=own.path))
    assert scene.state(own).wrong == "nothing is at this path, and nothing here publishes it"
    scene.world.authority.foreign_write(own, {"token": value("t")})
    state = scene.state(own)
    assert (state.classification, state.origin, state.wrong) == ("external secret", "the authority", "")

    def sealed(of: PathRef) -> Version | None:
        raise Unavailable("authority", "it is sealed; unseal it")

    scene.newest = sealed
    assert scene.state(own).wrong == "it is sealed; unseal it"


def test_paths_that_a_search_found_are_listed_from_the_stamp() -> None:
    scene = Scene()
    found = path("platform-data/stripe/orders")
    scene.world.authority.foreign_write(found, {"token": value("t")})
    find = {"find": {"path": "platform-data/stripe", "name": {"regexp": "orders$"}}}
    scene.world.external(external_secret("orders/all", dataFrom=[find]))
    scene.world.settle()
    assert [state.path for state in pipeline(scene.lookups)] == [found]


def test_every_path_once_in_order_and_every_target_looked_at_once() -> None:
    scene = in_step()
    scene.world.push(push_secret("second", "platform-data/endpoint", {"host": "platform-config/postgres/main#host"}))
    scene.world.secrets.put(secret("platform-data/endpoint"), {"host": b"h"})
    scene.world.external(
        external_secret("a/both", {"host": "platform-config/postgres/main#host", "password": f"{PATH.path}#password"})
    )
    scene.world.settle()
    scene.world.secrets.calls.clear()
    states = list(pipeline(scene.lookups))
    assert [str(state.path) for state in states] == [
        "secret/platform-config/postgres/main", "secret/platform-data/postgres/temporal",
    ]  # fmt: skip
    assert states[0].classification == "internal configuration"
    assert scene.world.secrets.calls.count(("head", "a/both")) == 1


def test_a_write_that_was_refused_is_not_in_step_though_the_stamp_is() -> None:
    """As where only the type of the target differs, which no stamp and no metadata tells."""
    lookups = replace(in_step().lookups, refused=lambda ref: f"{ref.name}: Secret has another type")
    (state,) = pipeline(lookups)
    assert (state.in_step, state.wrong) == (False, "")
    assert "another type" in state.consumers[0].wrong
