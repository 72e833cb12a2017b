"""`property`, against gjson's own results."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions._shaping.properties import NotJson, PropertyMissing, extract, pick, whole
from functions._values import SecretValue

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "gjson_vectors.json").read_text())
DATA = {
    key: SecretValue.of(member if isinstance(member, str) else json.dumps(member))
    for key, member in VECTORS["document"].items()
}


@pytest.mark.parametrize(("path", "expected"), VECTORS["picked"])
def test_it_picks_what_gjson_picks(path: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(PropertyMissing, match="secret/app has no property"):
            pick(DATA, path, subject="secret/app")
    else:
        assert pick(DATA, path, subject="secret/app").reveal() == expected.encode()


def test_a_key_with_dots_comes_first() -> None:
    data = {"a.b": SecretValue.of("key"), "a": SecretValue.of('{"b":"path"}')}
    assert pick(data, "a.b", subject="s").reveal() == b"key"


def test_binary_values_are_picked_as_they_are() -> None:
    assert pick({"k": SecretValue(b"\xff\x00")}, "k", subject="s").reveal() == b"\xff\x00"


@pytest.mark.parametrize("path", ["a.#", "a.*", "a.b|c", "a.@reverse", "a.#(x==1)", "{a,b}", "a?.b"])
def test_wildcards_and_queries_are_refused(path: str) -> None:
    with pytest.raises(PropertyMissing, match="no wildcards, queries or modifiers"):
        pick({"a": SecretValue.of("[1]")}, path, subject="s")


def test_the_whole_secret_is_compact_json_as_go_writes_it() -> None:
    data = {"b": SecretValue.of("x<y>&é"), "a": SecretValue.of('"q"')}
    assert whole(data).reveal() == '{"a":"\\"q\\"","b":"x\\u003cy\\u003e\\u0026é"}'.encode()
    assert pick(data, "", subject="s") == whole(data)


def test_binary_has_no_place_in_json() -> None:
    with pytest.raises(NotJson, match="secret/a: key 'k' is not UTF-8 text"):
        whole({"k": SecretValue(b"\xff")}, subject="secret/a")


def test_extract_of_an_object() -> None:
    found = extract(DATA, "config.a", subject="s")
    assert {key: value.reveal() for key, value in found.items()} == {"b": b'["x",{"c":"deep"},3,2.5,true,null]'}
    assert extract(DATA, "", subject="s") == DATA


def test_extract_of_what_is_no_object() -> None:
    with pytest.raises(NotJson, match="property 'plain' is not a JSON object"):
        extract(DATA, "plain", subject="s")


@given(st.binary(max_size=60), st.text(max_size=12))
def test_arbitrary_values_and_paths(raw: bytes, path: str) -> None:
    try:
        pick({"a": SecretValue(raw)}, f"a.{path}", subject="s")
        told = ""
    except PropertyMissing as error:
        told = error.reason
    assert told == "" or "has no property" in told


def test_deep_json_is_no_trap() -> None:
    deep = SecretValue(b"[" * 100_000 + b"]" * 100_000)
    with pytest.raises(PropertyMissing):
        pick({"a": deep}, "a.0.0", subject="s")
