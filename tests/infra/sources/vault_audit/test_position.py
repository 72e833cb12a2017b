"""Where a file was read to, as it is kept."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.sources.vault_audit.position import Position, opened

numbers = st.integers(64, 2**40)


@given(st.builds(Position, numbers, numbers, numbers, st.binary(max_size=64).map(bytes.hex)))
def test_it_is_read_as_it_was_written(position: Position) -> None:
    assert Position.read(position.text()) == position


@pytest.mark.parametrize(
    "spoilt",
    [
        "", "{", "[]", "null", "{}", '{"device":1,"inode":1,"offset":0}',
        '{"device":1,"inode":1,"offset":-1,"mark":""}', '{"device":true,"inode":1,"offset":1,"mark":""}',
        '{"device":1,"inode":1,"offset":1,"mark":"zz"}', '{"device":1,"inode":1,"offset":1,"mark":"00ff"}',
        '{"device":1,"inode":1,"offset":1,"mark":3}', '{"device":1,"inode":1.5,"offset":1,"mark":""}',
        f'{{"device":1,"inode":1,"offset":{2**70},"mark":""}}', "[" * 100_000,
    ],
)  # fmt: skip
def test_a_spoilt_one_is_none(spoilt: str) -> None:
    assert Position.read(spoilt) is None


def test_a_file_is_known_again_by_what_was_read_of_it(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    file.write_bytes(b"one\ntwo\n")
    descriptor = opened(file)
    found = os.fstat(descriptor)
    position = Position(found.st_dev, found.st_ino, 4, b"one\n".hex())
    assert position.holds(descriptor)
    file.write_bytes(b"ONE\ntwo\n")  # the same inode with another content, as after copytruncate
    assert not position.holds(descriptor)
    os.truncate(file, 2)
    assert not position.holds(descriptor)
    os.close(descriptor)


def test_only_a_regular_file_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for other in (tmp_path / "pipe", tmp_path):
        with pytest.raises(OSError, match="no regular file"):
            opened(other)
