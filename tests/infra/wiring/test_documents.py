"""From files to manifests and findings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.wiring.documents import LARGEST, Loaded, load_documents
from tests.infra.wiring.samples import STORE, external, push, together


def _load(text: str) -> Loaded:
    return load_documents(text.encode(), "wiring/a.yaml")


def _named(loaded: Loaded) -> list[str]:
    return [str(each.manifest.ref) for each in loaded.documents if each.manifest]


def test_documents_know_where_they_begin() -> None:
    text = "# a comment\n---\n" + STORE + "---\n" + push()
    loaded = _load(text)
    assert [each.line for each in loaded.documents] == [3, 3 + STORE.count("\n") + 1]
    assert loaded.sound


def test_a_broken_document_spoils_no_other() -> None:
    loaded = _load(together(STORE, "a: [1\n", push(), "b: {x: 1, x: 2}\n", external()))
    assert _named(loaded) == [
        "ClusterSecretStore -/vault-backend",
        "PushSecret platform-data/temporal",
        "ExternalSecret temporal/temporal",
    ]
    assert [each.rule.id for each in loaded.findings] == ["LS001", "LS001"]


def test_a_list_holds_its_items() -> None:
    items = "".join(f"- {line}" if n == 0 else f"  {line}" for n, line in enumerate(STORE.splitlines(keepends=True)))
    loaded = _load(f"apiVersion: v1\nkind: List\nitems:\n{items}")
    assert _named(loaded) == ["ClusterSecretStore -/vault-backend"]
    assert loaded.documents[0].line == 4


@pytest.mark.parametrize(
    ("text", "rule", "part"),
    [
        (push(more="  refreshIntervall: 1h"), "LS003", "spec.refreshIntervall is no field"),
        (push(source="{name: temporal, selector: {}}"), "LS003", "exactly one"),
        (push(namespace="Platform_Data"), "LS003", "metadata.namespace"),
        (push().replace("  namespace: platform-data\n", ""), "LS003", "metadata.namespace is missing"),
        (push(more="  updatePolicy: replace"), "LS003", "spec.updatePolicy"),
        (push(more="  refreshInterval: 3600"), "LS003", "duration"),
        (push().replace("v1alpha1", "v1"), "LS003", "apiVersion"),
        (STORE.replace("name: vault-backend", "name: vault-backend, namespace: x"), "LS003", "cluster-scoped"),
        (push().replace("external-secrets.io/v1alpha1", "example.com/v1"), "LS002", "belongs to external-secrets.io"),
        (push().replace("kind: PushSecret", "kind: PushSecrets"), "LS002", "PushSecrets"),
        ("kind: PushSecret\n", "LS002", "apiVersion and kind"),
        ("- 1\n- 2\n", "LS002", "no object"),
        ("apiVersion: lockstep.dev/v1alpha1\nkind: AccessPolicy\n", "LS002", "access.yaml"),
    ],
)
def test_what_is_wrong_is_named(text: str, rule: str, part: str) -> None:
    loaded = _load(text)
    assert [each.rule.id for each in loaded.findings] == [rule]
    assert part in loaded.findings[0].message
    assert not loaded.sound


def test_a_wrong_field_is_named_with_its_line() -> None:
    text = together(STORE, push(more="  refreshIntervall: 1h"))
    line = next(n for n, each in enumerate(text.splitlines(), 1) if "Intervall" in each)
    assert [each.line for each in _load(text).findings] == [line]


def test_known_objects_of_other_kinds_are_neither_manifests_nor_findings() -> None:
    loaded = _load("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n")
    assert loaded.sound
    assert [each.manifest for each in loaded.documents] == [None]


def test_what_is_not_text_or_too_long_is_refused() -> None:
    assert load_documents(b"a: 1\nb: \xff\n", "f").findings[0].line == 2
    assert load_documents(b"#" * (LARGEST + 1), "f").findings[0].rule.id == "LS004"


def test_a_document_does_not_print_its_content() -> None:
    loaded = _load("apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {a: canary}\n")
    assert "canary" not in repr(loaded)


@given(st.binary(max_size=300))
def test_any_bytes_are_documents_or_findings(raw: bytes) -> None:
    assert isinstance(load_documents(raw, "f"), Loaded)


@pytest.mark.parametrize(
    ("text", "manifest"),
    [
        (push(more="  nonsense: 1"), "PushSecret platform-data/temporal"),
        (STORE + "  nonsense: 1\n", "ClusterSecretStore -/vault-backend"),
        (push(namespace="Platform_Data"), "None"),
        (push().replace("kind: PushSecret", "kind: PushSecrets"), "None"),
        ("a: [1\n", "None"),
    ],
)
def test_a_finding_says_whose_text_it_is_where_that_can_be_read(text: str, manifest: str) -> None:
    assert {str(one.manifest) for one in _load(text).findings} == {manifest}
