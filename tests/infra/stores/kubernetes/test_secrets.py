"""What Kubernetes' own Secrets ask of the adapter beyond the ports' contract (tests/contracts/test_secrets.py)."""

import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from events.references import ManifestRef, SecretRef, Version
from functions._failures import Conflict, Reject, Retry, Unavailable
from functions._manifests.selector import LabelSelector
from functions._marks import CREATION_POLICY
from functions._ports import Secret, SecretContent
from functions._values import SecretValue
from infra.kubernetes.api import Api, Patch
from infra.kubernetes.refusals import Terminating
from infra.kubernetes.resources import SECRETS, Object
from infra.stores.kubernetes import marks
from infra.stores.kubernetes.secrets import KubernetesSecrets
from infra.testbed.cluster import Cluster
from tests.e2e.proxy import Fault, FaultyProxy
from tests.infra.stores.kubernetes_producers import api_for, encoded, secret_path

CANARY = "canary-c0de"
MIB = 1024 * 1024


@dataclass
class Place:
    """The adapter in a namespace of the test's own, and what it asked of the API server."""

    cluster: Cluster
    namespace: str
    api: Api
    secrets: KubernetesSecrets
    calls: list[tuple[str, str]]

    @property
    def ref(self) -> SecretRef:
        return SecretRef(namespace=self.namespace, name="db.credentials")

    @property
    def owner(self) -> str:
        return f"ExternalSecret {self.namespace}/db"

    def content(self, data: Mapping[str, bytes], policy: str = "Owner", **changes: Any) -> SecretContent:
        given: dict[str, Any] = {"stamp": {}, "owner": self.owner, "managed": frozenset(data), **changes}
        annotations = {CREATION_POLICY: policy, **given.pop("annotations", {})}
        values = {key: SecretValue(raw) for key, raw in data.items()}
        return SecretContent(data=values, annotations=annotations, **given)

    def raw(self, name: str = "") -> Object:
        found = self.api.get(SECRETS, name or self.ref.name, self.namespace)
        assert found is not None
        return found

    def patch(self, body: Object) -> None:
        """Somebody else changes it."""
        self.cluster.admin.patch(secret_path(self.namespace, self.ref.name), body)

    def state(self) -> str:
        head = self.secrets.head(self.ref)
        assert head is not None
        return head.state

    def raw_list_version(self) -> str:
        """The newest resource version of all Secrets here."""
        return self.api.list(SECRETS, self.namespace).resource_version

    def counted(self, since: int) -> list[str]:
        return [verb for verb, _ in self.calls[since:]]


def uid_of(ref: ManifestRef) -> str | None:
    """No owner: the cluster deletes what names one that does not exist."""
    return None


@pytest.fixture
def place(cluster: Cluster, namespace: str) -> Iterator[Place]:
    calls: list[tuple[str, str]] = []
    api = api_for(cluster, on_call=lambda verb, resource: calls.append((verb, resource)))
    yield Place(cluster, namespace, api, KubernetesSecrets(api, uid_of), calls)
    api.close()


# --- calls --------------------------------------------------------------------------------------------------------


def test_every_operation_is_one_call(place: Place) -> None:
    assert place.secrets.read(place.ref) is None
    state = place.secrets.create(place.ref, place.content({"k": b"1"}))
    state = place.secrets.update(place.ref, place.content({"k": b"2"}), state)
    assert place.secrets.read(place.ref) is not None
    state = place.secrets.update(place.ref, place.content({"k": b"3"}), state)
    assert place.secrets.head(place.ref) is not None
    place.secrets.delete(place.ref, state)
    assert place.calls == [
        (verb, "secrets") for verb in ("get", "create", "update", "get", "update", "get", "delete")
    ]  # fmt: skip


