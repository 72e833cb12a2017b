"""SCRAM-SHA-256 as a client (RFC 5802, RFC 7677), without channel binding: PostgreSQL's own way to ask for a password.

Passwords are prepared as PostgreSQL does it: by SASLprep (RFC 4013), and as they are where that refuses them.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import stringprep
import unicodedata

ITERATIONS = 4096  # PostgreSQL's own default, scram_iterations
_SALT = 16  # bytes
MOST_ITERATIONS = 10_000_000  # a server that asks for more wants to keep us busy
_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


class NotTheServer(Exception):
    """The other side does not show that it knows the password's verifier, or speaks something else."""


class ScramClient:
    """One exchange: `first`, `final` on the server's first message, `check` on its last."""

    def __init__(self, password: bytes) -> None:
        self._password = prepared(password)
        self._nonce = secrets.token_urlsafe(24)
        self._first = f"n=,r={self._nonce}"
        self._expected = b""

    def first(self) -> bytes:
        return b"n,," + self._first.encode()

    def final(self, server_first: bytes) -> bytes:
        """The proof. Raises NotTheServer."""
        told = _attributes(server_first)
        try:
            nonce, salt, iterations = told["r"], base64.b64decode(told["s"], validate=True), int(told["i"])
        except (KeyError, ValueError, binascii.Error):
            raise NotTheServer from None
        if not nonce.startswith(self._nonce) or not 1 <= iterations <= MOST_ITERATIONS:
            raise NotTheServer
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, iterations)
        without_proof = f"c=biws,r={nonce}"
        signed = ",".join((self._first, server_first.decode(), without_proof)).encode()
        key = _hmac(salted, b"Client Key")
        signature = _hmac(hashlib.sha256(key).digest(), signed)
        proof = bytes(one ^ other for one, other in zip(key, signature, strict=True))
        self._expected = _hmac(_hmac(salted, b"Server Key"), signed)
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def check(self, server_final: bytes) -> None:
        """Raises NotTheServer where the server's signature is not that of the password."""
        signature = base64.b64encode(self._expected)
        if not self._expected or not hmac.compare_digest(server_final.split(b",")[0], b"v=" + signature):
            raise NotTheServer


def verifier(password: bytes, iterations: int = ITERATIONS) -> str:
    """What PostgreSQL stores of a password, with a salt of its own: of it alone, nobody can log in.

    Not by libpq's PQencryptPasswordConn, which takes twice the time and lets no other thread work meanwhile.
    """
    salt = secrets.token_bytes(_SALT)
    salted = hashlib.pbkdf2_hmac("sha256", prepared(password), salt, iterations)
    stored = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    texts = (base64.b64encode(part).decode() for part in (salt, stored, _hmac(salted, b"Server Key")))
    return "SCRAM-SHA-256${}:{}${}:{}".format(iterations, *texts)


def prepared(password: bytes) -> bytes:
    """SASLprep of a password, or the password itself where that does not take it."""
    try:
        text = password.decode()
    except UnicodeDecodeError:
        return password
    if text.isascii() and text.isprintable():
        return password  # as nearly all are, and mapped to themselves
    # In PostgreSQL's order: what is a space is not removed, and what is prohibited is so before it is normalised.
    spaced = (" " if stringprep.in_table_c12(one) else one for one in text)
    mapped = "".join(one for one in spaced if not stringprep.in_table_b1(one))
    normal = unicodedata.normalize("NFKC", mapped)
    if not normal or any(table(one) for one in mapped for table in _PROHIBITED) or not _one_direction(mapped):
        return password
    return normal.encode()


def _one_direction(text: str) -> bool:
    """Rules for text written from right to left (RFC 3454, 6)."""
    if not any(stringprep.in_table_d1(one) for one in text):
        return True
    ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return ends and not any(stringprep.in_table_d2(one) for one in text)


def _attributes(message: bytes) -> dict[str, str]:
    try:
        return dict(part.split("=", 1) for part in message.decode("ascii").split(",") if "=" in part)
    except UnicodeDecodeError:
        raise NotTheServer from None


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")
