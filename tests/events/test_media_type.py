from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.errors import EventError
from events.media_type import MediaType, parse_media_type


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("application/json", MediaType("application", "json", "")),
        ("Application/Vnd.X+JSON; Charset=UTF-8", MediaType("application", "vnd.x+json", "utf-8")),
        ('text/plain ;a="b;charset=latin1\\"";\tcharset="utf-\\8"', MediaType("text", "plain", "utf-8")),
        ("text/plain;", MediaType("text", "plain", "")),
    ],
)
def test_media_types(text: str, expected: MediaType) -> None:
    assert parse_media_type(text, "x") == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "text", "/plain", "text/", "text/plain; a", "text/plain; a=", "text /plain", "text/plain x", " text/plain",
        "text/plain; ", 'text/plain; a="', "text/pläin", "text/plain;a=b\r\nx: y", "*", "text/plain\n",
    ],
)  # fmt: skip
def test_what_is_no_media_type(text: str) -> None:
    with pytest.raises(EventError, match="header is not a media type"):
        parse_media_type(text, "header")


@pytest.mark.parametrize(
    ("text", "json", "is_text", "utf8"),
    [
        ("application/json", True, False, True),
        ("application/geo+json; charset=us-ascii", True, False, True),
        ("application/jsonp", False, False, True),
        ("text/csv; charset=latin1", False, True, False),
        ("application/atom+xml", False, True, True),
        ("application/octet-stream", False, False, True),
    ],
)
def test_kinds(text: str, json: bool, is_text: bool, utf8: bool) -> None:
    media = parse_media_type(text, "x")
    assert (media.json, media.text, media.utf8) == (json, is_text, utf8)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(EventError):
        assert parse_media_type(text, "x").essence == text.split(";", maxsplit=1)[0].rstrip().lower()
