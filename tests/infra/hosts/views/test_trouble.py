from collections.abc import Iterator
from pathlib import Path

import pytest

from events.envelope import issue
from events.event import Event
from events.orders import PublishRequested
from events.secret import SecretConflicted, SecretPublished
from infra.broker.broker import Broker
from infra.broker.principal import Principal
from infra.broker.subscriber import Answer
from infra.hosts.views.trouble import Troubles
from tests.infra.broker.kit import DONE, Scripted, outcomes, running, trigger, until
from tests.infra.hosts.views.scene import PATH, Scene, in_step

PUBLISH = Principal("step", "publish")
OPERATOR = Principal("operator", "0")
REFUSED = Answer(422, reason="no source Secret has key 'password'")
BUSY = Answer(503, reason="the authority is sealed", retry_after=60.0)
ONE_TRY = {"retry": 5, "backoffPolicy": "linear", "backoffDelay": "PT60S"}


@pytest.fixture
def scene() -> Scene:
    return in_step()


@pytest.fixture
def step() -> Scripted:
    return Scripted()


@pytest.fixture
def broker(tmp_path: Path, step: Scripted) -> Iterator[Broker]:
    routed = trigger("publish", "publish", "dev.lockstep.publish.requested", delivery=ONE_TRY)
    with running(tmp_path, {"publish": step}, [routed], backoff_cap=60.0) as started:
        yield started


def say(broker: Broker, scene: Scene, event: Event, by: Principal) -> int:
    scene.world.clock.advance(1)
    return broker.accept(issue(event, source="/test", now=scene.world.clock.now()), by).result(10)


def order(scene: Scene) -> Event:
    return PublishRequested(path=PATH, expires=scene.world.clock.now(), reason="test")


def published(scene: Scene) -> Event:
    version = scene.world.publications.known[PATH].version
    return SecretPublished(path=PATH, version=version, keys=("password",), outcome="written")


def test_nothing_is_wrong(broker: Broker, scene: Scene) -> None:
    assert Troubles(broker).of_path(scene.state()) is None
    assert Troubles(broker).conflict(PATH, None) == ""


def test_a_dead_letter_counts_until_the_path_is_published_again(broker: Broker, scene: Scene, step: Scripted) -> None:
    step.behaviour = lambda _: REFUSED
    sequence = say(broker, scene, order(scene), OPERATOR)
    until(broker.dead_letters.count)
    trouble = Troubles(broker).of_path(scene.state())
    assert trouble is not None
    assert (trouble.state, trouble.reason, trouble.event, trouble.dead_letter) == (
        "dead letter", REFUSED.reason, sequence, 1,
    )  # fmt: skip
    say(broker, scene, published(scene), PUBLISH)
    assert Troubles(broker).of_path(scene.state()) is None


def test_a_retry_tells_when_it_is_made(broker: Broker, scene: Scene, step: Scripted) -> None:
    step.behaviour = lambda _: BUSY
    sequence = say(broker, scene, order(scene), OPERATOR)
    until(lambda: "retried" in outcomes(broker, sequence))
    trouble = Troubles(broker).of_path(scene.state())
    assert trouble is not None
    assert (trouble.state, trouble.reason, trouble.attempts) == ("retried", BUSY.reason, 1)
    assert trouble.next_attempt is not None


def test_a_held_delivery_is_newer_than_the_dead_letter_before_it(broker: Broker, scene: Scene, step: Scripted) -> None:
    step.behaviour = lambda _: REFUSED
    say(broker, scene, order(scene), OPERATOR)
    until(broker.dead_letters.count)
    step.is_ready = False
    sequence = say(broker, scene, order(scene), OPERATOR)
    until(lambda: "held" in outcomes(broker, sequence))
    trouble = Troubles(broker).of_path(scene.state())
    assert trouble is not None
    assert (trouble.state, trouble.next_attempt) == ("held", None)
    step.behaviour, step.is_ready = (lambda _: DONE), True
    broker.nudge()
    assert broker.wait_idle(20)


def test_a_conflict_stands_until_something_is_published(broker: Broker, scene: Scene) -> None:
    claimant = next(scene.world.wiring.push_secrets()).ref
    conflict = SecretConflicted(
        path=PATH, claimant=claimant, outcome="owned-by-other", explanation="it belongs to somebody"
    )
    say(broker, scene, conflict, PUBLISH)
    assert Troubles(broker).conflict(PATH, None) == "it belongs to somebody"
    say(broker, scene, published(scene), PUBLISH)
    assert Troubles(broker).conflict(PATH, None) == ""
