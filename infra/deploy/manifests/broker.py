"""The Broker, by kind: what differs is its class, where its configuration is, and how a Trigger asks for order."""

from dataclasses import dataclass

from infra.deploy.manifests.installation import BrokerKind, Document, Installation
from infra.deploy.manifests.objects import document
from infra.deploy.triggers import BROKER, NAMESPACE

CLASS = "eventing.knative.dev/broker.class"
RECORD_SERVICE = {"apiVersion": "v1", "kind": "Service", "name": "record", "namespace": NAMESPACE}
# Minutes in all: 0.2 s doubled ten times. What takes longer is held by the sweep, not by a queue.
DELIVERY = {"retry": 10, "backoffPolicy": "exponential", "backoffDelay": "PT0.2S", "timeout": "PT40S"}


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of broker promises; docs/kubernetes.md is rendered from these."""

    broker_class: str
    ordered: dict[str, str]  # annotations by which a Trigger asks for order
    config: dict[str, str]  # the object that configures it; its administrator makes it
    order: str
    limits: str
    authorization: str
    inside: bool = False  # whether its data plane runs in the Broker's own namespace


KINDS: dict[BrokerKind, Kind] = {
    "Kafka": Kind(
        "Kafka",
        {"kafka.eventing.knative.dev/delivery.order": "ordered"},
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "kafka-broker-config", "namespace": "knative-eventing"},
        "per `partitionkey`, so per secret; a delivery that is retried holds up its partition",
        "an event is at most 1 MiB; as many deliveries at once as the topic has partitions",
        "OIDC and EventPolicies",
    ),
    "RabbitMQ": Kind(
        "RabbitMQBroker",
        {"rabbitmq.eventing.knative.dev/parallelism": "1"},
        {
            "apiVersion": "eventing.knative.dev/v1alpha1", "kind": "RabbitmqBrokerConfig", "name": "lockstep",
            "namespace": NAMESPACE,
        },
        "per Trigger, first in, first out; one slow secret holds up all others of that step",
        "one delivery at a time per step; quorum queues need three nodes to outlive one",
        "none: EventPolicies are not looked at, so the NetworkPolicies are all that there is",
        inside=True,
    ),
    "JetStream": Kind(
        "NatsJetStreamBroker",
        {"natsjetstream.eventing.knative.dev/max-concurrency": "1"},
        {},
        "per Trigger while nothing is retried; a redelivery comes after younger events",
        "an event is at most 1 MiB (max_payload); the stream's limits decide what is kept",
        "none: EventPolicies are not looked at, so the NetworkPolicies are all that there is",
        inside=True,
    ),
    "InMemory": Kind(
        "MTChannelBasedBroker",
        {},
        {
            "apiVersion": "v1", "kind": "ConfigMap", "name": "imc-channel", "namespace": "knative-eventing",
        },
        "none; steps are right in any order, the last word comes by the next sweep",
        "events that wait are in memory and lost with a restart: for trying out, not for use",
        "OIDC and EventPolicies",
    ),
}  # fmt: skip


def brokers(installation: Installation) -> list[Document]:
    """The Broker with its delivery; what is given up goes to the ledger."""
    kind = KINDS[installation.broker]
    spec: Document = {"delivery": {**DELIVERY, "deadLetterSink": dead_letter_sink()}}
    if kind.config:
        spec["config"] = kind.config
    return [
        document("eventing.knative.dev/v1", "Broker", BROKER, annotations={CLASS: kind.broker_class}, spec=spec),
        *_configuration(installation),
    ]


def dead_letter_sink() -> Document:
    """Where what was given up is written down."""
    return {"ref": RECORD_SERVICE, "uri": "/dead-letters"}


def _configuration(installation: Installation) -> list[Document]:
    if installation.broker != "RabbitMQ":
        return []
    # Of the cluster operator's RabbitmqCluster `rabbitmq` in this namespace; an external one has a connectionSecret.
    reference = {"name": "rabbitmq", "namespace": NAMESPACE}
    spec = {"queueType": "quorum", "rabbitmqClusterReference": reference}
    return [document("eventing.knative.dev/v1alpha1", "RabbitmqBrokerConfig", "lockstep", spec=spec)]
