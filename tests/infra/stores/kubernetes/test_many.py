"""Looking at many Secrets with few requests, on a real API server (infra/stores/kubernetes/many.py)."""

import json
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from events.references import ManifestRef, SecretRef
from functions._failures import Unavailable
from infra.kubernetes.api import Api
from infra.kubernetes.refusals import Shedding
from infra.kubernetes.resources import Object
from infra.stores.kubernetes import many
from infra.stores.kubernetes.many import Pace
from infra.stores.kubernetes.secrets import KubernetesSecrets
from infra.testbed.cluster import Cluster
from tests.e2e.proxy import Fault, FaultyProxy
from tests.infra.stores.kubernetes_producers import api_for, encoded, secret_path

CANARY = b"canary-c0de"
Calls = list[tuple[str, str]]


def uid_of(ref: ManifestRef) -> str | None:
    return None


def fill(cluster: Cluster, namespace: str, names: list[str]) -> list[SecretRef]:
    def make(name: str) -> None:
        cluster.admin.post(secret_path(namespace), {"metadata": {"name": name}, "data": encoded({"k": CANARY})})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, names))
    return [SecretRef(namespace=namespace, name=name) for name in names]


@pytest.fixture
def calls() -> Calls:
    return []


@pytest.fixture
def api(cluster: Cluster, calls: Calls) -> Iterator[Api]:
    made = api_for(cluster, on_call=lambda verb, resource: calls.append((verb, resource)))
    yield made
    made.close()


def test_a_namespace_is_listed_once_and_no_value_crosses_the_wire(
    cluster: Cluster, namespace: str, api: Api, calls: Calls
) -> None:
    answers: list[Object] = []

    class Listening(Api):
        def _send(self, request: Any) -> Object:
            answers.append(super()._send(request))
            return answers[-1]

    listening = Listening(api.settings, lambda verb, resource: calls.append((verb, resource)))
    refs = fill(cluster, namespace, [f"n{number}" for number in range(40)])
    absent = SecretRef(namespace=namespace, name="absent")
    look = KubernetesSecrets(listening, uid_of, lists=True).heads([*refs, absent])
    assert look(absent) is None
    single = KubernetesSecrets(api, uid_of)
    assert [look(ref) for ref in refs] == [single.head(ref) for ref in refs]
    listening.close()
    assert Counter(calls[:1]) == {("list", "secrets"): 1}
    assert encoded({"k": CANARY})["k"] not in json.dumps(answers)


def test_whoever_is_bound_to_names_asks_for_each(cluster: Cluster, namespace: str, api: Api, calls: Calls) -> None:
    refs = fill(cluster, namespace, [f"n{number}" for number in range(40)])
    look = KubernetesSecrets(api, uid_of).heads(refs)
    assert all(look(ref) is not None for ref in refs)
    assert Counter(calls) == {("get", "secrets"): 40}


def test_few_of_many_are_asked_for_by_name(
    cluster: Cluster, namespace: str, api: Api, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list that shows how large the namespace is is not read to its end."""
    monkeypatch.setattr(many, "PAGE", 10)
    fill(cluster, namespace, [f"a{number:03}" for number in range(100)])
    wired = fill(cluster, namespace, [f"b{number}" for number in range(20)])
    look = KubernetesSecrets(api, uid_of, lists=True).heads(wired)
    assert all(look(ref) is not None for ref in wired)
    assert Counter(calls) == {("list", "secrets"): 1, ("get", "secrets"): 20}


def test_all_of_several_pages_are_found(
    cluster: Cluster, namespace: str, api: Api, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "PAGE", 60)
    wired = fill(cluster, namespace, [f"n{number:03}" for number in range(100)])
    look = KubernetesSecrets(api, uid_of, lists=True).heads(wired)
    assert all(look(ref) is not None for ref in wired)
    assert Counter(calls) == {("list", "secrets"): 2}


def test_where_rbac_forbids_a_list_each_is_asked_for(cluster: Cluster, namespace: str, api: Api, calls: Calls) -> None:
    """As somebody's kubeconfig may be bound to names: a list is refused, and nothing is lost by it."""
    refs = fill(cluster, namespace, [f"n{number}" for number in range(20)])
    place = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    cluster.admin.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "named"}})
    named = sorted(ref.name for ref in refs[1:])
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": named}
    cluster.admin.post(f"{place}/roles", {"metadata": {"name": "named"}, "rules": [rule]})
    cluster.admin.post(
        f"{place}/rolebindings",
        {
            "metadata": {"name": "named"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "named"},
            "subjects": [{"kind": "ServiceAccount", "name": "named", "namespace": namespace}],
        },
    )
    token = cluster.service_account_token(namespace, "named")
    bound = api_for(cluster, token, lambda verb, resource: calls.append((verb, resource)))
    look = KubernetesSecrets(bound, uid_of, lists=True).heads(refs)
    assert all(look(ref) is not None for ref in refs[1:])
    with pytest.raises(Unavailable, match="may not get secrets"):
        look(refs[0])
    bound.close()
    assert Counter(calls) == {("list", "secrets"): 1, ("get", "secrets"): 20}


# --- 429 ----------------------------------------------------------------------------------------------------------


class Time:
    """Passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def shedding(times: int, after: float | None) -> Callable[[], str]:
    left = [times]

    def ask() -> str:
        if left[0]:
            left[0] -= 1
            raise Shedding("kubernetes", "429", after)
        return "served"

    return ask


def test_an_api_server_that_sheds_load_is_asked_again_when_it_says() -> None:
    time = Time()
    pace = Pace(10.0, lambda: time.now, time.sleep)
    assert pace(shedding(2, 3.0)) == "served"
    assert time.slept == [3.0, 3.0]
    assert pace(shedding(1, None)) == "served"
    assert time.slept == [3.0, 3.0, 1.0]


def test_one_that_sheds_for_long_ends_the_look_with_its_own_time() -> None:
    time = Time()
    pace = Pace(10.0, lambda: time.now, time.sleep)
    with pytest.raises(Shedding) as failed:
        pace(shedding(9, 6.0))
    assert (time.slept, failed.value.after) == ([6.0], 6.0)


def test_requests_that_were_shed_are_sent_again(cluster: Cluster, namespace: str, api: Api) -> None:
    refs = fill(cluster, namespace, [f"n{number}" for number in range(20)])
    with FaultyProxy(cluster.server, ssl.create_default_context(cafile=str(cluster.ca))) as proxy:
        between = Api(replace(api.settings, server=proxy.address))
        shed = Fault(status=429, times=1, body=b'{"kind":"Status"}', headers={"Retry-After": "1"})
        for lists in (True, False):
            proxy.fail(shed)
            look = KubernetesSecrets(between, uid_of, lists=lists).heads(refs)
            assert all(look(ref) is not None for ref in refs)
        proxy.fail(Fault(status=429, body=b'{"kind":"Status"}', headers={"Retry-After": "60"}))
        with pytest.raises(Shedding):
            KubernetesSecrets(between, uid_of, lists=True).heads(refs)
        between.close()
