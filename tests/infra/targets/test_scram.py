"""SCRAM-SHA-256 as a client: RFC 7677's own example, RFC 4013's, and servers that are not who they should be."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.targets.scram import NotTheServer, ScramClient, prepared, verifier


def test_the_example_of_rfc_7677() -> None:
    client = ScramClient(b"pencil")
    # PostgreSQL sends the name apart; the example has it in the message that both sides sign.
    client._nonce, client._first = "rOprNGfwEbeRWgbNEkqO", "n=user,r=rOprNGfwEbeRWgbNEkqO"
    final = client.final(b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
    assert final == (
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    client.check(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    with pytest.raises(NotTheServer):
        client.check(b"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("\u0007", "\u0007"),  # prohibited: PostgreSQL then takes it as it is
        ("\u06271", "\u06271"),  # both directions: the same
        ("a\u00a0b", "a b"),
        ("\u00ad", "\u00ad"),  # nothing would be left
        ("a\u200bb", "a b"),  # a space, before it could be one that is mapped to nothing
        ("a\u0340b", "a\u0340b"),  # prohibited, though what it is normalised to is not
    ],
)
def test_saslprep(given_text: str, expected: str) -> None:
    assert prepared(given_text.encode()) == expected.encode()


def test_bytes_that_are_no_text_stay() -> None:
    assert prepared(b"\xff\xfe") == b"\xff\xfe"


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_ascii_is_prepared_already(text: str) -> None:
    assert prepared(text.encode()) == text.encode()


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"\xff",
        b"r=other,s=c2FsdA==,i=4096",
        b"r={nonce}x,s=c2FsdA==,i=0",
        b"r={nonce}x,s=c2FsdA==,i=99999999999",
        b"r={nonce}x,s=c2FsdA==,i=many",
        b"r={nonce}x,s=*,i=4096",
        b"r={nonce}x,i=4096",
    ],
)
def test_a_first_message_that_no_server_sends(first: bytes) -> None:
    client = ScramClient(b"pencil")
    with pytest.raises(NotTheServer):
        client.final(first.replace(b"{nonce}", client._nonce.encode()))


def test_a_server_that_says_yes_without_knowing_the_password() -> None:
    client = ScramClient(b"pencil")
    with pytest.raises(NotTheServer):
        client.check(b"v=")  # before there was anything to sign
    client.final(f"r={client._nonce}x,s=c2FsdA==,i=4096".encode())
    guess = hmac.digest(hashlib.pbkdf2_hmac("sha256", b"pen", b"salt", 4096), b"Server Key", "sha256")
    with pytest.raises(NotTheServer):
        client.check(b"v=" + base64.b64encode(guess))
    with pytest.raises(NotTheServer):
        client.check(b"e=invalid-proof")


@given(st.text(min_size=1), st.integers(1, 50))
def test_whoever_knows_the_password_shows_it_to_who_has_the_verifier(password: str, iterations: int) -> None:
    raw = password.encode(errors="replace")
    kind, told, keys = verifier(raw, iterations).split("$")
    count, salt = told.split(":")
    stored, server = (base64.b64decode(key) for key in keys.split(":"))
    assert (kind, int(count), len(base64.b64decode(salt))) == ("SCRAM-SHA-256", iterations, 16)
    client = ScramClient(raw)
    first = f"r={client._nonce}x,s={salt},i={count}"
    final = client.final(first.encode()).decode()
    signed = ",".join((f"n=,r={client._nonce}", first, final.rsplit(",p=", 1)[0])).encode()
    proof = base64.b64decode(final.rsplit(",p=", 1)[1])
    signature = hmac.digest(stored, signed, "sha256")
    key = bytes(one ^ other for one, other in zip(proof, signature, strict=True))
    assert hashlib.sha256(key).digest() == stored
    client.check(b"v=" + base64.b64encode(hmac.digest(server, signed, "sha256")))


def test_two_verifiers_of_one_password_show_nothing_of_that() -> None:
    assert set(verifier(b"pencil").split("$")[1:]).isdisjoint(verifier(b"pencil").split("$")[1:])
