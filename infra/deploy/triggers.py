"""Knative Triggers, rendered from the steps: who gets which event (DESIGN, "Declared once")."""

from typing import Any

from functions import STEPS
from functions._step import Step

NAMESPACE = "lockstep"
BROKER = "default"


def trigger(step: Step) -> dict[str, Any]:
    """The Trigger of one step: any of the types that it consumes, ordered per partition key."""
    types = [{"exact": {"type": event.TYPE}} for event in step.consumes]
    return {
        "apiVersion": "eventing.knative.dev/v1",
        "kind": "Trigger",
        "metadata": {
            "name": step.name,
            "namespace": NAMESPACE,
            "annotations": {"kafka.eventing.knative.dev/delivery.order": "ordered"},
        },
        "spec": {
            "broker": BROKER,
            "filters": types if len(types) == 1 else [{"any": types}],
            "subscriber": {"ref": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": step.name}},
        },
    }


def triggers() -> list[dict[str, Any]]:
    """One Trigger per step, in the order of the table of contents."""
    return [trigger(step) for step in STEPS]
