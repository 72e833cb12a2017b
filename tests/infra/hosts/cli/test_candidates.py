"""What a search takes for a candidate: secrets however they stand, and nothing that could be guessed."""

import base64
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions._telling import guessable
from infra.hosts.cli.candidates import LONGEST_LINE, candidates, lines_of, pieces

SECRET = b"Zq81-hunter-Kx9"


def found(text: bytes) -> set[bytes]:
    return {one.value for one in candidates(lines_of(pieces(io.BytesIO(text))))}


@pytest.mark.parametrize(
    "text",
    [
        SECRET, b"password=" + SECRET, b"password: " + SECRET, b'{"password": "' + SECRET + b'"}',
        b"redis://app:" + SECRET + b"@cache:6379/0", b"https://x/?token=" + SECRET + b"&a=b", b"'" + SECRET + b"'",
        b"export A=" + SECRET + b"; run", b"data:\n  password: " + base64.b64encode(SECRET), b"(" + SECRET + b")",
        base64.b64encode(b"user:" + SECRET), b"Authorization: Bearer " + SECRET, b"\x00\x01" + SECRET + b"\x00",
        b"a" * 500 + b" " + SECRET, b"-p" + b" " + SECRET + b",", base64.urlsafe_b64encode(SECRET).rstrip(b"="),
        b"<password>" + SECRET + b"</password>", b"PASS=" + SECRET + b".", SECRET + b"\r\n",
    ],
)  # fmt: skip
def test_a_secret_is_found_however_it_stands(text: bytes) -> None:
    assert SECRET in found(text)


def test_a_sentence_is_found_as_a_line_and_after_its_name() -> None:
    phrase = b"correct horse battery staple"
    assert phrase in found(b"  " + phrase + b"  \n")
    assert phrase in found(b"phrase: " + phrase)
    assert phrase in found(b'x = "' + phrase + b'"')


def test_a_key_in_pem_is_one_candidate() -> None:
    body = b"\n".join(base64.b64encode(bytes(range(start, start + 48))) for start in range(0, 192, 48))
    key = b"-----BEGIN PRIVATE KEY-----\n" + body + b"\n-----END PRIVATE KEY-----"
    assert key in found(b"tls:\n" + key + b"\nmore: text\n")
    indented = b"\n".join(b"    " + line for line in key.splitlines())
    assert key in found(indented)


def test_lines_are_numbered() -> None:
    text = b"one\n" + SECRET + b"\nthree\n"
    assert {one.line for one in candidates(lines_of(pieces(io.BytesIO(text)))) if one.value == SECRET} == {2}


def test_a_line_without_an_end_is_looked_at_in_pieces() -> None:
    text = b"x" * (3 * LONGEST_LINE) + b" " + SECRET
    assert SECRET in found(text)
    assert max(len(piece) for piece in pieces(io.BytesIO(text))) == LONGEST_LINE


def test_white_space_within_a_long_line_costs_no_more_than_its_length() -> None:
    text = b"password=" + SECRET + b" " * 200_000 + b"end"  # in steps that grow with its square, this takes minutes
    assert SECRET in found(text)


def test_what_could_be_guessed_is_no_candidate() -> None:
    guesses = (b"secret", b"5432", b"true", b"a" * 24, b"password", b"enabled")
    text = b"password=secret\nport: 5432\nenabled: true\n" + b"a" * 24
    assert found(text).isdisjoint(guesses)


@given(st.binary(max_size=2000))
def test_any_bytes(raw: bytes) -> None:
    values = found(raw)
    assert not any(guessable(value) for value in values)
    assert len(values) < 50 * (len(raw) + 1)
    assert "Zq81" not in repr(list(candidates(lines_of(pieces(io.BytesIO(raw + SECRET))))))
