"""The client against a real API server: what each verb asks, and what it makes of each answer."""

import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from functions._failures import Conflict, Reject, Unavailable
from functions._values import SecretValue
from infra.kubernetes.api import Api, Patch
from infra.kubernetes.credentials import StaticToken, TokenFile
from infra.kubernetes.refusals import Absent, Invalid, NoSuchKind, Terminating
from infra.kubernetes.resources import (
    CONFIG_MAPS,
    NAMESPACES,
    PUSH_SECRETS,
    SECRETS,
    SELF_SUBJECT_ACCESS_REVIEWS,
    SERVICE_ACCOUNTS,
    Resource,
)
from infra.kubernetes.settings import ClusterSettings, settings_from
from infra.testbed.cluster import Cluster
from tests.e2e.proxy import Fault, FaultyProxy

CANARY = "canary-3b77"


class Calls(list[tuple[str, str]]):
    """What was asked, as the hook tells it."""

    def __call__(self, verb: str, resource: str) -> None:
        self.append((verb, resource))


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def settings(cluster: Cluster) -> ClusterSettings:
    token = StaticToken(SecretValue.of(cluster.admin_token))
    return ClusterSettings(server=cluster.server, credentials=token, ca_file=str(cluster.ca))


@pytest.fixture
def api(settings: ClusterSettings, calls: Calls) -> Iterator[Api]:
    client = Api(settings, calls)
    yield client
    client.close()


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[FaultyProxy]:
    with FaultyProxy(cluster.server, ssl.create_default_context(cafile=str(cluster.ca))) as between:
        yield between


@pytest.fixture
def faulty(settings: ClusterSettings, proxy: FaultyProxy, calls: Calls) -> Iterator[Api]:
    client = Api(replace(settings, server=proxy.address, ca_file="", read_timeout=5.0), calls)
    yield client
    client.close()


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


# --- the verbs ----------------------------------------------------------------------------------------------------


def test_the_life_of_an_object_is_one_request_each(api: Api, namespace: str, calls: Calls) -> None:
    assert api.get(CONFIG_MAPS, "a.b", namespace) is None
    made = api.create(CONFIG_MAPS, config_map("a.b", k="1"), namespace)
    body = {**config_map("a.b", k="2"), "metadata": made["metadata"]}
    replaced = api.replace(CONFIG_MAPS, "a.b", body, namespace)
    patched = api.patch(CONFIG_MAPS, "a.b", {"data": {"k": "3"}}, namespace)
    found = api.get(CONFIG_MAPS, "a.b", namespace)
    assert found == patched
    assert found["data"] == {"k": "3"}
    meta = patched["metadata"]
    stale = replaced["metadata"]
    with pytest.raises(Conflict):
        api.delete(CONFIG_MAPS, "a.b", namespace, uid=stale["uid"], resource_version=stale["resourceVersion"])
    gone = api.delete(CONFIG_MAPS, "a.b", namespace, uid=meta["uid"], resource_version=meta["resourceVersion"])
    assert gone is None
    assert api.delete(CONFIG_MAPS, "a.b", namespace) is None
    assert calls == [
        (verb, "configmaps") for verb in ("get", "create", "update", "patch", "get", "delete", "delete", "delete")
    ]  # fmt: skip


def test_metadata_alone_carries_no_value(api: Api, namespace: str) -> None:
    body = config_map("a", k=CANARY)
    answers = [
        api.create(CONFIG_MAPS, body, namespace, metadata_only=True),
        api.get(CONFIG_MAPS, "a", namespace, metadata_only=True),
        api.replace(CONFIG_MAPS, "a", body, namespace, metadata_only=True),
        api.patch(CONFIG_MAPS, "a", {"data": {"j": CANARY}}, namespace, metadata_only=True),
        *api.list(CONFIG_MAPS, namespace, metadata_only=True).items,
    ]
    for each in answers:
        assert each is not None
        assert CANARY not in str(each)
        assert each["metadata"]["uid"]


