"""What a cluster lets others do to the broker and the authority; asked with the operator's own permissions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from functions._failures import StepFailure
from infra.deploy.triggers import BROKER, NAMESPACE
from infra.hosts.checks.result import Check, ok, some, warn
from infra.kubernetes.api import Listing
from infra.kubernetes.refusals import NoSuchKind
from infra.kubernetes.resources import CONFIG_MAPS, SERVICES, Object, Resource

_EVENTING = "eventing.knative.dev"
BROKERS = Resource(_EVENTING, "v1", "brokers", "Broker")
EVENT_POLICIES = Resource(_EVENTING, "v1alpha1", "eventpolicies", "EventPolicy")
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
_AUTHENTICATION = "authentication-oidc"


class Reading(Protocol):
    """The API server, as far as these checks ask it: infra.kubernetes.api.Api."""

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None: ...
    def list(self, resource: Resource, namespace: str | None = None) -> Listing: ...


def cluster_checks(cluster: Reading, authority: str) -> Iterator[Check]:
    """Checks of the surroundings. `authority` is its address, "" where it is not known; outside the cluster there is
    nothing to look at."""
    yield _asked("broker", lambda: _broker(cluster))
    if authority:
        yield _asked("authority's network", lambda: _reach(cluster, authority))


def _asked(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except StepFailure as failure:
        return warn(name, f"not known: {failure.reason}", "run this as somebody who may read it")


def _broker(cluster: Reading) -> Check:
    """Whether the Broker knows its senders, and lets only some of them in."""
    try:
        broker = cluster.get(BROKERS, BROKER, NAMESPACE)
    except NoSuchKind:
        broker = None
    if broker is None:
        return ok("broker", "the embedded one, which knows its senders")
    features = cluster.get(CONFIG_MAPS, "config-features", "knative-eventing") or {}
    if str((features.get("data") or {}).get(_AUTHENTICATION, "")).lower() != "enabled":
        return warn(
            "broker",
            "its senders are not authenticated: whoever reaches it may say what only steps may say",
            f"set {_AUTHENTICATION} and transport-encryption in the ConfigMap knative-eventing/config-features",
        )
    applying = [each for each in cluster.list(EVENT_POLICIES, NAMESPACE).items if _applies(each)]
    if not applying:
        return warn(
            "broker", "no EventPolicy applies to it: every account of the cluster's default may send anything",
            "apply 61-event-policies.yaml of `lockstep manifests`",
        )  # fmt: skip
    if unready := [_name(each) for each in applying if not _ready(each)]:
        return warn("broker", f"EventPolicies that are not in force: {some(unready)}", "see their conditions")
    if open_ := [_name(each) for each in applying if not (each.get("spec") or {}).get("filters")]:
        return warn("broker", f"EventPolicies that let any type in: {some(open_)}", "give them filters")
    return ok("broker", f"{len(applying)} EventPolicies say who may send what")


def _reach(cluster: Reading, authority: str) -> Check:
    """Whether some NetworkPolicy keeps workloads away from the authority's pods."""
    name = "authority's network"
    host = urlsplit(authority).hostname or ""
    parts = host.split(".")
    if len(parts) < 3 or parts[2] != "svc":
        return ok(name, f"{host} is not a Service of this cluster; its own network decides who reaches it")
    namespace = parts[1]
    service = cluster.get(SERVICES, parts[0], namespace)
    labels = _pod_labels(service)
    policies = [
        each
        for each in cluster.list(NETWORK_POLICIES, namespace).items
        if "Ingress" in _types(each) and selects((each.get("spec") or {}).get("podSelector") or {}, labels)
    ]
    action = f"apply a NetworkPolicy in {namespace} that lets in namespace {NAMESPACE} and who else needs it"
    if not policies:
        return warn(name, f"every workload of the cluster can reach {host}", action)
    if loose := [_name(each) for each in policies if any(_anybody(rule) for rule in _rules(each))]:
        return warn(name, f"{host} is open to every workload by NetworkPolicy {some(loose)}", action)
    return ok(name, f"{len(policies)} NetworkPolicies say who reaches {host}")


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches; an empty one matches everything."""
    wanted: Mapping[str, str] = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_holds(each, labels) for each in selector.get("matchExpressions") or ())


def _holds(expression: Object, labels: Mapping[str, str]) -> bool:
    key, operator = str(expression.get("key")), expression.get("operator")
    values = expression.get("values") or ()
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return labels.get(key) not in values
    return (key in labels) == (operator == "Exists")


def _applies(policy: Object) -> bool:
    """To our Broker, or, naming nothing, to everything in its namespace."""
    targets = (policy.get("spec") or {}).get("to") or ()
    refs = [each.get("ref") or {} for each in targets]
    named = any((ref.get("kind"), ref.get("name")) == ("Broker", BROKER) for ref in refs)
    return named or not targets or any(each.get("selector") is not None for each in targets)


def _ready(policy: Object) -> bool:
    conditions = (policy.get("status") or {}).get("conditions") or ()
    return any((each.get("type"), each.get("status")) == ("Ready", "True") for each in conditions)


def _rules(policy: Object) -> Sequence[Object]:
    return (policy.get("spec") or {}).get("ingress") or ()


def _anybody(rule: Object) -> bool:
    """Whether a rule lets every pod in: it names no peer, or all namespaces, or all addresses."""
    peers = rule.get("from") or ()
    return not peers or any(
        (each.get("namespaceSelector") == {} and not each.get("podSelector"))
        or (each.get("ipBlock") or {}).get("cidr") in {"0.0.0.0/0", "::/0"}
        for each in peers
    )


def _types(policy: Object) -> Sequence[str]:
    return (policy.get("spec") or {}).get("policyTypes") or ("Ingress",)


def _pod_labels(service: Object | None) -> Mapping[str, str]:
    """The labels that its pods have at least; a Service without a selector tells nothing of them."""
    return ((service or {}).get("spec") or {}).get("selector") or {}


def _name(each: Object) -> str:
    return str((each.get("metadata") or {}).get("name"))
