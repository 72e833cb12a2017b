"""Triggers as Knative has them: the steps' own, the ticks of PingSources, order, delivery, and the ledger's."""

from typing import Any

from events.schedule import ScheduleTicked
from functions._step import Step
from infra.deploy.manifests.broker import DELIVERY, KINDS, dead_letter_sink
from infra.deploy.manifests.installation import Document, Installation
from infra.deploy.manifests.objects import document
from infra.deploy.manifests.ticks import HEARD_BY, PING, ping_source, schedules
from infra.deploy.manifests.workloads import RECORD, steps
from infra.deploy.triggers import BROKER, trigger

_TRIGGER = "eventing.knative.dev/v1"


def triggers(installation: Installation, manifests: int) -> list[Document]:
    """One per step; the ledger's takes every event, whoever consumes it."""
    found = [_subscribed(each.step, installation, manifests) for each in steps(installation) if each.step]
    return [*found, _everything(installation)]


def _subscribed(step: Step, installation: Installation, manifests: int) -> Document:
    declared = trigger(step)["spec"]
    spec = {**declared, "filters": _filters(declared["filters"], step, manifests), "delivery": _delivery()}
    return document(_TRIGGER, "Trigger", step.name, annotations=KINDS[installation.broker].ordered, spec=spec)


def _everything(installation: Installation) -> Document:
    service = {"apiVersion": "v1", "kind": "Service", "name": RECORD}
    # Without a dead letter sink of its own: what cannot be written down cannot be written down as given up either.
    spec = {"broker": BROKER, "subscriber": {"ref": service}, "delivery": DELIVERY | {"retry": 20}}
    return document(_TRIGGER, "Trigger", RECORD, annotations=KINDS[installation.broker].ordered, spec=spec)


def _filters(declared: list[Any], step: Step, manifests: int) -> list[Any]:
    """The declared types, and for a step of schedules the ticks that a PingSource sends in its own words."""
    if ScheduleTicked not in step.consumes:
        return declared
    (one,) = declared  # one entry, which is satisfied by any of the types
    pings = [
        {"exact": {"type": PING, "source": ping_source(schedule)}}
        for schedule in schedules(manifests)
        if step.name in HEARD_BY[schedule.schedule]
    ]
    return [{"any": [*one.get("any", [one]), *pings]}]


def _delivery() -> Document:
    # A Trigger's delivery replaces the Broker's as a whole.
    return {**DELIVERY, "deadLetterSink": dead_letter_sink()}