def test_a_dry_run_changes_nothing(api: Api, namespace: str) -> None:
    api.create(CONFIG_MAPS, config_map("a", k="1"), namespace, dry_run=True)
    assert api.get(CONFIG_MAPS, "a", namespace) is None
    api.create(CONFIG_MAPS, config_map("a", k="1"), namespace)
    api.replace(CONFIG_MAPS, "a", config_map("a", k="2"), namespace, dry_run=True)
    api.patch(CONFIG_MAPS, "a", {"data": {"k": "2"}}, namespace, dry_run=True)
    assert api.delete(CONFIG_MAPS, "a", namespace, dry_run=True) is None
    found = api.get(CONFIG_MAPS, "a", namespace)
    assert found is not None
    assert found["data"] == {"k": "1"}


def test_every_kind_of_patch(api: Api, namespace: str) -> None:
    api.create(CONFIG_MAPS, config_map("a", k="1"), namespace)
    api.patch(CONFIG_MAPS, "a", [{"op": "add", "path": "/data/j", "value": "2"}], namespace, strategy=Patch.JSON)
    api.patch(CONFIG_MAPS, "a", {"data": {"s": "3"}}, namespace, strategy=Patch.STRATEGIC)
    other = Api(api.settings, field_manager="somebody")
    with pytest.raises(Conflict, match=r"another field manager owns \.data\.k"):
        other.patch(CONFIG_MAPS, "a", config_map("a", k=CANARY), namespace, strategy=Patch.APPLY)
    found = other.patch(CONFIG_MAPS, "a", config_map("a", k="4"), namespace, strategy=Patch.APPLY, force=True)
    other.close()
    assert found["data"] == {"k": "4", "j": "2", "s": "3"}
    assert {entry["manager"] for entry in found["metadata"]["managedFields"]} == {"lockstep", "somebody"}


def test_a_list_follows_its_pages(api: Api, namespace: str, calls: Calls) -> None:
    for number in range(7):
        body = config_map(f"n{number}")
        body["metadata"]["labels"] = {"odd": str(number % 2)}
        api.create(CONFIG_MAPS, body, namespace)
    calls.clear()
    found = api.list(CONFIG_MAPS, namespace, labels="odd", page=3)
    assert [each["metadata"]["name"] for each in found.items] == [f"n{number}" for number in range(7)]
    assert found.resource_version.isdigit()
    assert calls == [("list", "configmaps")] * 3
    assert len(api.list(CONFIG_MAPS, namespace, labels="odd=1").items) == 3
    assert len(api.list(CONFIG_MAPS, namespace, fields="metadata.name=n4").items) == 1
    assert api.list(CONFIG_MAPS, "there-is-no-such-namespace").items == ()


def test_subresources_and_reviews(api: Api, namespace: str, calls: Calls) -> None:
    api.create(SERVICE_ACCOUNTS, {"metadata": {"name": "step"}}, namespace)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    issued = api.create(SERVICE_ACCOUNTS, request, namespace, name="step", subresource="token")
    assert issued["status"]["token"]
    with pytest.raises(Absent):
        api.create(SERVICE_ACCOUNTS, request, namespace, name="nobody", subresource="token")
    review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "secrets", "namespace": namespace}}}
    assert api.create(SELF_SUBJECT_ACCESS_REVIEWS, review)["status"]["allowed"] is True
    assert ("create", "serviceaccounts/token") in calls


def test_raw_paths(api: Api) -> None:
    assert api.get_raw("/version")["gitVersion"].startswith("v1.")


def test_a_cluster_wide_object(api: Api, namespace: str) -> None:
    found = api.get(NAMESPACES, namespace)
    assert found is not None
    assert found["status"]["phase"] == "Active"


