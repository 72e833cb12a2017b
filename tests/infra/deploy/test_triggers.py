"""Triggers rendered from the steps: what the embedded broker routes by is what is applied to a cluster."""

from pathlib import Path

import pytest
import yaml

from events.catalogue import EVENTS
from events.cloudevent import CloudEvent
from events.event import Event
from functions import NAMES, STEPS
from functions._step import Step
from infra.broker.routes import Routes
from infra.broker.trigger import parse_documents
from infra.deploy.trigger_manifests import render
from infra.deploy.triggers import trigger, triggers
from tests.infra.broker.kit import Scripted

ROOT = Path(__file__).parents[3]


def routed(type_: str) -> set[str]:
    routes = Routes(parse_documents(triggers()), {name: Scripted() for name in NAMES})
    return set(routes.matching(CloudEvent(id="1", source="/x", type=type_, subject="s/1", data=b"{}")))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.TYPE)
def test_an_event_reaches_the_steps_that_consume_it_and_no_other(event: type[Event]) -> None:
    assert routed(event.TYPE) == {step.name for step in STEPS if event in step.consumes}


@pytest.mark.parametrize("type_", ["com.example.thing", "dev.lockstep.secret", "dev.lockstep.secret.changed.x"])
def test_other_events_reach_none(type_: str) -> None:
    assert routed(type_) == set()


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_deliveries_of_a_step_are_ordered(step: Step) -> None:
    annotations = trigger(step)["metadata"]["annotations"]
    assert annotations == {"kafka.eventing.knative.dev/delivery.order": "ordered"}


def test_the_file_is_what_the_broker_is_given() -> None:
    ((name, text),) = render().items()
    assert (ROOT / name).read_text(encoding="utf-8") == text, "out of date: run `make generate`"
    assert list(yaml.safe_load_all(text)) == triggers()
