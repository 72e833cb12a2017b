"""rewrite[]: regexp, transform, merge."""

from collections.abc import Mapping

import pytest

from functions._failures import Reject
from functions._manifests.rewriting import Rewrite
from functions._shaping.keys import KeyCollision
from functions._shaping.properties import NotJson
from functions._shaping.rewrite import RewriteFailed, rewrite
from functions._values import SecretData, SecretValue


def data(**values: str) -> dict[str, SecretValue]:
    return {key: SecretValue.of(value) for key, value in values.items()}


def shown(found: SecretData) -> dict[str, str]:
    return {key: value.reveal().decode() for key, value in found.items()}


def operations(*specs: Mapping[str, object]) -> tuple[Rewrite, ...]:
    return tuple(Rewrite.model_validate(spec) for spec in specs)


@pytest.mark.parametrize(("source", "target", "key", "expected"), [
    ("apps/(.*)", "$1", "apps/db", "db"),
    ("[^a-z]", "_", "a/b-c", "a_b_c"),
    ("(?P<first>[a-z]+)/(?P<second>[a-z]+)", "${second}.${first}", "x/y", "y.x"),
    ("^", "prefix-", "k", "prefix-k"),
    ("(a)", "$1x", "a", ""),
    ("a", "$$", "a", "$"),
    ("nomatch", "x", "k", "k"),
])  # fmt: skip
def test_regexp_replaces_as_go(source: str, target: str, key: str, expected: str) -> None:
    spec = {"regexp": {"source": source, "target": target}}
    assert list(rewrite({key: SecretValue.of("v")}, operations(spec), subject="s")) == [expected]


def test_transform_is_a_template_of_the_key() -> None:
    spec = {"transform": {"template": '{{ .value | upper | replace "-" "_" }}'}}
    assert shown(rewrite({"a-b": SecretValue.of("v")}, operations(spec), subject="s")) == {"A_B": "v"}


def test_operations_apply_in_turn() -> None:
    specs = ({"regexp": {"source": "^x/", "target": ""}}, {"transform": {"template": "{{ .value | upper }}"}})
    assert shown(rewrite({"x/a": SecretValue.of("v")}, operations(*specs), subject="s")) == {"A": "v"}


def test_keys_that_become_one_are_an_error() -> None:
    spec = {"regexp": {"source": "[0-9]", "target": "N"}}
    with pytest.raises(KeyCollision, match=r"s: rewrite\[0\]: keys 'a1' and 'a2' would both become 'aN'"):
        rewrite(data(a1="canary", a2="canary"), operations(spec), subject="s")


@pytest.mark.parametrize("spec", [
    {"regexp": {"source": "("}}, {"regexp": {"source": "(?=a)"}}, {"regexp": {"source": "x" * 2000}},
    {"transform": {"template": "{{ .nope }}"}}, {"transform": {"template": "{{ env"}},
    {"transform": {"template": "{{ uuidv4 }}"}},
])  # fmt: skip
def test_what_cannot_be_carried_out_is_a_rejection(spec: dict[str, object]) -> None:
    with pytest.raises(RewriteFailed, match=r"s: rewrite\[0\]: "):
        rewrite(data(a="canary"), operations(spec), subject="s")


class TestMerge:
    def test_extract_makes_members_to_keys(self) -> None:
        found = rewrite(
            data(a='{"x":"1","n":2,"f":2.5,"t":true,"z":null,"o":{"p":[1,"<"]}}', b='{"y":"3"}'),
            operations({"merge": {}}), subject="s",
        )  # fmt: skip
        expected = {"x": "1", "n": "2", "f": "2.5", "t": "true", "z": "", "o": '{"p":[1,"\\u003c"]}', "y": "3"}
        assert shown(found) == expected

    def test_json_keeps_the_others_and_adds_one(self) -> None:
        spec = {"merge": {"strategy": "JSON", "into": "all"}}
        found = rewrite(data(a='{"x":"<"}', b='{"y":1}'), operations(spec), subject="s")
        assert shown(found) == {"a": '{"x":"<"}', "b": '{"y":1}', "all": '{"x":"<","y":1}'}

    def test_conflicts_are_an_error_that_names_them(self) -> None:
        with pytest.raises(KeyCollision, match=r"several values have 'x'"):
            rewrite(data(a='{"x":"canary"}', b='{"x":"canary"}'), operations({"merge": {}}), subject="s")

    def test_the_last_by_priority_wins(self) -> None:
        spec = {"merge": {"conflictPolicy": "Ignore", "priority": ["a"]}}
        assert shown(rewrite(data(a='{"x":"1"}', b='{"x":"2"}'), operations(spec), subject="s")) == {"x": "1"}
        assert shown(
            rewrite(
                data(a='{"x":"1"}', b='{"x":"2"}'), operations({"merge": {"conflictPolicy": "Ignore"}}), subject="s"
            )
        ) == {"x": "2"}

    def test_a_priority_that_is_not_there(self) -> None:
        with pytest.raises(RewriteFailed, match="priority names 'zz'"):
            rewrite(data(a="{}"), operations({"merge": {"priority": ["zz"]}}), subject="s")
        spec = {"merge": {"priority": ["zz"], "priorityPolicy": "IgnoreNotFound"}}
        assert rewrite(data(a="{}"), operations(spec), subject="s") == {}

    @pytest.mark.parametrize("value", ["canary", "[1]", "", '{"a":', "[" * 10_000])
    def test_a_value_that_is_no_object(self, value: str) -> None:
        with pytest.raises(NotJson) as caught:
            rewrite(data(k=value), operations({"merge": {}}), subject="s")
        assert caught.value.reason == "s: rewrite[0]: the value of 'k' is not a JSON object, so it cannot be merged"

    def test_json_needs_a_key(self) -> None:
        with pytest.raises(Reject, match="needs 'into'"):
            rewrite(data(a="{}"), operations({"merge": {"strategy": "JSON"}}), subject="s")
