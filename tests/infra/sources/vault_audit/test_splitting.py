"""Bytes into lines, however they are cut, and never more of one than may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.sources.vault_audit.splitting import Line, LineSplitter


@given(st.lists(st.binary(max_size=12).map(lambda raw: raw.replace(b"\n", b" ")), max_size=8), st.integers(1, 9))
def test_lines_come_out_as_they_went_in(lines: list[bytes], step: int) -> None:
    splitter, found = LineSplitter(), []
    whole = b"".join(each + b"\n" for each in lines) + b"rest"
    for first in range(0, len(whole), step):
        found += splitter.feed(whole[first : first + step])
    assert found == [Line(each) for each in lines]
    assert splitter.pending == 4


@pytest.mark.parametrize("step", [1, 3, 100])
def test_of_a_long_line_only_the_beginning_is_kept(step: int) -> None:
    splitter, found = LineSplitter(longest=10, kept=4), []
    whole = b"0123456789\n" + b"01234567890\n" + b"short\n" + b"x" * 25
    for first in range(0, len(whole), step):
        found += splitter.feed(whole[first : first + step])
    assert found == [Line(b"0123456789"), Line(b"0123", whole=False), Line(b"short")]
    assert splitter.pending == 25
    assert splitter.feed(b"\nnext\n") == [Line(b"xxxx", whole=False), Line(b"next")]


def test_one_that_begins_within_a_line_tells_from_the_next_on() -> None:
    splitter = LineSplitter()
    splitter.skip()
    assert splitter.feed(b"half\nwhole\n") == [Line(b"whole")]
