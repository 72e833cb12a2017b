"""The seal key: made once, then only ever found again."""

from pathlib import Path

import pytest

from infra.hosts.openbao.failures import SealKeyError
from infra.hosts.openbao.seal import CREDENTIAL, SIZE, seal_key


def test_without_one_a_development_key_is_made_once(tmp_path: Path) -> None:
    first = seal_key(None, tmp_path, established=False)
    assert first.development
    assert first.path.parent == tmp_path
    assert first.path.stat().st_mode & 0o777 == 0o600
    assert len(first.path.read_bytes()) == SIZE
    assert seal_key(None, tmp_path, established=True) == first


def test_a_given_file_and_a_credential_directory(tmp_path: Path) -> None:
    state, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
    elsewhere.mkdir()
    in_directory = seal_key(elsewhere, state, established=False)
    assert in_directory.path == elsewhere / CREDENTIAL
    as_file = seal_key(elsewhere / CREDENTIAL, state, established=True)
    assert as_file == in_directory
    assert not as_file.development


def test_ids_tell_keys_apart(tmp_path: Path) -> None:
    first = seal_key(tmp_path / "a", tmp_path, established=False)
    second = seal_key(tmp_path / "b", tmp_path, established=False)
    assert first.id != second.id
    assert first.path.read_bytes().hex()[:8] not in first.id


def test_none_is_made_for_what_is_sealed_already(tmp_path: Path) -> None:
    for given in (None, tmp_path / "gone"):
        with pytest.raises(SealKeyError, match="--seal-key"):
            seal_key(given, tmp_path, established=True)


@pytest.mark.parametrize(
    ("content", "mode", "complaint"),
    [(b"short", 0o600, "instead of 32"), (b"x" * SIZE, 0o644, "chmod 600"), (b"x" * SIZE, 0o660, "chmod 600")],
)
def test_unfit_keys(tmp_path: Path, content: bytes, mode: int, complaint: str) -> None:
    key = tmp_path / "key"
    key.write_bytes(content)
    key.chmod(mode)
    with pytest.raises(SealKeyError, match=complaint):
        seal_key(key, tmp_path, established=False)


def test_a_place_where_none_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SealKeyError, match="make one with"):
        seal_key(tmp_path / "file" / "key", tmp_path, established=False)
