from typing import Any

import pytest
from hypothesis import given

from events.errors import EventError
from events.strict_json import compact, parse
from tests.events.strategies import json_values


@given(json_values)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert parse(compact(value)) == value


def test_the_compact_form_has_no_white_space_and_no_needless_escape() -> None:
    assert compact({"a": [1, "é", None]}) == '{"a":[1,"é",null]}'.encode()


@pytest.mark.parametrize(
    ("raw", "refusal"),
    [
        (b"", "not well-formed"),
        (b'{"a":1,"a":1}', "twice"),
        (b'[{"a":{"b":1,"b":2}}]', "twice"),
        (b"NaN", "NaN"),
        (b"[-Infinity]", "Infinity"),
        (b"1e400", "too large"),
        (b'["\\ud800"]', "surrogate"),
        (b'{"\\ud800":1}', "surrogate"),
        (b"\xff", "UTF-8"),
        (b"\xef\xbb\xbf1", "not well-formed"),
        (b"9" * 5000, "not well-formed"),
        (b"[" * 1_000_000, "deeper than 32"),
    ],
)
def test_what_two_readers_could_understand_differently_is_refused(raw: bytes, refusal: str) -> None:
    with pytest.raises(EventError, match=refusal):
        parse(raw)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_nesting_is_counted_exactly(opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    assert parse(opening * 3 + b"0" + closing * 3, nesting=3) is not None
    with pytest.raises(EventError, match="deeper than 3 levels"):
        parse(opening * 4 + b"0" + closing * 4, nesting=3)


def test_brackets_within_text_and_side_by_side_do_not_nest() -> None:
    assert parse(b'["[[[[", {}, [], "{{{{"]', nesting=2) == ["[[[[", {}, [], "{{{{"]


def test_a_surrogate_pair_is_one_character() -> None:
    assert parse(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


def test_errors_quote_nothing() -> None:
    with pytest.raises(EventError) as refusal:
        parse(b'{"canary": canary}')
    assert "canary" not in str(refusal.value)
    assert refusal.value.__cause__ is None
