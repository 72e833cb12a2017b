"""SecretValue masks itself wherever Python prints, formats, copies or serialises."""

import copy
import json
import pickle
import traceback

import pytest

from functions._values import SecretValue

CANARY = "canary-7f3a"


def test_a_value_is_shown_by_nothing() -> None:
    value = SecretValue.of(CANARY)
    shown = [
        repr(value), str(value), f"{value}", f"{value!r:>40}", "%s" % value, "{:x}".format(value),  # noqa: UP031, UP032  every way to format
        repr([value]), repr({"k": value}), str((value,)),
    ]  # fmt: skip
    assert not any(CANARY in text for text in shown)


def test_it_is_not_serialised() -> None:
    value = SecretValue.of(CANARY)
    for attempt in (lambda: pickle.dumps(value), lambda: json.dumps(value), lambda: copy.deepcopy(value)):
        with pytest.raises(TypeError) as caught:
            attempt()
        assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_equality_is_by_content_and_it_is_no_key() -> None:
    assert SecretValue.of("a") == SecretValue(b"a")
    assert SecretValue.of("a") != SecretValue.of("b")
    assert SecretValue.of("a") != "a"
    with pytest.raises(TypeError):
        hash(SecretValue.of("a"))


def test_an_empty_value_is_a_value() -> None:
    assert SecretValue(b"")
    assert len(SecretValue(b"")) == 0
