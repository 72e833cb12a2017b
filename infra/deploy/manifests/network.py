"""NetworkPolicies: nothing may be reached and nothing may reach out, but for the flows that are listed here."""

from collections.abc import Sequence

from infra.deploy.manifests.audit import AUDIT, listener
from infra.deploy.manifests.broker import KINDS
from infra.deploy.manifests.installation import Document, Installation
from infra.deploy.manifests.objects import PART_OF, document, labels
from infra.deploy.manifests.pods import PORT
from infra.deploy.manifests.workloads import BROKER, RECEIVER, RECORD, workloads
from infra.deploy.triggers import BROKER as BROKER_NAME

_API = "networking.k8s.io/v1"
MONITORING = "monitoring"  # the namespace that Prometheus and Alertmanager run in
EVENTING = "knative-eventing"
SERVING = "knative-serving"
GATEWAYS = ("kourier-system", "istio-system", "contour-internal")  # whichever Knative's network layer is
QUEUE_PROXY = (8012, 8013, 8112)  # HTTP/1, HTTP/2, TLS
QUEUE_METRICS = (9090, 9091)
BROKER_PORTS = (80, 8080, 443, 8443)  # before and after the Service of the Broker's ingress is resolved
API_PORTS = (443, 6443)
DATA_PLANE = {"eventing.knative.dev/broker": BROKER_NAME}


def network_policies(installation: Installation) -> list[Document]:
    """Default deny, then every flow by itself."""
    found = [_denied(), _resolving(), _api_server(installation), _authority(installation)]
    found += _knative(installation) if installation.target == "knative" else _embedded()
    if installation.target == "knative" and KINDS[installation.broker].inside:
        found += _data_plane()
    return [*found, _scraped()]


def audit_policies(installation: Installation) -> list[Document]:
    """The authority's own pods, and nobody else, write lines of audit to us: what comes there is not vouched for."""
    who = listener(installation)
    if not who:
        return []
    authority = _peers(installation.authority_namespace, dict(installation.audit_pods))
    return [_in(AUDIT, labels(who), [{"from": [authority], "ports": _tcp(installation.audit_port)}])]


def _denied() -> Document:
    return _policy("default-deny", {}, policyTypes=["Ingress", "Egress"])


def _resolving() -> Document:
    resolvers = _peers("kube-system", {"k8s-app": "kube-dns"})
    ports = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    return _out("dns", PART_OF, [{"to": [resolvers], "ports": ports}])


def _api_server(installation: Installation) -> Document:
    """No selector matches the API server: it is reached by address."""
    asking = [each.name for each in workloads(installation) if each.reads_cluster]
    peers = [{"ipBlock": {"cidr": block}} for block in installation.api_server]
    return _out("api-server", _any_of(asking), [{"to": peers, "ports": _tcp(*API_PORTS)}])


def _authority(installation: Installation) -> Document:
    asking = [each.name for each in workloads(installation) if each.uses_authority]
    rule: Document = {"ports": _tcp(installation.authority_port)}
    if installation.authority_namespace:
        rule["to"] = [_peers(installation.authority_namespace)]
    return _out("authority", _any_of(asking), [rule])


def _knative(installation: Installation) -> list[Document]:
    steps = [each.name for each in workloads(installation) if each.name != RECORD and each.step is not None]
    senders = [each.name for each in workloads(installation)]
    reaching = [_peers(namespace) for namespace in (SERVING, *GATEWAYS)]
    return [
        _in("deliveries", _any_of(steps), [{"from": reaching, "ports": _tcp(*QUEUE_PROXY)}]),
        _in("autoscaler", _any_of(steps), [{"from": [_peers(SERVING)], "ports": _tcp(*QUEUE_METRICS)}]),
        _in("alerts", labels(RECEIVER), [{"from": [_peers(MONITORING)], "ports": _tcp(PORT)}]),
        _in("records", labels(RECORD), [{"from": [_peers(EVENTING)], "ports": _tcp(PORT)}]),
        _out("events", _any_of(senders), [{"to": [_peers(EVENTING)], "ports": _tcp(*BROKER_PORTS)}]),
    ]


def _data_plane() -> list[Document]:
    """Some kinds of Broker run their own pods beside ours. Where those store events is their project's affair."""
    pods: Document = {"podSelector": {"matchLabels": DATA_PLANE}}
    ours: Document = {"podSelector": {"matchLabels": PART_OF}}
    return [
        _in("broker", DATA_PLANE, [{"from": [ours, _peers(EVENTING)], "ports": _tcp(*BROKER_PORTS)}]),
        _policy("broker-sends", DATA_PLANE, policyTypes=["Egress"], egress=[{}]),
        _out("events-to-broker", PART_OF, [{"to": [pods], "ports": _tcp(*BROKER_PORTS)}]),
        _in("records-from-broker", labels(RECORD), [{"from": [pods], "ports": _tcp(PORT)}]),
    ]


def _embedded() -> list[Document]:
    """The broker delivers and takes the replies; nobody but Alertmanager sends to it over the network."""
    steps: Document = {
        "matchLabels": PART_OF,
        "matchExpressions": [{"key": "app.kubernetes.io/name", "operator": "NotIn", "values": [BROKER]}],
    }
    broker = {"podSelector": {"matchLabels": labels(BROKER)}}
    return [
        _in("deliveries", steps, [{"from": [broker], "ports": _tcp(PORT)}]),
        _in("alerts", labels(BROKER), [{"from": [_peers(MONITORING)], "ports": _tcp(PORT)}]),
        _out("deliveries-sent", labels(BROKER), [{"to": [{"podSelector": steps}], "ports": _tcp(PORT)}]),
    ]


def _scraped() -> Document:
    return _in("metrics", PART_OF, [{"from": [_peers(MONITORING)], "ports": _tcp(PORT, *QUEUE_METRICS)}])


def _any_of(names: Sequence[str]) -> Document:
    expression = {"key": "app.kubernetes.io/name", "operator": "In", "values": sorted(names)}
    return {"matchLabels": PART_OF, "matchExpressions": [expression]}


def _peers(namespace: str, pods: dict[str, str] | None = None) -> Document:
    peer: Document = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    return peer | {"podSelector": {"matchLabels": pods}} if pods else peer


def _tcp(*ports: int) -> list[Document]:
    return [{"protocol": "TCP", "port": port} for port in ports]


def _in(name: str, pods: Document, rules: list[Document]) -> Document:
    return _policy(name, pods, policyTypes=["Ingress"], ingress=rules)


def _out(name: str, pods: Document, rules: list[Document]) -> Document:
    return _policy(name, pods, policyTypes=["Egress"], egress=rules)


def _policy(name: str, pods: Document, **members: object) -> Document:
    """`pods` are labels, or a whole selector; {} is every pod of the namespace."""
    selector = pods if not pods or "matchLabels" in pods else {"matchLabels": pods}
    return document(_API, "NetworkPolicy", name, spec={"podSelector": selector, **members})
