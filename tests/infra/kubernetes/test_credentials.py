"""Tokens and certificates that change while we run."""

import os
from pathlib import Path

import pytest

from functions._failures import Unavailable
from functions._values import SecretValue
from infra.kubernetes.credentials import (
    ANONYMOUS,
    Certificate,
    CertificateFiles,
    GivenCertificate,
    StaticToken,
    TokenFile,
)


def revealed(token: SecretValue | None) -> bytes | None:
    return token.reveal() if token else None


def test_a_token_file_is_read_again_only_when_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first\n")
    file = TokenFile(path)
    assert revealed(file.token()) == b"first"
    assert file.token() is file.token()
    path.write_text("second")
    assert revealed(file.token()) == b"second"


def test_a_projected_token_is_swapped_by_a_link(tmp_path: Path) -> None:
    for name in ("..1", "..2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(f"token{name}")
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "token").symlink_to("..data/token")
    file = TokenFile(tmp_path / "token")
    assert revealed(file.token()) == b"token..1"
    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").rename(tmp_path / "..data")
    assert revealed(file.token()) == b"token..2"


def test_a_refused_token_is_read_again_whatever_the_file_looks_like(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first")
    file = TokenFile(path)
    refused = file.token()
    assert not file.renew(refused)
    before = path.stat()
    path.write_text("other")  # of the same length, at the same times
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.renew(refused)
    assert revealed(file.token()) == b"other"


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_a_token_file_that_is_missing_or_empty_says_which(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Unavailable, match=str(path)):
        TokenFile(path).token()
    assert str(path) in repr(TokenFile(path))


def test_a_given_token_cannot_be_renewed_and_nobody_has_none() -> None:
    token = StaticToken(SecretValue.of("t"))
    assert (revealed(token.token()), token.certificate(), token.renew(token.token())) == (b"t", None, False)
    assert (ANONYMOUS.token(), ANONYMOUS.certificate(), ANONYMOUS.renew(None)) == (None, None, False)
    assert "***" in repr(token)


def test_certificates_in_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    chain, key = tmp_path / "a.crt", tmp_path / "a.key"
    chain.write_text("chain")
    key.write_text("key")
    files = CertificateFiles(chain, key, StaticToken(SecretValue.of("beside")))
    first = files.certificate()
    assert files.certificate() is first
    assert revealed(files.token()) == b"beside"
    assert not files.renew(files.token())
    chain.write_text("another")
    assert files.renew(files.token())
    second = files.certificate()
    assert second is not None
    assert second.chain == b"another"
    key.unlink()
    with pytest.raises(Unavailable, match="client-key"):
        files.certificate()
    assert str(chain) in repr(files)


def test_a_given_certificate_shows_no_key() -> None:
    given = GivenCertificate(Certificate(b"chain", SecretValue.of("canary")), StaticToken(SecretValue.of("canary")))
    assert "canary" not in repr(given)
    assert not given.renew(given.token())
