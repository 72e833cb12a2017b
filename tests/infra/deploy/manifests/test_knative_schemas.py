"""Knative's own kinds, as rendered, against models generated from Knative's definitions (the cloudcoil packages).

Those models take unknown fields and leave them out. Here a field that a model left out fails, as the API server would
drop it, with a warning that nobody reads.
"""

import copy
import warnings
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from infra.deploy.manifests.broker import KINDS
from infra.deploy.manifests.installation import BrokerKind, Document
from tests.infra.deploy.manifests.test_rendering import rendered

with warnings.catch_warnings():  # fields of theirs are called as methods of theirs
    warnings.simplefilter("ignore")
    from cloudcoil.models.knative_eventing.eventing import v1 as eventing_v1
    from cloudcoil.models.knative_eventing.eventing import v1alpha1 as eventing_v1alpha1
    from cloudcoil.models.knative_eventing.sources import v1 as sources_v1
    from cloudcoil.models.knative_serving.serving import v1 as serving_v1


class ClusterReference(BaseModel):
    """Which RabbitMQ: by the operator's name for it, or by a Secret with `uri`, `username` and `password`."""

    name: str
    namespace: str


class BrokerConfigSpec(BaseModel):
    queue_type: Annotated[Literal["quorum", "classic"], Field(alias="queueType")]
    cluster: Annotated[ClusterReference, Field(alias="rabbitmqClusterReference")]


class RabbitmqBrokerConfig(BaseModel):
    """As eventing-rabbitmq defines it (config/broker/300-rabbitmqbrokerconfig.yaml), which is in no package."""

    api_version: Annotated[Literal["eventing.knative.dev/v1alpha1"], Field(alias="apiVersion")]
    kind: Literal["RabbitmqBrokerConfig"]
    metadata: dict[str, Any]
    spec: BrokerConfigSpec


RABBITMQ = ("eventing.knative.dev/v1alpha1", "RabbitmqBrokerConfig")
MODELS: dict[tuple[str, str], type[BaseModel]] = {
    ("eventing.knative.dev/v1", "Broker"): eventing_v1.Broker,
    ("eventing.knative.dev/v1", "Trigger"): eventing_v1.Trigger,
    ("eventing.knative.dev/v1alpha1", "EventPolicy"): eventing_v1alpha1.EventPolicy,
    ("serving.knative.dev/v1", "Service"): serving_v1.Service,
    ("sources.knative.dev/v1", "ApiServerSource"): sources_v1.ApiServerSource,
    ("sources.knative.dev/v1", "ContainerSource"): sources_v1.ContainerSource,
    ("sources.knative.dev/v1", "PingSource"): sources_v1.PingSource,
    ("sources.knative.dev/v1", "SinkBinding"): sources_v1.SinkBinding,
}


# Knative's definitions keep unknown fields there (x-kubernetes-preserve-unknown-fields) and do not list this one, which
# its reference documents (DeliverySpec): the only place where we go beyond what is listed.
KEPT = {(kind, ".spec.delivery.timeout") for kind in ("Broker", "Trigger")}


def knative(documents: list[Document]) -> list[Document]:
    return [one for one in documents if ".knative.dev/" in one["apiVersion"]]


def faults(document: Document) -> list[str]:
    """What Knative's definition of the kind says against a document; a kind without one is a fault itself."""
    kind = (document["apiVersion"], document["kind"])
    model = RabbitmqBrokerConfig if kind == RABBITMQ else MODELS.get(kind)
    if model is None:
        return [f"{document['apiVersion']} {document['kind']} is not validated"]
    try:
        read = model.model_validate(document)
    except ValidationError as error:
        return [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
    known = read.model_dump(mode="json", by_alias=True, exclude_unset=True)
    left_out = (place for place in _left_out(document, known, "") if (document["kind"], place) not in KEPT)
    return [f"{place} is unknown" for place in left_out]


def _left_out(given: Any, read: Any, place: str) -> Iterator[str]:
    if isinstance(given, dict) and isinstance(read, dict):
        for name, value in given.items():
            if name not in read:
                yield f"{place}.{name}"
            else:
                yield from _left_out(value, read[name], f"{place}.{name}")
    elif isinstance(given, list) and isinstance(read, list):
        for number, (one, other) in enumerate(zip(given, read, strict=True)):
            yield from _left_out(one, other, f"{place}[{number}]")


@pytest.mark.parametrize("broker", KINDS)
def test_every_manifest_of_knative_is_what_its_definition_says(broker: BrokerKind) -> None:
    documents = knative(rendered(broker=broker))
    own = {RABBITMQ[1]} if broker == "RabbitMQ" else set()
    assert {one["kind"] for one in documents} == {kind for _, kind in MODELS} | own
    found = {f"{one['kind']} {one['metadata']['name']}": faults(one) for one in documents}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("kind", sorted({kind for _, kind in MODELS}))
def test_an_unknown_or_misspelt_field_fails(kind: str) -> None:
    """So that the test above would tell."""
    good = next(one for one in knative(rendered()) if one["kind"] == kind)
    unknown = copy.deepcopy(good)
    unknown["spec"]["misspelt"] = True
    assert faults(unknown) == [".spec.misspelt is unknown"]
    wrong = copy.deepcopy(good)
    wrong["spec"] = ["no object"]
    assert faults(wrong)


def test_the_configuration_of_rabbitmq_is_held_against_its_definition_too() -> None:
    good = next(one for one in knative(rendered(broker="RabbitMQ")) if one["kind"] == RABBITMQ[1])
    assert faults(good) == []
    assert faults({**good, "spec": {**good["spec"], "queueType": "streams"}})
    assert faults({**good, "spec": {**good["spec"], "cluster": "x"}}) == [".spec.cluster is unknown"]


def test_a_field_deep_inside_fails_too() -> None:
    service = copy.deepcopy(next(one for one in knative(rendered()) if one["kind"] == "Service"))
    container = service["spec"]["template"]["spec"]["containers"][0]
    container["enviroment"] = []
    assert faults(service) == [".spec.template.spec.containers[0].enviroment is unknown"]
