"""templateFrom literals: a template whose result is a mapping."""

import pytest

from functions._failures import Reject
from functions._shaping.literals import NotAMapping, from_literals
from functions._values import SecretValue

DATA = {"user": SecretValue.of("u"), "password": SecretValue.of("canary: {not yaml")}


def made(*texts: str) -> dict[str, bytes]:
    return {key: value.reveal() for key, value in from_literals(DATA, texts, subject="test").items()}


def test_a_mapping_becomes_keys() -> None:
    text = "name: {{ .user }}\nport: 5432\nempty:\nquoted: {{ .password | quote }}\n"
    assert made(text) == {"name": b"u", "port": b"5432", "empty": b"", "quoted": b"canary: {not yaml"}


def test_a_later_literal_wins() -> None:
    assert made("a: one\nb: two", "a: three") == {"a": b"three", "b": b"two"}


@pytest.mark.parametrize("text", ["just text", "- a\n- b", "a: [1, 2]", "{{ .password }}", "a: *x"])
def test_what_is_no_mapping_of_scalars_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(NotAMapping) as caught:
        made(text)
    assert "canary" not in str(caught.value)


def test_a_template_that_fails_names_its_place() -> None:
    with pytest.raises(Reject, match=r"templateFrom\[0\]"):
        made("a: {{ .missing }}")
