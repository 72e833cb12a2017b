"""conversionStrategy, both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions._shaping.conversion import Strategy, convert_key, convert_keys, reverse_unicode
from functions._shaping.keys import KeyCollision
from functions._values import SecretValue


@pytest.mark.parametrize(("strategy", "name", "expected"), [
    ("Default", "a/b!c", "a_b_c"), ("Default", "a.b-c_9", "a.b-c_9"), ("Default", "é", "_"),
    ("Unicode", "a/b!", "a_U002f_b_U0021_"), ("Unicode", "😀", "_U1f600_"),
    ("None", "a/b", "a/b"), ("ReverseUnicode", "a_U002f_b", "a/b"),
])  # fmt: skip
def test_names(strategy: Strategy, name: str, expected: str) -> None:
    assert convert_key(name, strategy) == expected


@pytest.mark.parametrize(("name", "expected"), [
    ("_U0021_", "!"), ("_U21_", "_U21_"), ("_Ud800_", "_Ud800_"), ("_U1F600_", "😀"), ("_U002F_U0021_", "/U0021_"),
])  # fmt: skip
def test_the_way_back(name: str, expected: str) -> None:
    assert reverse_unicode(name) == expected


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="_", max_codepoint=0xFFFFF), max_size=20))
def test_unicode_comes_back(name: str) -> None:
    assert reverse_unicode(convert_key(name, "Unicode")) == name


def test_a_collision_is_an_error() -> None:
    data = {"a/b": SecretValue.of("1"), "a!b": SecretValue.of("2")}
    with pytest.raises(KeyCollision, match="'a/b' and 'a!b' would both become 'a_b'"):
        convert_keys(data, "Default", subject="apps/web")
    assert sorted(convert_keys(data, "Unicode", subject="apps/web")) == ["a_U0021_b", "a_U002f_b"]
