"""The index of the wiring against slow look-ups that are obviously right, and what it refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.references import ManifestRef, PathRef, SecretRef
from functions._manifests.conventions import ConventionPolicy
from functions._manifests.external_secret import ExternalSecret
from functions._manifests.push_secret import PushSecret
from functions._ports import Wiring
from infra.wiring.documents import load_documents
from infra.wiring.index import Index, Source
from tests.fakes.wiring import FakeWiring
from tests.infra.wiring.samples import STORE, external, push, together

PUSH = ManifestRef(kind="PushSecret", namespace="platform-data", name="temporal")
PULL = ManifestRef(kind="ExternalSecret", namespace="temporal", name="temporal")
PATH = PathRef(mount="secret", path="platform-data/postgres/temporal")


def _sources(*texts: str) -> list[Source]:
    loaded = load_documents(together(*texts).encode(), "wiring/a.yaml")
    assert loaded.sound, loaded.findings
    return [Source(each.manifest, each.file, each.line) for each in loaded.documents if each.manifest]


def _index(*texts: str, policy: ConventionPolicy | None = None) -> Index:
    return Index(_sources(*texts), policy=policy)


def test_everything_is_found_from_every_side() -> None:
    index = _index(STORE, push(), external())
    assert [each.ref for each in index.producers_of_path(PATH)] == [PUSH]
    assert [each.ref for each in index.consumers_of_path(PATH)] == [PULL]
    source = SecretRef(namespace="platform-data", name="temporal.credentials")
    assert [each.ref for each in index.producers_of_source(source, {})] == [PUSH]
    target = SecretRef(namespace="temporal", name="postgres-temporal")
    assert [each.ref for each in index.consumer_of_target(target)] == [PULL]
    assert index.mount("vault-backend") == "secret"
    assert index.mount("none") is None
    assert index.complete()
    assert not index.problems()


def test_a_find_consumes_every_path_below_it_that_matches() -> None:
    finder = external(
        "all", more="  dataFrom: [{find: {path: platform-data/postgres, name: {regexp: 'l$'}}}]", data="[]"
    )
    index = _index(STORE, push(), finder)
    assert [each.name for each in index.consumers_of_path(PATH)] == ["all"]
    for other in ("platform-data/postgres/backstage", "platform-data/redis/temporal", "platform-data/postgres-x/l"):
        assert index.consumers_of_path(PathRef(mount="secret", path=other)) == ()
    assert index.consumers_of_path(PathRef(mount="other", path=PATH.path)) == ()


def test_a_selector_stays_in_its_namespace() -> None:
    index = _index(STORE, push(source="{selector: {matchLabels: {app: pg}}}"))
    for namespace, labels, found in (
        ("platform-data", {"app": "pg", "x": "y"}, 1),
        ("platform-data", {"app": "redis"}, 0),
        ("elsewhere", {"app": "pg"}, 0),
    ):
        assert len(index.producers_of_source(SecretRef(namespace=namespace, name="s"), labels)) == found


_NAMES = st.sampled_from(["a", "b", "c"])
_PATHS = st.sampled_from([f"platform-data/{system}/{name}" for system in ("postgres", "redis") for name in "abc"])
_SOURCES = st.sampled_from(
    ["{name: a}", "{name: b}", "{selector: {matchLabels: {app: x}}}",
     "{selector: {matchExpressions: [{key: app, operator: Exists}]}}", "{selector: {}}"]
)  # fmt: skip
_PUSHES = st.builds(lambda n, ns, p, s: push(n, ns, path=p, source=s), _NAMES, _NAMES, _PATHS, _SOURCES)
_FINDS = st.sampled_from(
    ["", "  dataFrom: [{find: {path: platform-data/redis}}]", "  dataFrom: [{find: {name: {regexp: 'es/[ab]$'}}}]"]
)
_PULLS = st.builds(
    lambda n, ns, p, f: external(n, ns, path=p, target=f"{{name: {n}}}", more=f), _NAMES, _NAMES, _PATHS, _FINDS
)


@given(st.lists(st.one_of(_PUSHES, _PULLS), max_size=8, unique_by=lambda text: text.split("spec:")[0]))
def test_it_finds_what_the_plain_lists_find(texts: list[str]) -> None:
    sources = _sources(STORE, *texts)
    index, plain = Index(sources), FakeWiring()
    _: tuple[Wiring, Wiring] = (index, plain)
    for source in sources:
        if isinstance(source.manifest, PushSecret | ExternalSecret):
            plain.put(source.manifest)
    for system in ("postgres", "redis"):
        for name in "abc":
            path = PathRef(mount="secret", path=f"platform-data/{system}/{name}")
            assert {e.ref for e in index.producers_of_path(path)} == {e.ref for e in plain.producers_of_path(path)}
            assert {e.ref for e in index.consumers_of_path(path)} == {e.ref for e in plain.consumers_of_path(path)}
    for namespace in "abc":
        ref = SecretRef(namespace=namespace, name="a")
        for labels in ({}, {"app": "x"}, {"app": "y", "z": "1"}):
            wanted = [each.ref for each in plain.producers_of_source(ref, labels)]
            assert sorted(map(str, wanted)) == sorted(str(e.ref) for e in index.producers_of_source(ref, labels))
        assert {e.ref for e in index.consumer_of_target(ref)} == {e.ref for e in plain.consumer_of_target(ref)}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (push(stores="[{name: vault-backend}]"), "not to a ClusterSecretStore"),
        (push(stores="[{name: other, kind: ClusterSecretStore}]"), "which is not there"),
        (push(data="[{match: {remoteRef: {remoteKey: platform-data/a/b, property: token}}}]"), "whole Secret"),
        (push(more="  dataTo: [{storeRef: {name: x}}]"), "dataTo"),
        (push(data="[]"), "no entries"),
        (push(path="platform-data/../x"), "is not a path"),
        (push(more="  template: {data: {a: '{{ exec }}'}}"), "exec"),
        (push(more="  template: {type: bootstrap.kubernetes.io/token}"), "bootstrap.kubernetes.io/token"),
    ],
)
def test_a_manifest_that_breaks_a_must_does_not_act(text: str, part: str) -> None:
    index = _index(STORE, text)
    assert part in (index.problem(PUSH) or "")
    assert index.push_secret(PUSH) is not None  # it is there, so nothing of it is retracted
    assert index.complete()


def test_two_claims_on_a_path_name_each_other_and_stop_neither() -> None:
    """Which of them may write is for the claim to say: a manifest alone holds up nobody."""
    index = _index(STORE, push(), push("intruder", "elsewhere"))
    other = ManifestRef(kind="PushSecret", namespace="elsewhere", name="intruder")
    told = {one.ref: one.message for one in index.conflicts}
    assert "PushSecret elsewhere/intruder (wiring/a.yaml:" in told[PUSH]
    assert "PushSecret platform-data/temporal" in told[other]
    assert not index.problems()
    assert index.disputed(PUSH)
    ((_, pushes),) = index.claimed_twice()
    assert {push.ref for push in pushes} == {PUSH, other}


def test_one_path_in_two_mounts_is_two_paths() -> None:
    second = STORE.replace("vault-backend", "other").replace("path: secret", "path: secret, namespace: team-a")
    index = _index(STORE, second, push(), push("b", stores="[{name: other, kind: ClusterSecretStore}]"))
    assert not index.problems()
    assert index.mount("other") == "team-a/secret"


def test_two_stores_of_one_mount_are_one_path() -> None:
    second = STORE.replace("vault-backend", "other")
    index = _index(STORE, second, push(), push("b", stores="[{name: other, kind: ClusterSecretStore}]"))
    assert len(list(index.claimed_twice())) == 1


def test_one_target_may_be_written_by_one_only() -> None:
    assert len(_index(STORE, push(), external(), external("b")).problems()) == 2
    read_only = external("b", target="{name: postgres-temporal, creationPolicy: None}")
    assert not _index(STORE, push(), external(), read_only).problems()


@pytest.mark.parametrize("policy", ["Merge", "CreateOrMerge"])
def test_one_that_adds_to_anothers_target_is_refused_and_the_other_goes_on(policy: str) -> None:
    adding = external("b", target=f"{{name: postgres-temporal, creationPolicy: {policy}}}")
    index = _index(STORE, push(), external(), adding)
    (ref,) = index.problems()
    assert ref.name == "b"
    assert "also written by ExternalSecret temporal/temporal (wiring/a.yaml:" in (index.problem(ref) or "")
    assert {conflict.ref.name for conflict in index.conflicts} == {"temporal", "b"}, "lint names both"
    again = external("c", target=f"{{name: postgres-temporal, creationPolicy: {policy}}}")
    assert len(_index(STORE, push(), adding, again).problems()) == 2, "neither of two that add"


def test_a_managed_secret_is_no_source_unless_declared_derived() -> None:
    taken = push("b", "temporal", source="{name: postgres-temporal}", path="platform-data/temporal/web")
    ref = ManifestRef(kind="PushSecret", namespace="temporal", name="b")
    assert "is made by ExternalSecret temporal/temporal" in (_index(STORE, external(), taken).problem(ref) or "")
    declared = taken.replace(
        "  namespace: temporal\n", '  namespace: temporal\n  annotations: {lockstep.dev/derived: "true"}\n'
    )
    assert _index(STORE, external(), declared).problem(ref) is None


@pytest.mark.parametrize("source", ["{name: postgres-temporal}", "{selector: {matchLabels: {tier: db}}}"])
def test_everything_on_a_circle_is_refused(source: str) -> None:
    derived = '  annotations: {lockstep.dev/derived: "true"}'
    back = push("back", "temporal", source=source, path="platform-data/temporal/web", metadata=derived)
    closing = external(
        "closing", "platform-data", path="platform-data/temporal/web", target="{name: temporal.credentials}"
    )
    first = push(metadata=derived)
    index = _index(STORE, first, external(metadata="  labels: {tier: db}"), back, closing)
    assert len(index.problems()) == 4
    assert all("circle" in each for each in index.problems().values())


def test_a_duplicate_is_refused_and_leaves_the_wiring_incomplete() -> None:
    index = _index(STORE, push(), push(source="{name: other}"))
    assert "stands again" in (index.problem(PUSH) or "")
    assert not index.complete()


def test_a_store_admits_the_namespaces_of_its_conditions() -> None:
    conditions = "  conditions: [{namespaces: [platform-data]}, {namespaceRegexes: ['^temp']}]\n"
    index = _index(STORE + conditions, push(), external(), external("b", "backstage", target="{name: b}"))
    assert list(index.problems()) == [ManifestRef(kind="ExternalSecret", namespace="backstage", name="b")]
    by_name = "  conditions: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: temporal}}}]\n"
    assert list(_index(STORE + by_name, push(), external()).problems()) == [PUSH]
    by_label = "  conditions: [{namespaceSelector: {matchLabels: {team: a}}}]\n"
    assert "list the namespaces" in (_index(STORE + by_label, push()).problem(PUSH) or "")


def test_conventions_warn_or_refuse_by_namespace() -> None:
    text = push(path="platform-data/postgres/temporal-prod")
    assert _index(STORE, text).problem(PUSH) is None
    assert [ref for ref, _ in _index(STORE, text).warnings()] == [PUSH, PUSH]
    enforcing = ConventionPolicy(namespaces=(("platform-data", "enforce"),))
    assert "environment 'prod'" in (_index(STORE, text, policy=enforcing).problem(PUSH) or "")
    lenient = ConventionPolicy(default="enforce", namespaces=(("platform-data", "warn"),))
    assert _index(STORE, text, policy=lenient).problem(PUSH) is None


def test_an_empty_wiring_is_not_complete() -> None:
    assert not Index(()).complete()


def test_a_new_index_takes_over_what_did_not_change() -> None:
    sources = _sources(STORE, push(), external())
    first = Index(sources)
    second = Index([*sources, *_sources(push("b", path="platform-data/postgres/b"))], previous=first)
    assert next(second.pushes()) is next(first.pushes())
    store = _sources(STORE.replace("path: secret", "path: kv"))
    third = Index([*store, *sources[1:]], previous=second)
    assert [str(path) for path in next(third.pushes()).entries] == ["kv/platform-data/postgres/temporal"]
