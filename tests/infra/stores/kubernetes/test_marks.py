"""Marks on metadata of every shape: what others garbled is drift or nothing, never a failure."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions._marks import CREATION_POLICY
from functions._ports import SecretContent
from functions._values import SecretValue
from infra.stores.kubernetes import marks

OWNER = "ExternalSecret temporal/db"


def content(**changes: Any) -> SecretContent:
    given_: dict[str, Any] = {"stamp": {}, "owner": OWNER, "managed": frozenset("k"), **changes}
    return SecretContent(data={"k": SecretValue.of("canary")}, **given_)


def written(found: dict[str, Any], made: SecretContent) -> dict[str, Any]:
    """The metadata that a replacement carries."""
    metadata: dict[str, Any] = {"uid": "u", "resourceVersion": "7", **marks.marked(made, found, "lockstep")}
    return {**metadata, "managedFields": marks.held_fields(found, made, metadata, "lockstep")}


def entry(manager: str, *keys: str, **changes: Any) -> dict[str, Any]:
    held: dict[str, Any] = {"f:data": {f"f:{key}": {} for key in keys}}
    return {"manager": manager, "operation": "Update", "apiVersion": "v1", "fieldsV1": held, **changes}


def test_what_is_written_reads_back() -> None:
    found = written({}, content(labels={"a": "1"}, annotations={CREATION_POLICY: "Owner", "n": "2"}))
    assert marks.state_of(found) == "u/7"
    assert (marks.owner_of(found), marks.managed_of(found, "lockstep")) == (OWNER, frozenset("k"))
    assert not marks.drifted(found, "lockstep")
    assert marks.written_labels(found, "lockstep") == marks.labels_of(found) == {"a": "1"}
    assert marks.written_annotations(found, "lockstep") == {CREATION_POLICY: "Owner", "n": "2"}


def test_other_holders_keep_what_they_hold_and_ours_is_one_entry() -> None:
    found = {
        "managedFields": [entry("kubectl", "t"), entry("lockstep", "old"), entry("lockstep", "s", subresource="status")]
    }
    entries = written(found, content())["managedFields"]
    assert [each["manager"] for each in entries] == ["kubectl", "lockstep", "lockstep"]
    assert entries[-1]["fieldsV1"]["f:data"] == {"f:k": {}}


@pytest.mark.parametrize(
    ("entries", "drift"),
    [
        ([entry("lockstep", "k")], False),
        ([entry("lockstep", "k", "more")], False),
        ([entry("lockstep")], True),
        ([entry("somebody", "k")], True),
        ([entry("lockstep", "k", operation="Apply")], True),
        ([entry("lockstep", "k", subresource="status")], True),
        ([{}], True),
        (None, True),
        ([entry("lockstep", fieldsV1={"f:data": ["k"]})], True),
    ],
)
def test_a_managed_key_that_we_do_not_hold_is_drift(entries: Any, drift: bool) -> None:
    annotations = {marks.OWNER: OWNER, marks.MANAGED_KEYS: '["k"]'}
    assert marks.drifted({"annotations": annotations, "managedFields": entries}, "lockstep") is drift


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["manager", "operation", "fieldsV1", "f:data", "f:metadata", "f:labels", "f:annotations", "f:k", "x"]
    ), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
_TEXTS = st.dictionaries(
    st.sampled_from([marks.OWNER, marks.STAMP, marks.MANAGED_KEYS, marks.MANAGED_BY, marks.LAST_APPLIED, "a", "n"]),
    st.text(max_size=8) | st.sampled_from(["{}", "[]", '["k"]', '{"a":1}', OWNER, "lockstep"]),
)


@given(labels=_TEXTS, annotations=_TEXTS, entries=_JSON | st.lists(_JSON, max_size=3))
def test_nothing_that_others_write_breaks_a_look_or_a_write(
    labels: dict[str, str], annotations: dict[str, str], entries: Any
) -> None:
    found = {"labels": labels, "annotations": annotations, "managedFields": entries}
    for look in (marks.drifted, marks.managed_of, marks.written_labels, marks.written_annotations):
        look(found, "lockstep")
    assert marks.STAMP not in marks.annotations_of(found)
    marks.stamp_of(found)
    after = written(found, content(labels={"a": "1"}))
    assert not marks.drifted(after, "lockstep")
    assert marks.managed_of(after, "lockstep") == frozenset("k")
    assert {name: text for name, text in after["labels"].items() if name == "a"} == {"a": "1"}
    json.dumps(after)
