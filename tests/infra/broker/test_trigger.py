"""Trigger and Broker documents."""

from typing import Any

import pytest

from infra.broker.errors import TriggerError
from infra.broker.trigger import ORDER_ANNOTATION, DeliverySpec, Destination, parse_documents, parse_trigger
from tests.infra.broker.kit import document


def broker(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "eventing.knative.dev/v1", "kind": "Broker",
        "metadata": {"name": "default", "namespace": "lockstep"}, "spec": spec,
    }  # fmt: skip


def test_defaults() -> None:
    parsed = parse_trigger(document())
    assert parsed.delivery == DeliverySpec(retry=10, backoff_policy="exponential", backoff_delay=0.2)
    assert parsed.delivery.attempts == 11
    assert parsed.ordered
    assert parsed.subscriber == Destination(name="sub", namespace="lockstep")
    assert parsed.dead_letter_sink is None


def test_everything_said() -> None:
    delivery = {
        "retry": 2, "backoffPolicy": "linear", "backoffDelay": "PT1S", "timeout": "PT5S", "retryAfterMax": "PT1M",
        "deadLetterSink": {"uri": "https://sink.example/x"},
    }  # fmt: skip
    spec = document(delivery=delivery, filters=[{"exact": {"type": "x"}}])
    spec["metadata"]["annotations"] = {ORDER_ANNOTATION: "unordered"}
    parsed = parse_trigger(spec)
    assert parsed.delivery == DeliverySpec(2, "linear", 1.0, 5.0, 60.0)
    assert parsed.dead_letter_sink == Destination(uri="https://sink.example/x")
    assert not parsed.ordered
    assert parsed.matches({"type": "x"})
    assert not parsed.matches({"type": "y"})


def test_delivery_is_replaced_as_a_whole_but_the_sink_falls_back() -> None:
    sink = {"ref": {"apiVersion": "v1", "kind": "Service", "name": "record"}}
    documents = [
        broker(delivery={"retry": 1, "timeout": "PT9S", "deadLetterSink": sink}),
        document("inherits"),
        document("replaces", delivery={"backoffDelay": "PT3S"}),
        document("own-sink", delivery={"deadLetterSink": {"uri": "http://own.example/"}}),
    ]
    inherits, replaces, own = parse_documents(documents)
    assert (inherits.delivery.retry, inherits.delivery.timeout) == (1, 9.0)
    assert replaces.delivery == DeliverySpec(backoff_delay=3.0)
    assert inherits.dead_letter_sink == replaces.dead_letter_sink == Destination("record", "lockstep")
    assert own.dead_letter_sink == Destination(uri="http://own.example/")
    assert own.delivery.retry == 1


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"broker": ""}, "Trigger first: spec.broker is missing"),
        ({"subscriber": None}, "spec.subscriber is missing"),
        ({"subscriber": {}}, "either 'ref' or 'uri'"),
        ({"subscriber": {"uri": "file:///x"}}, "absolute http or https"),
        ({"subscriber": {"ref": {"kind": "Deployment", "name": "x"}}}, "of kind Service"),
        ({"filtres": []}, "unknown field 'filtres'"),
        ({"delivery": {"retry": -1}}, "delivery.retry must be a number"),
        ({"delivery": {"retry": True}}, "delivery.retry must be a number"),
        ({"delivery": {"backoffPolicy": "random"}}, "backoffPolicy must be"),
        ({"delivery": {"backoffDelay": "1s"}}, "delivery.backoffDelay: '1s' is not an ISO 8601"),
        ({"delivery": {"retries": 1}}, "unknown field 'retries'"),
        ({"filters": [{"cesql": "x"}]}, "Trigger first: spec.filters.*cesql"),
    ],
)
def test_bad_triggers_name_the_trigger_and_the_field(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(TriggerError, match=message):
        parse_trigger(document() | {"spec": document()["spec"] | spec})


def test_bad_documents() -> None:
    with pytest.raises(TriggerError, match="used twice"):
        parse_documents([document(), document()])
    with pytest.raises(TriggerError, match="neither Trigger nor Broker"):
        parse_documents([{"kind": "Channel"}])
    with pytest.raises(TriggerError, match=r"metadata\.name is missing"):
        parse_trigger({"kind": "Trigger", "metadata": {}})
    wrong = document() | {"apiVersion": "eventing.knative.dev/v1beta1"}
    with pytest.raises(TriggerError, match="apiVersion must be"):
        parse_trigger(wrong)
    order = document()
    order["metadata"]["annotations"] = {ORDER_ANNOTATION: "sometimes"}
    with pytest.raises(TriggerError, match="must be 'ordered' or 'unordered'"):
        parse_trigger(order)
