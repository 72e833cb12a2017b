"""What `check` says of the cluster around the broker and the authority."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from functions._failures import Unavailable
from infra.hosts.checks.cluster import (
    BROKERS,
    EVENT_POLICIES,
    NETWORK_POLICIES,
    Reading,
    cluster_checks,
    selects,
)
from infra.kubernetes.api import Api, Listing
from infra.kubernetes.refusals import NoSuchKind
from infra.kubernetes.resources import CONFIG_MAPS, SERVICES, Object, Resource
from infra.kubernetes.settings import settings_from
from infra.testbed.cluster import Cluster

AUTHORITY = "https://openbao.openbao.svc:8200"
READY = {"conditions": [{"type": "Ready", "status": "True"}]}
TO_BROKER = [{"ref": {"kind": "Broker", "name": "default"}}]
FILTERS = [{"exact": {"type": "dev.lockstep.secret.changed"}}]


class Known:
    """A cluster that holds these objects: resource -> object or objects."""

    def __init__(self, objects: Mapping[Resource, Any], missing: tuple[Resource, ...] = ()) -> None:
        self._objects = objects
        self._missing = missing

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        if resource in self._missing:
            raise NoSuchKind("the cluster serves no such kind")
        return self._objects.get(resource)

    def list(self, resource: Resource, namespace: str | None = None) -> Listing:
        return Listing(tuple(self._objects.get(resource, ())), "1")


def found(cluster: Reading, authority: str = AUTHORITY) -> dict[str, tuple[str, str]]:
    return {check.name: (check.status, check.message) for check in cluster_checks(cluster, authority)}


def policy(name: str = "p", **changes: Any) -> Object:
    spec = {"to": TO_BROKER, "filters": FILTERS, **changes.pop("spec", {})}
    return {"metadata": {"name": name}, "spec": spec, "status": READY, **changes}


def knative(*policies: Object, oidc: str = "enabled") -> Known:
    return Known(
        {BROKERS: {"spec": {}}, CONFIG_MAPS: {"data": {"authentication-oidc": oidc}}, EVENT_POLICIES: policies}
    )


@pytest.mark.parametrize(
    ("cluster", "status", "says"),
    [
        (Known({}, missing=(BROKERS,)), "ok", "the embedded one"),
        (Known({}), "ok", "the embedded one"),
        (Known({BROKERS: {"spec": {}}}), "warn", "not authenticated"),
        (knative(policy(), oidc="disabled"), "warn", "not authenticated"),
        (knative(), "warn", "no EventPolicy"),
        (knative(policy(spec={"to": [{"ref": {"kind": "Broker", "name": "other"}}]})), "warn", "no EventPolicy"),
        (knative(policy(), policy("q", status={})), "warn", "not in force: q"),
        (knative(policy(spec={"filters": []})), "warn", "any type in: p"),
        (knative(policy(), policy("q")), "ok", "2 EventPolicies"),
        (knative(policy(spec={"to": []})), "ok", "1 EventPolicies"),
    ],
)
def test_the_brokers_senders(cluster: Known, status: str, says: str) -> None:
    assert found(cluster)["broker"][0] == status
    assert says in found(cluster)["broker"][1]


PODS = {"app": "openbao"}
INSIDE = [{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "lockstep"}}}]}]


def network(*policies: tuple[dict[str, Any], Any]) -> Known:
    return Known(
        {
            SERVICES: {"spec": {"selector": PODS}},
            NETWORK_POLICIES: [
                {
                    "metadata": {"name": f"n{number}"},
                    "spec": {"podSelector": selector, "policyTypes": ["Ingress"], "ingress": ingress},
                }
                for number, (selector, ingress) in enumerate(policies)
            ],
        },
        missing=(BROKERS,),
    )


@pytest.mark.parametrize(
    ("cluster", "status", "says"),
    [
        (network(), "warn", "every workload of the cluster can reach openbao.openbao.svc"),
        (network(({"matchLabels": {"app": "other"}}, [])), "warn", "every workload of the cluster can reach"),
        (network(({}, INSIDE)), "ok", "1 NetworkPolicies"),
        (network(({"matchLabels": PODS}, INSIDE), ({}, [])), "ok", "2 NetworkPolicies"),
        (network(({}, INSIDE), ({}, [{}])), "warn", "NetworkPolicy n1"),
        (network(({}, [{"from": [{"namespaceSelector": {}}]}])), "warn", "NetworkPolicy n0"),
        (network(({}, [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}])), "warn", "NetworkPolicy n0"),
        (network(({}, [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}])), "ok", "1 NetworkPolicies"),
    ],
)
def test_who_reaches_the_authority(cluster: Known, status: str, says: str) -> None:
    assert found(cluster)["authority's network"][0] == status
    assert says in found(cluster)["authority's network"][1]


@pytest.mark.parametrize("address", ["https://vault.example.com", "https://10.0.0.1:8200", "http://127.0.0.1:8200"])
def test_an_authority_elsewhere_is_its_networks_affair(address: str) -> None:
    assert found(network(), address)["authority's network"][0] == "ok"


def test_what_may_not_be_asked_is_said() -> None:
    class Closed(Known):
        def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
            raise Unavailable("kubernetes", "you may not get brokers")

    assert {status for status, _ in found(Closed({})).values()} == {"warn"}
    assert found(Closed({}))["broker"][1] == "not known: you may not get brokers"


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        ({"key": "app", "operator": "In", "values": ["openbao", "x"]}, True),
        ({"key": "app", "operator": "NotIn", "values": ["openbao"]}, False),
        ({"key": "app", "operator": "Exists"}, True),
        ({"key": "other", "operator": "Exists"}, False),
        ({"key": "other", "operator": "DoesNotExist"}, True),
    ],
)
def test_selectors(expression: dict[str, Any], matches: bool) -> None:
    assert selects({"matchExpressions": [expression]}, PODS) is matches


# --- the same, asked of a real API server ---


@pytest.fixture
def api(cluster: Cluster, tmp_path: Path) -> Iterator[Api]:
    made = Api(settings_from({"KUBECONFIG": str(cluster.kubeconfig(tmp_path / "config"))}))
    yield made
    made.close()


@pytest.mark.e2e
def test_a_real_cluster(cluster: Cluster, api: Api, namespace: str) -> None:
    authority = f"https://openbao.{namespace}.svc:8200"
    service = {"metadata": {"name": "openbao"}, "spec": {"selector": PODS, "ports": [{"port": 8200}]}}
    cluster.admin.post(f"/api/v1/namespaces/{namespace}/services", service)
    assert found(api, authority)["authority's network"][0] == "warn"
    spec = {"podSelector": {"matchLabels": PODS}, "policyTypes": ["Ingress"], "ingress": INSIDE}
    cluster.admin.post(
        f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies",
        {"metadata": {"name": "openbao"}, "spec": spec},
    )
    assert found(api, authority)["authority's network"][0] == "ok"
    assert found(api, authority)["broker"][1]