def test_threads_share_it(api: Api, namespace: str) -> None:
    api.create(CONFIG_MAPS, config_map("a", k="1"), namespace)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: api.get(CONFIG_MAPS, "a", namespace), range(64)))
    assert all(each is not None and each["data"] == {"k": "1"} for each in found)


def test_a_kubeconfig_leads_there(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    path = cluster.kubeconfig(tmp_path / "kubeconfig", namespace=namespace)
    client = Api(settings_from({"KUBECONFIG": str(path)}))
    assert client.settings.namespace == namespace
    assert client.get(NAMESPACES, namespace)
    client.close()


# --- refusals -----------------------------------------------------------------------------------------------------


def test_absence_and_presence(api: Api, namespace: str) -> None:
    api.create(CONFIG_MAPS, config_map("a"), namespace)
    with pytest.raises(Conflict, match=f"ConfigMap {namespace}/a exists already"):
        api.create(CONFIG_MAPS, config_map("a"), namespace)
    with pytest.raises(Absent):
        api.replace(CONFIG_MAPS, "b", config_map("b"), namespace)
    with pytest.raises(Absent):
        api.patch(CONFIG_MAPS, "b", {"data": {}}, namespace)
    with pytest.raises(Terminating, match="there is no namespace nowhere"):
        api.create(CONFIG_MAPS, config_map("a"), "nowhere")


def test_a_kind_that_is_not_served_is_named(api: Api, namespace: str) -> None:
    odd = Resource(PUSH_SECRETS.group, "v9", PUSH_SECRETS.plural, PUSH_SECRETS.kind)
    for ask in (lambda: api.list(odd), lambda: api.get(odd, "a", namespace), lambda: api.create(odd, {}, namespace)):
        with pytest.raises(NoSuchKind, match=r"pushsecrets\.external-secrets\.io in version v9"):
            ask()


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": {"name": "a", "labels": {"x": f"{CANARY} with spaces"}}},
        {"metadata": {"name": "a", "annotations": {f"{CANARY} !": CANARY}}},
        {
            "metadata": {"name": "a"},
            "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": "e2Nhbg=="},
        },
        {"metadata": {"name": "a"}, "type": "kubernetes.io/tls", "data": {"tls.crt": "Y2FuYXJ5"}},
        {"metadata": {"name": "a"}, "data": {"a/b": "Y2FuYXJ5"}},
    ],
)
def test_an_invalid_secret_shows_fields_and_no_values(api: Api, namespace: str, body: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        api.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", **body}, namespace)
    assert refused.value.causes
    assert all(cause.reason for cause in refused.value.causes)
    assert CANARY not in f"{refused.value} {refused.value.causes}"


@pytest.mark.parametrize("data", [CANARY, {"k": CANARY}, {"k": [CANARY]}, [CANARY]])
def test_an_unreadable_secret_is_not_quoted(api: Api, namespace: str, data: Any) -> None:
    with pytest.raises(Reject) as refused:
        api.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": data}, namespace)
    assert CANARY not in str(refused.value)


def test_whoever_may_not_is_told_the_rule(
    cluster: Cluster, settings: ClusterSettings, api: Api, namespace: str
) -> None:
    api.create(SERVICE_ACCOUNTS, {"metadata": {"name": "step"}}, namespace)
    token = cluster.service_account_token(namespace, "step")
    client = Api(replace(settings, credentials=StaticToken(SecretValue.of(token))))
    with pytest.raises(Unavailable, match=f"system:serviceaccount:{namespace}:step may not get secrets") as refused:
        client.get(SECRETS, "a", namespace)
    assert f"bound to ServiceAccount {namespace}/step" in refused.value.reason
    with pytest.raises(Unavailable, match="ClusterRole"):
        client.list(SECRETS)
    client.close()


def test_impersonation_is_somebody_else(settings: ClusterSettings, namespace: str) -> None:
    client = Api(replace(settings, impersonate={"Impersonate-User": "jane"}))
    with pytest.raises(Unavailable, match="jane may not get secrets"):
        client.get(SECRETS, "a", namespace)
    client.close()


def test_a_namespace_that_ends_is_named(cluster: Cluster, api: Api) -> None:
    name = cluster.create_namespace()
    body = config_map("held")
    body["metadata"]["finalizers"] = ["lockstep.dev/test"]
    api.create(CONFIG_MAPS, body, name)
    cluster.delete_namespace(name)
    with pytest.raises(Terminating, match=f"namespace {name} is being deleted"):
        api.create(CONFIG_MAPS, config_map("late"), name)
    left = api.delete(CONFIG_MAPS, "held", name)
    assert left is not None
    assert left["metadata"]["finalizers"] == ["lockstep.dev/test"]
    api.patch(CONFIG_MAPS, "held", {"metadata": {"finalizers": []}}, name)


# --- identity -----------------------------------------------------------------------------------------------------


def test_a_refused_token_is_read_anew_once(
    settings: ClusterSettings, namespace: str, tmp_path: Path, cluster: Cluster, calls: Calls
) -> None:
    path = tmp_path / "token"
    path.write_text("outdated")
    file = TokenFile(path)
    client = Api(replace(settings, credentials=file), calls)
    with pytest.raises(Unavailable, match="projected token"):
        client.get(SECRETS, "a", namespace)
    assert calls == [("get", "secrets")]  # the file holds nothing else to try
    path.write_text(cluster.admin_token)
    assert client.get(SECRETS, "a", namespace) is None
    client.close()


class Renewing:
    """A token that is outdated until somebody complains."""

    def __init__(self, good: str) -> None:
        self._token, self._good = SecretValue.of("outdated"), SecretValue.of(good)

    def token(self) -> SecretValue | None:
        return self._token

    def certificate(self) -> None:
        return None

    def renew(self, refused: SecretValue | None) -> bool:
        changed = self._token != self._good
        self._token = self._good
        return changed


def test_a_write_goes_out_again_in_the_new_name(
    settings: ClusterSettings, namespace: str, cluster: Cluster, calls: Calls
) -> None:
    client = Api(replace(settings, credentials=Renewing(cluster.admin_token)), calls)
    client.create(CONFIG_MAPS, config_map("a"), namespace)
    assert calls == [("create", "configmaps")] * 2
    client.close()


def test_a_token_with_a_control_character_is_not_sent(settings: ClusterSettings, namespace: str) -> None:
    client = Api(replace(settings, credentials=StaticToken(SecretValue.of(f"{CANARY}\r\nX: y"))))
    with pytest.raises(Unavailable, match="control character") as refused:
        client.get(SECRETS, "a", namespace)
    assert CANARY not in str(refused.value)


# --- faults -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "kind"), [(429, Unavailable), (500, Unavailable), (503, Unavailable)])
def test_load_and_errors_are_waited_out(
    faulty: Api, proxy: FaultyProxy, namespace: str, status: int, kind: type[Unavailable]
) -> None:
    with proxy.failing(Fault(status=status, headers={"Retry-After": "3"})), pytest.raises(kind) as failed:
        faulty.get(SECRETS, "a", namespace)
    assert failed.value.after == 3
    assert proxy.met() == 1  # the client itself sends nothing again
    assert faulty.get(SECRETS, "a", namespace) is None


def test_a_dropped_read_is_sent_again_and_a_dropped_write_is_not(
    faulty: Api, proxy: FaultyProxy, namespace: str, calls: Calls
) -> None:
    proxy.fail(Fault(status=0, times=1))
    assert faulty.get(CONFIG_MAPS, "a", namespace) is None
    proxy.fail(Fault(status=0, times=1, forward=True))
    with pytest.raises(Unavailable, match="cannot reach the API server"):
        faulty.create(CONFIG_MAPS, config_map("a", k="1"), namespace)
    assert proxy.met() == 2
    assert calls == [("get", "configmaps"), ("get", "configmaps"), ("create", "configmaps")]
    with pytest.raises(Conflict, match="exists already"):  # its answer was lost, not the object
        faulty.create(CONFIG_MAPS, config_map("a", k="1"), namespace)


def test_what_is_no_api_server_is_told(faulty: Api, proxy: FaultyProxy, namespace: str) -> None:
    for fault, message in (
        (Fault(status=200, body=f"<html>{CANARY}".encode()), "what answers is no API server"),
        (Fault(status=200, body=f'["{CANARY}"]'.encode()), "what answers is no API server"),
        (Fault(status=302, headers={"Location": f"http://{CANARY}"}), "redirects"),
    ):
        with proxy.failing(fault), pytest.raises(Unavailable, match=message) as failed:
            faulty.get(SECRETS, "a", namespace)
        assert CANARY not in str(failed.value)


def test_an_answer_beyond_the_limit_is_refused(settings: ClusterSettings, api: Api, namespace: str) -> None:
    api.create(CONFIG_MAPS, config_map("a", k="x" * 5000), namespace)
    client = Api(replace(settings, max_response=4096))
    with pytest.raises(Unavailable, match="larger than 4096 bytes"):
        client.get(CONFIG_MAPS, "a", namespace)
    client.close()


def test_a_list_whose_continuation_expired_begins_anew(
    faulty: Api, proxy: FaultyProxy, namespace: str, calls: Calls
) -> None:
    for number in range(4):
        faulty.create(CONFIG_MAPS, config_map(f"n{number}"), namespace)
    calls.clear()
    gone = b'{"kind":"Status","reason":"Expired","code":410}'
    proxy.fail(Fault(status=410, body=gone, when=lambda request: "continue=" in request.path, times=1))
    found = faulty.list(CONFIG_MAPS, namespace, page=2, fields="metadata.name!=kube-root-ca.crt")
    assert [each["metadata"]["name"] for each in found.items] == ["n0", "n1", "n2", "n3"]
    proxy.fail(Fault(status=410, body=gone, when=lambda request: "continue=" in request.path))
    with pytest.raises(Unavailable, match="longer than the API server remembers"):
        faulty.list(CONFIG_MAPS, namespace, page=2)


def test_nobody_there_or_another_ca_says_where_to_look(settings: ClusterSettings, namespace: str) -> None:
    for changed in (replace(settings, server="https://127.0.0.1:1"), replace(settings, ca_file="")):
        client = Api(changed)
        with pytest.raises(Unavailable, match="check that it runs"):
            client.get(SECRETS, "a", namespace)
        client.close()
    with pytest.raises(Unavailable, match="cannot be loaded"):
        Api(replace(settings, ca_file="", ca=b"no PEM")).get(SECRETS, "a", namespace)
    unverified = Api(replace(settings, ca_file="", skip_verify=True))
    assert unverified.get(SECRETS, "a", namespace) is None
    unverified.close()


def test_a_frozen_and_a_restarted_api_server(own_cluster: Cluster) -> None:
    token = StaticToken(SecretValue.of(own_cluster.admin_token))
    client = Api(
        ClusterSettings(server=own_cluster.server, credentials=token, ca_file=str(own_cluster.ca), read_timeout=0.5)
    )
    patient = Api(replace(client.settings, read_timeout=30.0))
    patient.create(CONFIG_MAPS, config_map("a", k="1"), "default")
    own_cluster.pause()
    with pytest.raises(Unavailable, match="TimeoutError"):
        client.get(CONFIG_MAPS, "a", "default")
    own_cluster.resume()
    own_cluster.restart_apiserver()
    found = patient.get(CONFIG_MAPS, "a", "default")  # on a new connection: the kept one is dead
    assert found is not None
    assert found["data"] == {"k": "1"}
    own_cluster.stop_apiserver()
    with pytest.raises(Unavailable, match="cannot reach the API server"):
        patient.get(CONFIG_MAPS, "a", "default")
    client.close()
    patient.close()
