"""What every adapter of SourceSecrets and TargetSecrets does."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.references import SecretRef, Version
from functions._failures import Conflict, Reject
from functions._manifests.selector import LabelSelector
from functions._ports import SecretContent, SourceSecrets, TargetSecrets
from functions._values import SecretValue
from infra.stores.directory import DirectorySecrets
from infra.testbed.cluster import Cluster
from tests.fakes.secrets import FakeSecrets
from tests.infra.stores import directory_producers as producers
from tests.infra.stores.kubernetes_producers import ElsewhereSecrets

REF = SecretRef(namespace="temporal", name="db-credentials")
OTHER = SecretRef(namespace="temporal", name="other")
ELSEWHERE = SecretRef(namespace="backstage", name="db-credentials")
OWNER = "ExternalSecret temporal/db"
MIB = 1024 * 1024


class Secrets(SourceSecrets, TargetSecrets, Protocol):
    """Both ports in one adapter."""


@dataclass
class Store:
    """An adapter, and what somebody else does to the same Secrets."""

    secrets: Secrets
    put: Callable[[SecretRef, Mapping[str, bytes], Mapping[str, str]], object]
    drift: Callable[[SecretRef, str, bytes], object]
    remove: Callable[[SecretRef], None]


@pytest.fixture(params=["fake", "directory", "kubernetes"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "fake":
        fake = FakeSecrets()
        yield Store(fake, lambda ref, data, labels: fake.put(ref, data, labels=labels), fake.drift, fake.remove)
    elif request.param == "directory":
        yield Store(
            DirectorySecrets(tmp_path),
            lambda ref, data, labels: producers.swap(tmp_path, ref, data, labels),
            lambda ref, key, raw: (producers.place(tmp_path, ref) / key).write_bytes(raw),
            lambda ref: producers.remove(tmp_path, ref),
        )
    else:
        cluster: Cluster = request.getfixturevalue("cluster")
        names = {name: cluster.create_namespace() for name in (REF.namespace, ELSEWHERE.namespace)}
        real = ElsewhereSecrets(cluster, names)
        yield Store(real, real.put, real.drift, real.remove)
        for name in names.values():
            cluster.delete_namespace(name)


def content(data: Mapping[str, bytes], **changes: object) -> SecretContent:
    values = {key: SecretValue(raw) for key, raw in data.items()}
    given_: dict[str, object] = {"stamp": {}, "owner": OWNER, "managed": frozenset(data), **changes}
    return SecretContent(data=values, **given_)  # type: ignore[arg-type]  # keyword arguments of many types


def data_of(secrets: Secrets, ref: SecretRef) -> dict[str, bytes] | None:
    found = secrets.read(ref)
    return None if found is None else {key: value.reveal() for key, value in found.data.items()}


def state_of(secrets: Secrets, ref: SecretRef) -> str:
    head = secrets.head(ref)
    assert head is not None
    return head.state


# --- reading what others wrote ------------------------------------------------------------------------------------


def test_what_is_not_there_is_none(store: Store) -> None:
    assert store.secrets.read(REF) is None
    assert store.secrets.head(REF) is None


def test_a_producers_secret_is_read_as_it_is_and_is_nobodys_of_ours(store: Store) -> None:
    store.put(REF, {"username": b"temporal", "tls.crt": b"\x00\xff", "empty": b""}, {"app": "db"})
    found = store.secrets.read(REF)
    assert found is not None
    assert data_of(store.secrets, REF) == {"username": b"temporal", "tls.crt": b"\x00\xff", "empty": b""}
    assert (found.ref, found.owner, found.managed, found.drifted) == (REF, "", frozenset(), False)
    assert (found.type, dict(found.labels), found.immutable, dict(found.stamp)) == ("Opaque", {"app": "db"}, False, {})


def test_read_and_head_agree(store: Store) -> None:
    store.put(REF, {"password": b"A"}, {"app": "db"})
    found, head = store.secrets.read(REF), store.secrets.head(REF)
    assert found
    assert head
    assert (found.state, dict(found.labels), found.owner) == (head.state, dict(head.labels), head.owner)


def test_the_state_stays_while_nothing_changes(store: Store) -> None:
    store.put(REF, {"password": b"A"}, {})
    assert len({state_of(store.secrets, REF) for _ in range(3)}) == 1


def test_the_state_differs_whenever_the_content_does_even_if_it_comes_back(store: Store) -> None:
    states = []
    for raw in (b"A", b"B", b"A"):
        store.put(REF, {"password": raw}, {})
        states.append(state_of(store.secrets, REF))
    assert len(set(states)) == 3


def test_a_change_in_place_changes_the_state(store: Store) -> None:
    store.put(REF, {"password": b"A"}, {})
    before = state_of(store.secrets, REF)
    store.drift(REF, "password", b"BB")
    assert state_of(store.secrets, REF) != before
    assert data_of(store.secrets, REF) == {"password": b"BB"}


def test_a_removed_secret_is_gone(store: Store) -> None:
    store.put(REF, {"password": b"A"}, {})
    store.remove(REF)
    assert store.secrets.read(REF) is None
    assert store.secrets.head(REF) is None


def test_select_finds_by_labels_in_one_namespace_ordered_by_name(store: Store) -> None:
    for ref, labels in ((REF, {"app": "db"}), (OTHER, {"app": "web"}), (ELSEWHERE, {"app": "db"})):
        store.put(ref, {"k": b"v"}, labels)
    assert store.secrets.select("temporal", LabelSelector(match_labels={"app": "db"})) == (REF,)
    assert store.secrets.select("temporal", LabelSelector()) == (REF, OTHER)
    assert store.secrets.select("temporal", LabelSelector(match_labels={"app": "none"})) == ()
    assert store.secrets.select("nowhere", LabelSelector()) == ()


# --- writing ------------------------------------------------------------------------------------------------------


def test_what_is_created_is_read_back_with_all_its_metadata(store: Store) -> None:
    version = Version(number=7, created=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), id="abc")
    made = content(
        {"password": b"p", "binary": bytes(range(256)), "empty": b"", "tls.crt": b"c", "_-.x": b"odd"},
        managed=frozenset({"password", "binary"}), stamp={"secret/db/credentials": version},
        type="kubernetes.io/basic-auth", labels={"app": "db"}, annotations={"note": "ünïcode\nand lines"},
    )  # fmt: skip
    state = store.secrets.create(REF, made)
    found, head = store.secrets.read(REF), store.secrets.head(REF)
    assert found
    assert head
    assert {key: value.reveal() for key, value in found.data.items()} == {
        "password": b"p", "binary": bytes(range(256)), "empty": b"", "tls.crt": b"c", "_-.x": b"odd",
    }  # fmt: skip
    assert (found.state, found.type, found.owner, found.managed) == (state, made.type, OWNER, made.managed)
    assert (dict(found.labels), dict(found.annotations)) == (made.labels, made.annotations)
    assert dict(found.stamp) == dict(head.stamp) == {"secret/db/credentials": version}
    assert (head.state, head.owner, head.drifted, found.drifted) == (state, OWNER, False, False)


def test_an_empty_secret_is_a_secret(store: Store) -> None:
    store.secrets.create(REF, content({}))
    assert data_of(store.secrets, REF) == {}


def test_creating_what_exists_is_a_conflict_and_changes_nothing(store: Store) -> None:
    store.secrets.create(REF, content({"k": b"first"}))
    with pytest.raises(Conflict):
        store.secrets.create(REF, content({"k": b"second"}))
    assert data_of(store.secrets, REF) == {"k": b"first"}


def test_creating_over_a_producers_secret_is_a_conflict(store: Store) -> None:
    store.put(REF, {"k": b"theirs"}, {})
    with pytest.raises(Conflict):
        store.secrets.create(REF, content({"k": b"ours"}))
    assert data_of(store.secrets, REF) == {"k": b"theirs"}


def test_an_update_replaces_the_whole_and_gives_a_new_state(store: Store) -> None:
    first = store.secrets.create(REF, content({"a": b"1", "b": b"2"}, labels={"old": "label"}))
    second = store.secrets.update(REF, content({"b": b"3", "c": b"4"}), first)
    assert second != first
    assert second == state_of(store.secrets, REF)
    assert data_of(store.secrets, REF) == {"b": b"3", "c": b"4"}
    found = store.secrets.read(REF)
    assert found
    assert dict(found.labels) == {}


def test_states_of_writes_never_repeat(store: Store) -> None:
    states = [store.secrets.create(REF, content({"k": b"A"}))]
    states.extend(store.secrets.update(REF, content({"k": raw}), states[-1]) for raw in [b"B", b"A", b"B"])
    assert len(set(states)) == 4


def test_writing_what_is_there_already_leads_to_no_earlier_state(store: Store) -> None:
    first = store.secrets.create(REF, content({"k": b"A"}))
    second = store.secrets.update(REF, content({"k": b"B"}), first)
    third = store.secrets.update(REF, content({"k": b"B"}), second)  # Kubernetes makes no new state of it
    assert third != first
    assert third == state_of(store.secrets, REF)


def test_an_update_of_another_state_is_a_conflict(store: Store) -> None:
    first = store.secrets.create(REF, content({"k": b"1"}))
    store.secrets.update(REF, content({"k": b"2"}), first)
    with pytest.raises(Conflict):
        store.secrets.update(REF, content({"k": b"3"}), first)
    assert data_of(store.secrets, REF) == {"k": b"2"}


def test_an_update_of_nothing_is_a_conflict(store: Store) -> None:
    with pytest.raises(Conflict):
        store.secrets.update(REF, content({"k": b"1"}), "some-state")
    assert store.secrets.read(REF) is None


def test_a_merge_keeps_what_the_writer_hands_over_and_knows_its_own_keys(store: Store) -> None:
    store.put(REF, {"theirs": b"t", "ours": b"old"}, {})
    merged = content({"theirs": b"t", "ours": b"new"}, managed=frozenset({"ours"}))
    state = store.secrets.update(REF, merged, state_of(store.secrets, REF))
    store.drift(REF, "theirs", b"changed")
    found = store.secrets.read(REF)
    assert found
    assert (found.managed, found.drifted, found.state == state) == (frozenset({"ours"}), False, False)
    assert data_of(store.secrets, REF) == {"theirs": b"changed", "ours": b"new"}


def test_a_managed_key_that_somebody_changed_is_drift_until_it_is_written_again(store: Store) -> None:
    state = store.secrets.create(REF, content({"k": b"1"}))
    store.drift(REF, "k", b"2")
    head = store.secrets.head(REF)
    assert head
    assert (head.drifted, head.owner) == (True, OWNER)
    with pytest.raises(Conflict):
        store.secrets.update(REF, content({"k": b"3"}), state)
    store.secrets.update(REF, content({"k": b"3"}), head.state)
    mended = store.secrets.read(REF)
    assert mended
    assert (mended.drifted, data_of(store.secrets, REF)) == (False, {"k": b"3"})


def test_an_immutable_secret_takes_the_same_data_and_nothing_else_until_recreated(store: Store) -> None:
    state = store.secrets.create(REF, content({"k": b"1"}, immutable=True))
    state = store.secrets.update(REF, content({"k": b"1"}, immutable=True, labels={"a": "b"}), state)
    for refused in (content({"k": b"2"}, immutable=True), content({"k": b"1"})):
        with pytest.raises(Reject, match="immutable"):
            store.secrets.update(REF, refused, state)
    store.secrets.delete(REF, state)
    store.secrets.create(REF, content({"k": b"2"}))
    assert data_of(store.secrets, REF) == {"k": b"2"}


def test_deleting_takes_the_state_that_was_read(store: Store) -> None:
    first = store.secrets.create(REF, content({"k": b"1"}))
    second = store.secrets.update(REF, content({"k": b"2"}), first)
    with pytest.raises(Conflict):
        store.secrets.delete(REF, first)
    assert data_of(store.secrets, REF) == {"k": b"2"}
    store.secrets.delete(REF, second)
    assert store.secrets.read(REF) is None
    store.secrets.delete(REF, second)


def test_a_recreated_secret_has_another_state(store: Store) -> None:
    first = store.secrets.create(REF, content({"k": b"1"}))
    store.secrets.delete(REF, first)
    assert store.secrets.create(REF, content({"k": b"1"})) != first


# --- bounds -------------------------------------------------------------------------------------------------------


def test_one_mebibyte_fits_and_one_byte_more_does_not(store: Store) -> None:
    store.secrets.create(REF, content({"a": b"x" * (MIB - 1), "b": b"y"}))
    assert data_of(store.secrets, REF) == {"a": b"x" * (MIB - 1), "b": b"y"}
    with pytest.raises(Reject, match="1 MiB"):
        store.secrets.create(OTHER, content({"a": b"x" * MIB, "b": b"y"}))
    assert store.secrets.read(OTHER) is None


@pytest.mark.parametrize(
    "key",
    ["", ".", "..", "..data", "..x", "a/b", "../x", "/etc/passwd", "schlüssel", "a b", "a\x00b", "a\nb", "k" * 254],
)
def test_what_cannot_be_a_key_is_refused_and_leaves_nothing(store: Store, key: str) -> None:
    with pytest.raises(Reject) as refused:
        store.secrets.create(REF, content({key: b"canary-value", "ok": b"canary-value"}))
    assert "canary" not in str(refused.value)
    assert store.secrets.read(REF) is None


def test_a_refused_update_leaves_the_old_content(store: Store) -> None:
    state = store.secrets.create(REF, content({"k": b"1"}))
    with pytest.raises(Reject):
        store.secrets.update(REF, content({"../k": b"2"}), state)
    assert (data_of(store.secrets, REF), state_of(store.secrets, REF)) == ({"k": b"1"}, state)


@pytest.mark.parametrize("key", ["a", ".hidden", "a..b", "tls.crt", "_", "-", "A.b-c_d", "k" * 253])
def test_every_legal_key_is_taken(store: Store, key: str) -> None:
    store.secrets.create(REF, content({key: b"v"}))
    assert data_of(store.secrets, REF) == {key: b"v"}


_KEYS = st.from_regex(r"[-._a-zA-Z0-9]{1,40}", fullmatch=True).filter(lambda k: k != "." and not k.startswith(".."))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.dictionaries(_KEYS, st.binary(max_size=200), max_size=6))
def test_any_data_round_trips_and_replaces_what_was_there(store: Store, data: dict[str, bytes]) -> None:
    head = store.secrets.head(REF)
    if head is None:
        store.secrets.create(REF, content(data))
    else:
        store.secrets.update(REF, content(data), head.state)
    assert data_of(store.secrets, REF) == data


# --- concurrency --------------------------------------------------------------------------------------------------


def in_threads(count: int, work: Callable[[int], None]) -> None:
    barrier = threading.Barrier(count)
    failures: list[BaseException] = []

    def run(number: int) -> None:
        barrier.wait(30)
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - raised again below, in the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if failures:
        raise failures[0]


def test_of_concurrent_creators_exactly_one_wins(store: Store) -> None:
    for attempt in range(8):
        ref = SecretRef(namespace="temporal", name=f"race-{attempt}")
        won: list[int] = []

        def create(number: int, ref: SecretRef = ref, won: list[int] = won) -> None:
            try:
                store.secrets.create(ref, content({"who": str(number).encode()}))
            except Conflict:
                return
            won.append(number)

        in_threads(4, create)
        assert len(won) == 1
        assert data_of(store.secrets, ref) == {"who": str(won[0]).encode()}


def test_concurrent_updates_lose_nothing(store: Store) -> None:
    store.secrets.create(REF, content({"n": b"0"}))

    def count(_: int) -> None:
        done = 0
        while done < 25:
            found = store.secrets.read(REF)
            assert found
            following = str(int(found.data["n"].reveal()) + 1).encode()
            try:
                store.secrets.update(REF, content({"n": following}), found.state)
            except Conflict:
                continue
            done += 1

    in_threads(4, count)
    assert data_of(store.secrets, REF) == {"n": b"100"}


def test_many_heads_are_those_of_each(store: Store) -> None:
    store.put(REF, {"k": b"1"}, {"app": "a"})
    store.put(ELSEWHERE, {"k": b"2"}, {})
    looked_at = store.secrets.heads([REF, OTHER, ELSEWHERE])
    assert looked_at(OTHER) is None
    assert [looked_at(ref) for ref in (REF, ELSEWHERE)] == [store.secrets.head(ref) for ref in (REF, ELSEWHERE)]


def test_a_read_beside_others_is_a_read(store: Store) -> None:
    store.put(REF, {"k": b"1"}, {})
    with store.secrets.reading(REF) as found, store.secrets.reading(OTHER) as absent:
        assert absent() is None
        assert found() == store.secrets.read(REF)
    with store.secrets.reading(REF):
        pass  # nobody waits for it
    assert store.secrets.read(REF) is not None