class Asked(Api):
    """Notes how new what is read beside others has to be."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.floors: list[str] = []

    @contextmanager
    def getting(self, *given: Any, not_older: str = "", **more: Any) -> Iterator[Callable[[], Object | None]]:
        self.floors.append(not_older)
        with super().getting(*given, not_older=not_older, **more) as found:
            yield found


@pytest.fixture
def asked(place: Place) -> Iterator[Asked]:
    api = Asked(place.api.settings, place.api.on_call)
    yield api
    api.close()


def beside(secrets: KubernetesSecrets, ref: SecretRef) -> Secret | None:
    with secrets.reading(ref) as found:
        return found()


def version_in(state: str) -> str:
    return state.partition("/")[2]


def test_what_is_read_beside_others_is_as_new_as_all_that_is_known_of_it(place: Place, asked: Asked) -> None:
    told = [""]
    secrets = KubernetesSecrets(asked, uid_of, told=lambda _: told[0])
    first = secrets.create(place.ref, place.content({"k": b"1"}))
    beside(secrets, place.ref)
    told[0] = version_in(first)
    second = secrets.update(place.ref, place.content({"k": b"2"}), first)
    found = beside(secrets, place.ref)
    assert found is not None
    assert (found.state, found.data["k"].reveal()) == (second, b"2"), "what was written here is seen here"
    place.patch({"data": encoded({"k": b"3"})})
    told[0] = place.raw()["metadata"]["resourceVersion"]
    found = beside(secrets, place.ref)
    assert found is not None
    assert found.data["k"].reveal() == b"3", "what was told of is seen"
    assert asked.floors == ["", version_in(second), told[0]]
    assert place.counted(0).count("get") == 4, "each is one call; one is the test's own"


def test_what_was_published_from_it_is_as_old_as_it_may_be(place: Place, asked: Asked) -> None:
    """By another process: this one read nothing yet, so that else it would ask for the newest."""
    first = place.secrets.create(place.ref, place.content({"k": b"1"}))
    second = place.secrets.update(place.ref, place.content({"k": b"2"}), first)
    secrets = KubernetesSecrets(asked, uid_of, told=lambda _: version_in(first))
    beside(secrets, SecretRef(namespace=place.namespace, name="other"))
    secrets.published({str(place.ref): second, f"{place.namespace}/other": "garbled"})
    found = beside(secrets, place.ref)
    assert found is not None
    assert found.state == second
    assert asked.floors == ["", version_in(second)]


def test_of_reads_side_by_side_the_older_may_end_last(place: Place, asked: Asked) -> None:
    secrets = KubernetesSecrets(asked, uid_of, told=lambda _: "1")
    first = secrets.create(place.ref, place.content({"k": b"1"}))
    second = secrets.update(place.ref, place.content({"k": b"2"}), first)
    secrets.published({str(place.ref): first})
    beside(secrets, place.ref)
    assert asked.floors == [version_in(second)]


def test_what_is_gone_is_found_to_be(place: Place) -> None:
    state = place.secrets.create(place.ref, place.content({"k": b"1"}))
    secrets = KubernetesSecrets(place.api, uid_of, told=lambda _: version_in(state))
    assert beside(secrets, place.ref) is not None
    assert beside(secrets, place.ref) is not None
    place.secrets.delete(place.ref, state)
    watched = place.raw_list_version()
    secrets.published({str(place.ref): f"gone/{watched}"})
    assert beside(secrets, place.ref) is None


def test_a_version_that_the_server_does_not_know_is_not_waited_for_in_vain(place: Place) -> None:
    """As after etcd was restored: then the newest is what it has."""
    state = place.secrets.create(place.ref, place.content({"k": b"1"}))
    secrets = KubernetesSecrets(place.api, uid_of, told=lambda _: str(int(version_in(state)) + 10**9))
    secrets.read(place.ref)
    found = beside(secrets, place.ref)
    assert found is not None
    assert found.state == state


def test_what_another_process_read_is_looked_at_again_before_it_is_replaced(place: Place) -> None:
    state = place.secrets.create(place.ref, place.content({"k": b"1"}))
    place.patch({"metadata": {"finalizers": ["lockstep.dev/test"]}})
    state = place.state()
    other = KubernetesSecrets(place.api, uid_of)
    since = len(place.calls)
    other.update(place.ref, place.content({"k": b"2"}), state)
    assert place.counted(since) == ["get", "update"]
    assert place.raw()["metadata"]["finalizers"] == ["lockstep.dev/test"]
    with pytest.raises(Conflict):
        KubernetesSecrets(place.api, uid_of).update(place.ref, place.content({"k": b"3"}), state)
    place.patch({"metadata": {"finalizers": None}})


def test_neither_heads_nor_selections_nor_writes_bring_values_back(place: Place) -> None:
    answers: list[Object] = []

    class Listening(Api):
        def _send(self, request: Any) -> Object:
            answers.append(super()._send(request))
            return answers[-1]

    listening = Listening(place.api.settings)
    secrets = KubernetesSecrets(listening, uid_of)
    secrets.create(place.ref, place.content({"k": CANARY.encode()}, labels={"a": "b"}))
    head = secrets.head(place.ref)
    assert head is not None
    secrets.select(place.namespace, LabelSelector(match_labels={"a": "b"}))
    secrets.update(place.ref, place.content({"k": CANARY.encode()}), head.state)
    secrets.delete(place.ref, place.state())
    listening.close()
    assert len(answers) == 5
    assert encoded({"k": CANARY.encode()})["k"] not in json.dumps(answers)


def test_of_thousands_only_the_wired_ones_cross_the_wire(place: Place) -> None:
    def make(number: int) -> None:
        metadata = {"name": f"n{number}", "labels": {"wired": "yes"} if number % 30 == 0 else {}}
        place.api.create(SECRETS, {"metadata": metadata, "data": encoded({"k": b"v"})}, place.namespace)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(300)))
    since = len(place.calls)
    found = place.secrets.select(place.namespace, LabelSelector(match_labels={"wired": "yes"}))
    assert place.counted(since) == ["list"]
    assert [ref.name for ref in found] == sorted(f"n{number}" for number in range(0, 300, 30))
    since = len(place.calls)
    listing = place.api.list(SECRETS, place.namespace, metadata_only=True, page=100)
    assert place.counted(since) == ["list"] * 3
    assert len(listing.items) == 300
    assert all("data" not in each for each in listing.items)


# --- marks --------------------------------------------------------------------------------------------------------


def test_what_is_written_is_marked_and_steps_see_no_marks(place: Place) -> None:
    version = Version(number=3, created=datetime(2026, 1, 2, tzinfo=UTC))
    made = place.content({"k": b"1"}, stamp={"secret/db": version}, labels={"app": "db"}, annotations={"note": "n"})
    place.secrets.create(place.ref, made)
    raw = place.raw()["metadata"]
    assert raw["labels"] == {"app": "db", "app.kubernetes.io/managed-by": "lockstep"}
    assert raw["annotations"] == {
        "note": "n", "lockstep.dev/creation-policy": "Owner", "lockstep.dev/owner": place.owner,
        "lockstep.dev/managed-keys": '["k"]',
        "lockstep.dev/stamp": '{"secret/db":{"number":3,"created":"2026-01-02T00:00:00Z","id":""}}',
    }  # fmt: skip
    assert {entry["manager"] for entry in raw["managedFields"]} == {"lockstep"}
    found, head = place.secrets.read(place.ref), place.secrets.head(place.ref)
    assert found
    assert head
    for each in (found, head):
        assert dict(each.labels) == {"app": "db"}
        assert dict(each.annotations) == {"note": "n", CREATION_POLICY: "Owner"}
        assert (dict(each.stamp), each.owner) == ({"secret/db": version}, place.owner)


def test_only_what_we_made_says_that_we_manage_it(place: Place) -> None:
    place.cluster.admin.post(secret_path(place.namespace), {"metadata": {"name": place.ref.name}})
    place.secrets.update(place.ref, place.content({"k": b"1"}, "Merge"), place.state())
    raw = place.raw()["metadata"]
    assert "labels" not in raw
    assert "ownerReferences" not in raw


def test_kubectls_own_note_of_the_whole_object_is_shown_to_nobody(place: Place) -> None:
    note = {marks.LAST_APPLIED: json.dumps({"data": {"theirs": CANARY}})}
    body = {"metadata": {"name": place.ref.name, "annotations": note}, "data": encoded({"theirs": b"t"})}
    place.cluster.admin.post(secret_path(place.namespace), body)
    found, head = place.secrets.read(place.ref), place.secrets.head(place.ref)
    assert CANARY not in f"{found!r} {head!r}"
    state = place.secrets.update(
        place.ref, place.content({"theirs": b"t", "k": b"1"}, "Merge", managed=frozenset("k")), place.state()
    )
    assert place.raw()["metadata"]["annotations"][marks.LAST_APPLIED] == note[marks.LAST_APPLIED]
    place.secrets.update(place.ref, place.content({"k": b"1"}), state)  # ours as a whole: it would outlive its value
    assert marks.LAST_APPLIED not in place.raw()["metadata"]["annotations"]


def test_what_others_put_on_a_secret_of_ours_stays_and_is_no_difference(place: Place) -> None:
    made = place.content({"k": b"1"}, labels={"ours": "1"}, annotations={"note": "1"})
    place.secrets.create(place.ref, made)
    theirs = {"example.com/tracking": "x"}
    place.patch({"metadata": {"finalizers": ["example.com/hold"], "labels": theirs, "annotations": theirs}})
    found, head = place.secrets.read(place.ref), place.secrets.head(place.ref)
    assert found
    assert head
    assert (dict(found.labels), dict(found.annotations)) == (dict(made.labels), dict(made.annotations))
    assert dict(head.labels) == {"ours": "1", **theirs}
    place.secrets.update(place.ref, place.content({"k": b"2"}, labels={"new": "2"}), found.state)
    raw = place.raw()["metadata"]
    assert raw["finalizers"] == ["example.com/hold"]
    assert raw["labels"] == {"new": "2", marks.MANAGED_BY: "lockstep", **theirs}
    assert {name for name in raw["annotations"] if "lockstep.dev" not in name} == set(theirs)
    place.patch({"metadata": {"finalizers": None}})


def test_what_we_write_and_others_wrote_before_becomes_ours_and_what_we_carry_on_does_not(place: Place) -> None:
    theirs = {"metadata": {"name": place.ref.name, "labels": {"a": "1", "b": "1"}}, "data": encoded({"t": b"t"})}
    place.cluster.admin.post(secret_path(place.namespace), theirs)
    merged = place.content({"t": b"t", "k": b"1"}, "Merge", managed=frozenset("k"), labels={"a": "1", "b": "1"})
    place.secrets.update(place.ref, merged, place.state())
    found = place.secrets.read(place.ref)
    assert found
    assert dict(found.labels) == {}  # carried on
    place.secrets.update(place.ref, place.content({"k": b"1"}, "Merge", labels={"a": "1"}), found.state)
    found = place.secrets.read(place.ref)
    assert found
    assert dict(found.labels) == {"a": "1"}
    assert place.raw()["metadata"]["labels"] == {"a": "1", "b": "1"}
    place.secrets.update(place.ref, place.content({"k": b"1"}, "Merge"), found.state)
    assert place.raw()["metadata"]["labels"] == {"b": "1"}


def test_a_mark_that_somebody_changed_is_written_again(place: Place) -> None:
    made = place.content({"k": b"1"}, labels={"ours": "1"})
    place.secrets.create(place.ref, made)
    place.patch({"metadata": {"labels": {"ours": "changed"}}})
    found = place.secrets.read(place.ref)
    assert found
    assert dict(found.labels) == {}  # which differs from what is wanted
    place.secrets.update(place.ref, made, found.state)
    found = place.secrets.read(place.ref)
    assert found
    assert dict(found.labels) == {"ours": "1"}


# --- drift --------------------------------------------------------------------------------------------------------


def drifted(place: Place) -> bool:
    found, head = place.secrets.read(place.ref), place.secrets.head(place.ref)
    assert found
    assert head
    assert found.drifted == head.drifted
    return head.drifted


def test_only_changes_of_our_keys_are_drift(place: Place) -> None:
    place.secrets.create(place.ref, place.content({"k": b"1", "j": b"2"}))
    assert not drifted(place)
    place.patch({"metadata": {"annotations": {"theirs": "x"}}, "data": encoded({"other": b"3"})})
    assert not drifted(place)
    place.patch({"data": encoded({"k": b"1"})})  # what it is already
    assert not drifted(place)
    place.patch({"data": {"j": None}})
    assert drifted(place)
    place.secrets.update(place.ref, place.content({"k": b"1", "j": b"2"}), place.state())
    assert not drifted(place)


def test_a_key_that_somebody_changed_to_what_it_becomes_is_ours_again(place: Place) -> None:
    place.secrets.create(place.ref, place.content({"k": b"1"}))
    place.patch({"data": encoded({"k": b"2"})})
    assert drifted(place)
    place.secrets.update(place.ref, place.content({"k": b"2"}), place.state())
    assert not drifted(place)


def test_what_another_tool_made_is_taken_over_without_a_change_of_data(place: Place) -> None:
    eso = Api(place.api.settings, field_manager="externalsecrets.external-secrets.io/db")
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": place.ref.name}, "data": encoded({"k": b"1"})}
    eso.patch(SECRETS, place.ref.name, body, place.namespace, strategy=Patch.APPLY)
    place.secrets.update(place.ref, place.content({"k": b"1"}), place.state())
    assert not drifted(place)
    eso.patch(SECRETS, place.ref.name, {**body, "data": encoded({"k": b"2"})}, place.namespace,
              strategy=Patch.APPLY, force=True)  # fmt: skip
    eso.close()
    assert drifted(place)


def test_a_gitops_controller_that_takes_our_marks_away_is_drift(place: Place) -> None:
    place.secrets.create(place.ref, place.content({"k": b"1", "j": b"2"}))
    place.patch({"metadata": {"annotations": {marks.OWNER: None}}})
    found = place.secrets.read(place.ref)
    assert found
    assert (found.owner, found.drifted, found.managed) == ("", True, frozenset("kj"))
    place.patch({"metadata": {"annotations": {marks.OWNER: place.owner, marks.MANAGED_KEYS: None}}})
    found = place.secrets.read(place.ref)
    assert found
    assert (found.owner, found.drifted, found.managed) == (place.owner, True, frozenset("kj"))
    place.patch({"metadata": {"annotations": {marks.MANAGED_KEYS: '["k"]', marks.STAMP: "{garbled"}}})
    found = place.secrets.read(place.ref)
    assert found
    assert (found.drifted, dict(found.stamp)) == (False, {})


def test_a_replaced_whole_is_drift(place: Place) -> None:
    place.secrets.create(place.ref, place.content({"k": b"1"}))
    body = {"metadata": {"name": place.ref.name}, "data": encoded({"k": b"9"})}
    place.cluster.admin.put(secret_path(place.namespace, place.ref.name), body)
    found = place.secrets.read(place.ref)
    assert found
    assert (found.owner, found.managed) == ("", frozenset())
    assert not found.drifted  # nothing of ours is in it any more: it is somebody else's


def test_somebody_who_clears_the_managers_leaves_drift(place: Place) -> None:
    place.secrets.create(place.ref, place.content({"k": b"1"}))
    place.patch({"metadata": {"managedFields": [{}]}})
    assert drifted(place)
    place.secrets.update(place.ref, place.content({"k": b"1"}), place.state())
    assert not drifted(place)


# --- what Kubernetes never changes --------------------------------------------------------------------------------


def test_another_type_needs_deletion_first(place: Place) -> None:
    state = place.secrets.create(place.ref, place.content({"k": CANARY.encode()}))
    with pytest.raises(Reject, match=r"another type.*delete it, and it is made anew") as refused:
        place.secrets.update(place.ref, place.content({"username": b"u"}, type="kubernetes.io/basic-auth"), state)
    assert CANARY not in str(refused.value)
    assert place.state() == state
    place.secrets.delete(place.ref, state)
    place.secrets.create(place.ref, place.content({"username": b"u"}, type="kubernetes.io/basic-auth"))


def test_an_immutable_secret_needs_deletion_first(place: Place) -> None:
    state = place.secrets.create(place.ref, place.content({"k": CANARY.encode()}, immutable=True))
    found = place.secrets.read(place.ref)
    assert found
    assert found.immutable
    with pytest.raises(Reject, match="is immutable: delete it") as refused:
        place.secrets.update(place.ref, place.content({"k": f"{CANARY}2".encode()}, immutable=True), state)
    assert CANARY not in str(refused.value)


def test_an_invalid_secret_shows_no_value(place: Place) -> None:
    bad: list[dict[str, Any]] = [
        {"labels": {"x": f"{CANARY} with spaces"}}, {"annotations": {f"{CANARY}!": CANARY}},
        {"type": "kubernetes.io/dockerconfigjson"}, {"type": "kubernetes.io/tls"},
    ]  # fmt: skip
    for number, changes in enumerate(bad):
        ref = SecretRef(namespace=place.namespace, name=f"bad-{number}")
        data = {".dockerconfigjson": CANARY.encode()}
        with pytest.raises(Reject) as refused:
            place.secrets.create(ref, place.content(data, **changes))
        assert CANARY not in f"{refused.value!r} {refused.value}"
        assert place.secrets.read(ref) is None


# --- names, sizes, bytes ------------------------------------------------------------------------------------------


def test_a_mebibyte_of_binary_data_fits_and_more_is_never_sent(place: Place) -> None:
    data = {"half": bytes(range(256)) * (MIB // 512), "rest": b"\xff" * (MIB // 2)}
    state = place.secrets.create(place.ref, place.content(data))
    found = place.secrets.read(place.ref)
    assert found
    assert {key: value.reveal() for key, value in found.data.items()} == data
    since = len(place.calls)
    with pytest.raises(Reject, match=f"{MIB + 1} bytes"):
        place.secrets.update(place.ref, place.content({**data, "more": b"x"}), state)
    assert place.counted(since) == []


def test_dotted_and_long_names_and_unicode_beside_them(place: Place) -> None:
    ref = SecretRef(namespace=place.namespace, name=".".join(["a" * 62] * 4))
    made = place.content({".hidden": b"1", "k" * 253: "schlüssel ✓".encode()}, annotations={"note": "größe ✓\n"})
    place.secrets.create(ref, made)
    found = place.secrets.read(ref)
    assert found
    assert found.annotations["note"] == "größe ✓\n"
    assert found.data["k" * 253].reveal().decode() == "schlüssel ✓"


# --- between reading and writing ----------------------------------------------------------------------------------


def test_what_was_deleted_and_made_again_is_not_what_was_read(place: Place) -> None:
    first = place.secrets.create(place.ref, place.content({"k": b"1"}))
    place.cluster.admin.delete(secret_path(place.namespace, place.ref.name))
    with pytest.raises(Conflict):
        place.secrets.update(place.ref, place.content({"k": b"2"}), first)
    place.secrets.delete(place.ref, first)  # absent already
    body = {"metadata": {"name": place.ref.name}, "data": encoded({"k": b"theirs"})}
    place.cluster.admin.post(secret_path(place.namespace), body)
    with pytest.raises(Conflict):
        place.secrets.update(place.ref, place.content({"k": b"2"}), first)
    with pytest.raises(Conflict):
        place.secrets.delete(place.ref, first)
    assert place.raw()["data"] == encoded({"k": b"theirs"})
    for odd in ("", "some-state", "/", "uid/", "/7"):
        with pytest.raises(Conflict):
            place.secrets.delete(place.ref, odd)
        with pytest.raises(Conflict):
            place.secrets.update(place.ref, place.content({"k": b"2"}), odd)


def test_finalizers_hold_a_deleted_secret_and_are_named(place: Place) -> None:
    place.secrets.create(place.ref, place.content({"k": b"1"}))
    place.patch({"metadata": {"finalizers": ["example.com/hold"]}})
    with pytest.raises(Retry, match=r"marked for deletion and held by finalizers \(example\.com/hold\)"):
        place.secrets.delete(place.ref, place.state())
    assert place.secrets.read(place.ref) is not None
    since = len(place.calls) + 1
    with pytest.raises(Retry, match=r"is being deleted and held by finalizers \(example\.com/hold\)"):
        place.secrets.update(place.ref, place.content({"k": b"2"}), place.state())
    assert place.counted(since) == []
    with pytest.raises(Conflict):
        place.secrets.create(place.ref, place.content({"k": b"2"}))
    place.patch({"metadata": {"finalizers": None}})
    assert place.secrets.read(place.ref) is None


def test_a_namespace_that_ends_or_is_not_there_takes_nothing(place: Place) -> None:
    ending = place.cluster.create_namespace()
    held = {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}}
    place.cluster.admin.post(secret_path(ending), held)
    place.cluster.delete_namespace(ending)
    with pytest.raises(Terminating, match="is being deleted"):
        place.secrets.create(SecretRef(namespace=ending, name="a"), place.content({"k": b"1"}))
    place.cluster.admin.patch(secret_path(ending, "held"), {"metadata": {"finalizers": None}})
    nowhere = SecretRef(namespace="there-is-none", name="a")
    with pytest.raises(Terminating, match="there is no namespace"):
        place.secrets.create(nowhere, place.content({"k": b"1"}))
    assert place.secrets.read(nowhere) is None
    assert place.secrets.select("there-is-none", LabelSelector()) == ()


def test_lost_answers_are_found_out_by_reading_again(place: Place) -> None:
    trust = ssl.create_default_context(cafile=str(place.cluster.ca))
    with FaultyProxy(place.cluster.server, trust) as proxy:
        api = Api(replace(place.api.settings, server=proxy.address, ca_file=""))
        secrets = KubernetesSecrets(api, uid_of)
        lost = Fault(status=0, times=1, forward=True)
        proxy.fail(lost)
        with pytest.raises(Unavailable):
            secrets.create(place.ref, place.content({"k": b"1"}))
        with pytest.raises(Conflict):
            secrets.create(place.ref, place.content({"k": b"1"}))
        found = secrets.read(place.ref)
        assert found
        assert found.data["k"].reveal() == b"1"
        proxy.fail(lost)
        with pytest.raises(Unavailable):
            secrets.update(place.ref, place.content({"k": b"2"}), found.state)
        with pytest.raises(Conflict):
            secrets.update(place.ref, place.content({"k": b"2"}), found.state)
        found = secrets.read(place.ref)
        assert found
        assert found.data["k"].reveal() == b"2"
        proxy.fail(lost)
        with pytest.raises(Unavailable):
            secrets.delete(place.ref, found.state)
        secrets.delete(place.ref, found.state)  # it is gone
        for status in (409, 429, 500):
            proxy.fail(Fault(status=status, times=1, body=b'{"kind":"Status"}', headers={"Retry-After": "1"}))
            with pytest.raises((Conflict, Unavailable)):
                secrets.create(place.ref, place.content({"k": b"1"}))
        api.close()
    assert place.secrets.read(place.ref) is None
