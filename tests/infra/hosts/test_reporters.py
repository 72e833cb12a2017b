"""Who reports: a token, a password or a certificate, each as configured, and nobody else; the answer tells nothing."""

import base64
import hashlib
from typing import Any

import pytest
from pydantic import ValidationError

from infra.broker.errors import RefusedError
from infra.broker.principal import Principal
from infra.hosts.configuration import Configuration, Reporter
from infra.hosts.reporters import Reporters


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


CERTIFICATE = digest("a certificate")
REPORTERS = Reporters(
    [
        Reporter(name="token", token_sha256=digest("one")),
        Reporter(name="basic", username="user", password_sha256=digest("two")),
        Reporter(name="certificate", certificate_sha256=CERTIFICATE),
    ]
)


def scope(*authorizations: str, certificate: str = "") -> dict[str, Any]:
    headers = [(b"authorization", one.encode("latin-1")) for one in authorizations]
    return {"headers": headers, "client": ("127.0.0.1", 1), "extensions": {"lockstep.certificate": certificate}}


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (scope("Bearer one"), "token"),
        (scope("bearer one"), "token"),
        (scope(basic("user:two")), "basic"),
        (scope(certificate=CERTIFICATE), "certificate"),
        (scope("Bearer wrong", certificate=CERTIFICATE), "certificate"),
    ],
)
def test_who_is_known(asked: dict[str, Any], name: str) -> None:
    assert REPORTERS(asked) == Principal("reporter", name)


@pytest.mark.parametrize(
    "asked",
    [
        scope(), scope(""), scope("Bearer"), scope("Bearer "), scope("Bearer two"), scope("Basic one"),
        scope(basic("user:one")), scope(basic("other:two")), scope(basic("user")), scope("Basic ==="),
        scope(certificate="0" * 64), scope("Bearer one", "Bearer one"), scope("Bearer \xff"), scope("Digest one"),
        {"headers": [], "client": None},
    ],
    ids=range(15),
)  # fmt: skip
def test_who_is_not(asked: dict[str, Any]) -> None:
    with pytest.raises(RefusedError) as refused:
        REPORTERS(asked)
    assert refused.value.status == 401
    with pytest.raises(RefusedError) as other:
        Reporters()(asked)
    assert other.value.reason == refused.value.reason


@pytest.mark.parametrize(
    "members",
    [
        {}, {"username": "x"}, {"passwordSHA256": digest("x")}, {"tokenSHA256": digest("")}, {"tokenSHA256": "x"},
        {"tokenSHA256": digest("x"), "certificateSHA256": digest("y")}, {"tokenSHA256": digest("x"), "may": "all"},
        {"tokenSHA256": digest("x"), "name": "Upper"}, {"username": "a:b", "passwordSHA256": digest("x")},
    ],
    ids=range(9),
)  # fmt: skip
def test_a_reporter_is_known_in_one_way(members: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Reporter.parse({"name": "x", **members})


def test_reporters_have_names_of_their_own() -> None:
    one = {"name": "x", "tokenSHA256": digest("x")}
    with pytest.raises(ValidationError, match="reporters"):
        Configuration.parse({"reporters": [one, {**one, "tokenSHA256": digest("y")}]})
