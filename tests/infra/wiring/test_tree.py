"""YAML within bounds, with lines."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.wiring.tree import MOST_NODES, TreeError, line_of, parse_tree


def test_every_place_knows_its_line() -> None:
    tree = parse_tree("a:\n  b:\n    - x\n    - y: 1\n", first_line=11)
    assert line_of(tree, ("a",)) == 11
    assert line_of(tree, ("a", "b", 1, "y")) == 14
    assert line_of(tree, ("a", "missing", "deeper")) == 11


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: yes", True),
        ("a: 'yes'", "yes"),
        ("a: 0600", 384),
        ("a: -0x1f", -31),
        ("a: 1_000", 1000),
        ("a: 1:30", "1:30"),  # a sexagesimal number to YAML 1.1, text to Kubernetes
        ("a: 2020-01-01", "2020-01-01"),
        ("a: 1.5e3", 1500.0),
        ("a: ~", None),
        ("a:", None),
        ("a: .", "."),
        ("a: !!str 5", "5"),
        ("a: &x 5\nb: *x", 5),
    ],
)
def test_scalars_mean_what_they_mean_to_kubernetes(text: str, value: object) -> None:
    assert parse_tree(text)["a"] == value


def test_merges_yield_to_what_stands_there() -> None:
    tree = parse_tree("base: &b {x: 1, y: 2}\nmade:\n  <<: *b\n  x: 3\n")
    assert tree["made"] == {"x": 3, "y": 2}


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 10)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("a: 1\nb: 2\na: 3", "twice", 3),
        ("a: 1\nb: [1\nc: 2", "not YAML", 3),
        ("[" * 100_000, "nested deeper", 1),
        ("{a: " * 100_000, "nested deeper", 1),
        (BOMB, f"more than {MOST_NODES} nodes", 5),
        ("a: &x [*x]", "no finished anchor", 1),
        ("a: *nowhere", "no finished anchor", 1),
        ("a: 1\nb: !!python/object:os.system x", "tag", 2),
        ("a: !Ref x", "tag", 1),
        ("1: x", "not text", 1),
        ("[a]: x", "not text", 1),
        ("a: \x07", "character", 1),
        ("a: {<<: 5}", "merges", 1),
    ],
)
def test_what_is_no_acceptable_yaml_is_named_with_its_line(text: str, message: str, line: int) -> None:
    with pytest.raises(TreeError, match=message) as caught:
        parse_tree(text)
    assert caught.value.line == line


@given(st.text(max_size=200))
def test_any_text_parses_or_raises_the_one_error(text: str) -> None:
    with suppress(TreeError):
        parse_tree(text)
