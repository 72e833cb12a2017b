"""The wiring as the cluster has it: every kind, every version, every mode; and what is missing."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from events.references import ManifestRef, PathRef, SecretRef
from functions._failures import Unavailable
from infra.kubernetes.api import Api
from infra.kubernetes.refusals import NoSuchKind
from infra.kubernetes.resources import Resource
from infra.kubernetes.watching import WatchEvent
from infra.testbed.cluster import Cluster
from infra.wiring.cluster import KIND_MISSING, ClusterWiring, cluster_feeds
from tests.eso import apply, client, external_body, external_spec, place, push_body, store_body
from tests.fakes.feeds import FakeFeed, FakeStream

DEADLINE = 60.0
PUSH = ManifestRef(kind="PushSecret", namespace="orders", name="push")
PULL = ManifestRef(kind="ExternalSecret", namespace="orders", name="pull")
PATH = PathRef(mount="secret", path="platform-data/postgres/orders")


def known(body: dict[str, Any], version: int = 5, **metadata: Any) -> dict[str, Any]:
    """An object as an API server has it."""
    uid = f"uid-{body['metadata']['name']}"
    bookkeeping = {"uid": uid, "resourceVersion": str(version), "generation": 1, "managedFields": [{"manager": "x"}]}
    return {**body, "metadata": {**body["metadata"], **bookkeeping, **metadata}}


def space(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name, **labels}}}


class Served:
    """Feeds by kind, or by kind and version; a kind that is not there is empty."""

    def __init__(self, **kinds: FakeFeed) -> None:
        self.kinds = kinds

    def __call__(self, resource: Resource) -> FakeFeed:
        return (
            self.kinds.get(f"{resource.kind}_{resource.version}") or self.kinds.get(resource.kind) or FakeFeed(([], 9))
        )


def holding(*bodies: dict[str, Any]) -> FakeFeed:
    return FakeFeed((list(bodies), 9))


@pytest.fixture
def follow() -> Iterator[Callable[..., ClusterWiring]]:
    running: list[ClusterWiring] = []

    def start(feeds: Callable[[Resource], Any], **more: Any) -> ClusterWiring:
        wiring = ClusterWiring(feeds, **more)
        running.append(wiring)
        wiring.start()
        assert wiring.wait_ready(DEADLINE)
        wiring.reload()
        return wiring

    yield start
    for wiring in running:
        wiring.stop()
        assert not wiring.alive()


Follow = Callable[..., ClusterWiring]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def served(store: dict[str, Any] | None = None, **more: FakeFeed) -> Served:
    feeds = {
        "Namespace": holding(space("orders", team="blue"), space("billing")),
        "ClusterSecretStore": holding(known(store or store_body("vault-backend"))),
        "PushSecret": holding(known(push_body("orders", "vault-backend"))),
        "ExternalSecret": holding(known(external_body("orders", "vault-backend", PATH.path))),
    }
    return Served(**feeds | more)


def test_the_kinds_become_one_index(follow: Follow) -> None:
    wiring = follow(served())
    assert [push.ref for push in wiring.producers_of_path(PATH)] == [PUSH]
    assert [one.ref for one in wiring.consumers_of_path(PATH)] == [PULL]
    assert [one.ref for one in wiring.consumer_of_target(SecretRef(namespace="orders", name="target"))] == [PULL]
    assert [push.ref for push in wiring.producers_of_source(SecretRef(namespace="orders", name="source"), {})] == [PUSH]
    assert wiring.problem(PUSH) is wiring.problem(PULL) is None
    assert wiring.mode(PUSH) == wiring.mode(PULL) == "own"
    assert wiring.complete()
    assert wiring.uid_of(PUSH) == "uid-push"
    assert not list(wiring.troubles())


@pytest.mark.parametrize(
    ("controller", "mode", "expected"),
    [("", "", "observe"), ("", "assist", "assist"), ("", "own", "observe"), ("other", "", "observe"),
     ("lockstep", "", "own"), ("lockstep", "observe", "own")],
)  # fmt: skip
def test_a_store_that_is_not_ours_is_seen_and_left_alone(
    follow: Follow, controller: str, mode: str, expected: str
) -> None:
    wiring = follow(served(store_body("vault-backend", controller=controller, mode=mode)))
    assert wiring.mode(PUSH) == wiring.mode(PULL) == expected
    assert [push.ref for push in wiring.producers_of_path(PATH)] == [PUSH], "status and diff still see it"
    assert (wiring.problem(PUSH) is None) is (expected == "own")
    assert (wiring.problem(PULL) is None) is (expected == "own")
    assert wiring.complete()


def test_a_store_that_is_not_there_is_for_others_to_serve(follow: Follow) -> None:
    namespaced = known(external_body("orders", "vault-backend", PATH.path, name="theirs"))
    namespaced["spec"] = {**namespaced["spec"], "secretStoreRef": {"name": "vault-backend", "kind": "SecretStore"}}
    pulls = holding(namespaced, known(external_body("orders", "nowhere", PATH.path)))
    wiring = follow(served(ExternalSecret=pulls))
    theirs = ManifestRef(kind="ExternalSecret", namespace="orders", name="theirs")
    assert wiring.mode(PULL) == wiring.mode(theirs) == "observe"
    assert "not there" in str(wiring.problem(PULL))
    assert "not to a ClusterSecretStore" in str(wiring.problem(theirs))


@pytest.mark.parametrize(
    ("conditions", "admitted"),
    [
        ([{"namespaces": ["orders"]}], True), ([{"namespaces": ["other"]}], False),
        ([{"namespaceRegexes": ["^ord"]}], True), ([{"namespaceSelector": {"matchLabels": {"team": "blue"}}}], True),
        ([{"namespaceSelector": {"matchLabels": {"team": "red"}}}], False),
        ([{"namespaceSelector": {"matchLabels": {"team": "red"}}}, {"namespaces": ["orders"]}], True),
    ],
)  # fmt: skip
def test_conditions_of_a_store_are_enforced(follow: Follow, conditions: list[Any], admitted: bool) -> None:
    wiring = follow(served(store_body("vault-backend", conditions=conditions)))
    for ref in (PUSH, PULL):
        problem = wiring.problem(ref)
        assert (problem is None) is admitted
        assert admitted or "does not admit namespace 'orders'" in str(problem)


def test_a_label_of_the_namespace_decides_anew(follow: Follow) -> None:
    selector = [{"namespaceSelector": {"matchLabels": {"team": "red"}}}]
    spaces = holding(known(space("orders", team="blue")))
    wiring = follow(served(store_body("vault-backend", conditions=selector), Namespace=spaces))
    assert wiring.problem(PUSH)
    until(lambda: spaces.open)
    assert spaces.open is not None
    spaces.open.push(WatchEvent("MODIFIED", known(space("orders", team="red"), version=20)))
    until(lambda: any(change.manifest == PUSH for change in wiring.reload()))
    assert wiring.problem(PUSH) is None


def test_a_guard_refuses_a_store(follow: Follow) -> None:
    wiring = follow(served(), guard=lambda store: f"{store.name} names a server that is not allowed")
    assert wiring.problem(PUSH) == "vault-backend names a server that is not allowed"


def test_a_kind_for_every_namespace_that_its_selectors_match(follow: Follow) -> None:
    body = {
        "apiVersion": "external-secrets.io/v1", "kind": "ClusterExternalSecret", "metadata": {"name": "everywhere"},
        "spec": {
            "externalSecretName": "pull", "externalSecretSpec": external_spec("vault-backend", "platform-data/x/y"),
            "namespaces": ["billing", "missing"], "namespaceSelectors": [{"matchLabels": {"team": "blue"}}],
            "refreshTime": "1m",
        },
    }  # fmt: skip
    wiring = follow(served(ClusterExternalSecret=holding(known(body))))
    refs = {one.ref: one for one in wiring.external_secrets()}
    other = ManifestRef(kind="ExternalSecret", namespace="billing", name="pull")
    assert refs.keys() == {PULL, other}
    assert refs[PULL].paths(wiring.mount) == (PATH,), "an object of that name has the namespace already"
    assert wiring.uid_of(other) is None


def test_a_namespace_that_is_being_deleted_gets_none(follow: Follow) -> None:
    body = {
        "apiVersion": "external-secrets.io/v1", "kind": "ClusterExternalSecret", "metadata": {"name": "everywhere"},
        "spec": {"externalSecretSpec": external_spec("vault-backend", "platform-data/x/y"), "namespaces": ["billing"]},
    }  # fmt: skip
    leaving = space("billing")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    wiring = follow(served(ClusterExternalSecret=holding(known(body)), Namespace=holding(space("orders"), leaving)))
    assert [one.ref for one in wiring.external_secrets()] == [PULL]
    assert [name for name in ("orders", "billing", "elsewhere") if wiring.gone(name)] == ["billing", "elsewhere"]


def test_where_namespaces_cannot_be_listed_none_is_known_to_be_gone(follow: Follow) -> None:
    wiring = follow(served(Namespace=FakeFeed(Unavailable("kubernetes", "may not list namespaces"))))
    assert not wiring.gone("orders")
    assert not wiring.gone("elsewhere")


def test_a_manifest_that_is_being_deleted_is_wired_no_more(follow: Follow) -> None:
    leaving = known(push_body("orders", "vault-backend"), deletionTimestamp="2026-01-01T00:00:00Z")
    wiring = follow(served(PushSecret=holding(leaving)))
    assert wiring.push_secret(PUSH) is None


def test_changes_are_told_once_and_a_status_is_none(follow: Follow) -> None:
    pushes = holding(known(push_body("orders", "vault-backend")))
    rung: list[None] = []
    wiring = follow(served(PushSecret=pushes), changed=lambda: rung.append(None))
    assert wiring.reload() == ()
    until(lambda: pushes.open)
    assert pushes.open is not None
    before, heard = wiring.push_secret(PUSH), len(rung)
    body = known(push_body("orders", "vault-backend"), version=20)
    pushes.open.push(WatchEvent("MODIFIED", {**body, "status": {"conditions": []}}))
    until(lambda: (held := wiring.held(PUSH)) is not None and held.version == "20")
    assert len(rung) == heard
    assert wiring.reload() == ()
    assert wiring.push_secret(PUSH) is before
    pushes.open.push(WatchEvent("MODIFIED", known(push_body("orders", "vault-backend", path="platform-data/a/b"), 21)))
    until(lambda: len(rung) > heard)
    assert [(change.manifest, change.change) for change in wiring.reload()] == [(PUSH, "changed")]


def test_made_again_under_another_uid_is_a_change(follow: Follow) -> None:
    pushes = holding(known(push_body("orders", "vault-backend")))
    wiring = follow(served(PushSecret=pushes))
    until(lambda: pushes.open)
    assert pushes.open is not None
    pushes.open.push(WatchEvent("MODIFIED", known(push_body("orders", "vault-backend"), 20, uid="another")))
    until(lambda: any(change.manifest == PUSH for change in wiring.reload()))
    assert wiring.uid_of(PUSH) == "another"


def test_what_cannot_be_read_keeps_what_it_was_and_retracts_nothing(follow: Follow) -> None:
    pushes = holding(known(push_body("orders", "vault-backend")))
    wiring = follow(served(PushSecret=pushes))
    until(lambda: pushes.open)
    assert pushes.open is not None
    broken = known(push_body("orders", "vault-backend"), 20)
    broken["spec"] = {**broken["spec"], "canary-7f3a": "x"}
    pushes.open.push(WatchEvent("MODIFIED", broken))
    until(lambda: wiring.reload() or wiring.snapshot().findings)
    assert wiring.push_secret(PUSH) is not None
    assert not wiring.complete()
    (finding,) = wiring.snapshot().findings
    assert (finding.file, finding.manifest) == ("PushSecret orders/push", PUSH)
    assert dict(wiring.snapshot().former) == {PUSH: finding}


def test_what_belongs_to_a_store_of_others_may_be_as_it_likes(follow: Follow) -> None:
    odd = known(push_body("orders", "theirs", name="odd"))
    odd["spec"] = {**odd["spec"], "aFieldOfTomorrow": 1}
    stores = holding(known(store_body("vault-backend")), known(store_body("theirs", controller="")))
    pushes = holding(known(push_body("orders", "vault-backend")), odd)
    wiring = follow(served(PushSecret=pushes, ClusterSecretStore=stores))
    assert wiring.complete()
    assert wiring.problem(PUSH) is None


def test_a_missing_kind_is_named_and_the_rest_works(follow: Follow) -> None:
    missing = FakeFeed(NoSuchKind("404"))
    wiring = follow(served(PushSecret=missing))
    assert [one.ref for one in wiring.external_secrets()] == [PULL]
    assert not wiring.complete()
    (finding,) = wiring.troubles()
    assert finding.rule is KIND_MISSING
    assert "pushsecrets.external-secrets.io (v1alpha1) is not served" in finding.message
    assert "CRDs" in finding.message


def test_a_kind_that_nobody_needs_may_be_missing(follow: Follow) -> None:
    wiring = follow(served(ClusterExternalSecret=FakeFeed(NoSuchKind("404"))))
    assert wiring.complete()


def test_a_kind_that_vanishes_keeps_what_was_known(follow: Follow) -> None:
    pushes = FakeFeed(([known(push_body("orders", "vault-backend"))], 9), NoSuchKind("404"))
    pushes.streams.extend([FakeStream([]), *[NoSuchKind("404")] * 1000])
    wiring = follow(served(PushSecret=pushes))
    until(lambda: pushes.open)
    assert pushes.open is not None
    pushes.open.push(None)
    until(lambda: not wiring.complete())
    wiring.reload()
    assert wiring.push_secret(PUSH) is not None


def test_an_older_version_of_the_api(follow: Follow) -> None:
    older = known(external_body("orders", "vault-backend", PATH.path))
    older["apiVersion"] = "external-secrets.io/v1beta1"
    feeds = served(ExternalSecret_v1=FakeFeed(NoSuchKind("404")), ExternalSecret_v1beta1=holding(older))
    wiring = follow(feeds)
    assert [one.ref for one in wiring.consumers_of_path(PATH)] == [PULL]
    assert wiring.complete()


def test_a_server_that_is_down_makes_it_incomplete_until_it_is_back(follow: Follow) -> None:
    pushes = holding(known(push_body("orders", "vault-backend")))
    down = Unavailable("kubernetes", "the API server is not reachable")
    wiring = follow(served(PushSecret=pushes))
    until(lambda: pushes.open)
    assert pushes.open is not None
    pushes.streams.extend([down] * 4)
    pushes.open.push(down)
    until(lambda: len(pushes.opened) >= 6)
    until(wiring.complete)
    assert [push.ref for push in wiring.push_secrets()] == [PUSH]


# --- a real API server, with External Secrets Operator's own definitions ----------------------------------------------


def test_in_a_cluster(eso_cluster: Cluster, namespace: str, store_name: str, api: Api, follow: Follow) -> None:
    path = PathRef(mount="secret", path=f"platform-data/postgres/{namespace}")
    apply(eso_cluster, store_body(store_name, conditions=[{"namespaceSelector": {"matchLabels": {"team": "blue"}}}]))
    push, pull = push_body(namespace, store_name), external_body(namespace, store_name, path.path)
    made = apply(eso_cluster, push)
    apply(eso_cluster, pull)
    wiring = follow(cluster_feeds(api))
    ref = ManifestRef(kind="PushSecret", namespace=namespace, name="push")
    assert [one.ref for one in wiring.producers_of_path(path)] == [ref]
    assert "does not admit" in str(wiring.problem(ref))
    assert wiring.uid_of(ref) == made["metadata"]["uid"]
    eso_cluster.admin.patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": {"team": "blue"}}})
    until(lambda: wiring.reload() and wiring.problem(ref) is None)
    eso_cluster.admin.delete(place(push))
    until(lambda: any((one.manifest, one.change) == (ref, "removed") for one in wiring.reload()))
    everywhere = {
        "apiVersion": "external-secrets.io/v1", "kind": "ClusterExternalSecret", "metadata": {"name": store_name},
        "spec": {
            "externalSecretSpec": external_spec(store_name, path.path),
            "namespaceSelectors": [{"matchLabels": {"kubernetes.io/metadata.name": namespace}}],
        },
    }  # fmt: skip
    apply(eso_cluster, everywhere)
    until(lambda: wiring.reload() and len(wiring.consumers_of_path(path)) == 2)
    eso_cluster.admin.delete(place(everywhere))
    until(lambda: wiring.reload() and len(wiring.consumers_of_path(path)) == 1)


def test_a_cluster_without_the_definitions_until_they_come(
    own_cluster: Cluster, eso_definitions: tuple[Any, ...], follow: Follow
) -> None:
    api = client(own_cluster)
    wiring = follow(cluster_feeds(api))
    try:
        kinds = {finding.file for finding in wiring.troubles()}
        assert kinds == {"PushSecret", "ExternalSecret", "ClusterSecretStore"}
        assert {finding.rule for finding in wiring.troubles()} == {KIND_MISSING}
        own_cluster.install(eso_definitions)
        apply(own_cluster, store_body("vault-backend"))
        until(lambda: wiring.reload() and wiring.mount("vault-backend") == "secret")
        until(lambda: not list(wiring.troubles()))
    finally:
        wiring.stop()
        api.close()
