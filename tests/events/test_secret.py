from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from events.references import PathRef, SecretRef, Version
from events.secret import Explanation, KeyName, SecretMaterialized, SecretPublished, StateIdentity

KEYS: TypeAdapter[str] = TypeAdapter(KeyName)
VERSION = Version(number=7, created=datetime(2026, 1, 31, tzinfo=UTC), id="v7")


@pytest.mark.parametrize("key", ["a", "tls.crt", ".dockerconfigjson", "_", "-", "A_b-c.d", "a..", ".a.", "x" * 253])
def test_keys(key: str) -> None:
    assert KEYS.validate_python(key) == key


@pytest.mark.parametrize(
    "key",
    ["", ".", "..", "...", "..data", "..a", "../a", "a/b", "/", "a b", "ü", "a\n", "\na", "a\x00", "a\\b", "x" * 254],
)
def test_what_kubernetes_allows_no_key_to_be(key: str) -> None:
    with pytest.raises(ValidationError):
        KEYS.validate_python(key)


@given(st.text("ab._-", max_size=4))
def test_keys_never_meet_the_names_beside_them(key: str) -> None:
    """A mounted Secret keeps `..data` and its stamps beside its keys."""
    try:
        KEYS.validate_python(key)
    except ValidationError:
        assert key in ("", ".") or key.startswith("..")
    else:
        assert not key.startswith("..")


@pytest.mark.parametrize("text", ["a\nb", "\x1b[2J", "a\x7f", "a\x9b", "\u202egnp", "\u2066", "\u2028", "x" * 513])
def test_explanations_do_nothing_to_a_terminal(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Explanation).validate_python(text)


@pytest.mark.parametrize("text", ["a b", "a\n", "ü", "x" * 257])
def test_states_are_printable_ascii(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(StateIdentity).validate_python(text)


def test_one_version_is_one_publication_whatever_was_answered() -> None:
    events = [
        SecretPublished(path=PathRef(mount="m", path="p"), version=VERSION, keys=(), outcome=outcome)
        for outcome in ("written", "unchanged")
    ]
    assert len({(event.state, event.result) for event in events}) == 1


def _materialized(stamp: dict[str, Version]) -> SecretMaterialized:
    fields: dict[str, Any] = {"secret": SecretRef(namespace="n", name="s"), "seen": "", "outcome": "updated"}
    consumer = {"kind": "ExternalSecret", "namespace": "n", "name": "s"}
    return SecretMaterialized.model_validate({**fields, "consumer": consumer, "keys": (), "stamp": stamp})


def test_a_stamp_is_one_state_in_any_order() -> None:
    assert _materialized({"a": VERSION, "b": VERSION}).state == _materialized({"b": VERSION, "a": VERSION}).state


@pytest.mark.parametrize("path", ["", "/a", "../a", "a b", "a\n", "ü", "a" * 1026])
def test_a_stamp_names_paths(path: str) -> None:
    with pytest.raises(ValidationError):
        _materialized({path: VERSION})
