"""decodingStrategy."""

import base64
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions._shaping.decoding import NotDecodable, Strategy, decode
from functions._values import SecretValue


@pytest.mark.parametrize(("strategy", "value", "expected"), [
    ("None", b"aGk=", b"aGk="),
    ("Base64", b"aGk=", b"hi"),
    ("Base64", b"aG\r\nk=\n", b"hi"),
    ("Base64", b"", b""),
    ("Base64URL", b"_-8=", b"\xff\xef"),
    ("Auto", b"/+8=", b"\xff\xef"),
    ("Auto", b"_-8=", b"\xff\xef"),
    ("Auto", b"not base64!", b"not base64!"),
    ("Auto", b"aGk", b"aGk"),
    ("Auto", b"\xff\x00", b"\xff\x00"),
])  # fmt: skip
def test_it_decodes_as_eso(strategy: Strategy, value: bytes, expected: bytes) -> None:
    assert decode(SecretValue(value), strategy, subject="s").reveal() == expected


@pytest.mark.parametrize(("strategy", "value"), [
    ("Base64", b"canary!"), ("Base64", b"aGk"), ("Base64", b"_-8="), ("Base64", b"aGk=aGk="), ("Base64", b"a Gk="),
    ("Base64URL", b"/+8="), ("Base64URL", b"canary"),
])  # fmt: skip
def test_it_refuses_without_the_value(strategy: Strategy, value: bytes) -> None:
    with pytest.raises(NotDecodable, match=f"secret/a: the value is not {strategy};") as caught:
        decode(SecretValue(value), strategy, subject="secret/a")
    assert "canary" not in caught.value.reason


@given(st.binary(max_size=100), st.sampled_from(["Base64", "Base64URL", "Auto"]))
def test_arbitrary_bytes_come_back(raw: bytes, strategy: Literal["Base64", "Base64URL", "Auto"]) -> None:
    encoded = base64.urlsafe_b64encode(raw) if strategy == "Base64URL" else base64.b64encode(raw)
    assert decode(SecretValue(encoded), strategy, subject="s").reveal() == raw


@given(st.binary(max_size=50))
def test_auto_and_none_take_anything(raw: bytes) -> None:
    decode(SecretValue(raw), "Auto", subject="s")
    assert decode(SecretValue(raw), "None", subject="s").reveal() == raw
