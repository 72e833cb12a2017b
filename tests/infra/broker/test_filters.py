"""Trigger filters, dialect by dialect."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.broker.errors import TriggerError
from infra.broker.filters import attributes_asked, compile_filters

ATTRIBUTES = {
    "type": "dev.lockstep.secret.changed",
    "source": "/s",
    "subject": "paths/a",
    "id": "1",
    "specversion": "1.0",
}


def matches(filters: list[Any] | None, legacy: dict[str, Any] | None = None) -> bool:
    spec: dict[str, Any] = {"filters": filters}
    if legacy is not None:
        spec["filter"] = {"attributes": legacy}
    return compile_filters(spec, "Trigger t")(ATTRIBUTES)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([{"exact": {"type": "dev.lockstep.secret.changed"}}], True),
        ([{"exact": {"type": "dev.lockstep.secret"}}], False),
        ([{"exact": {"type": "dev.lockstep.secret.changed", "source": "/s"}}], True),
        ([{"exact": {"type": "dev.lockstep.secret.changed", "source": "/x"}}], False),
        ([{"exact": {"missing": "x"}}], False),
        ([{"prefix": {"type": "dev.lockstep."}}], True),
        ([{"prefix": {"subject": "paths/", "source": "/x"}}], False),
        ([{"suffix": {"type": ".changed"}}], True),
        ([{"suffix": {"missing": "d"}}], False),
        ([{"not": {"exact": {"source": "/s"}}}], False),
        ([{"not": {"exact": {"missing": "x"}}}], True),
        ([{"any": [{"exact": {"source": "/x"}}, {"prefix": {"subject": "paths"}}]}], True),
        ([{"all": [{"exact": {"source": "/s"}}, {"prefix": {"subject": "x"}}]}], False),
        ([{"exact": {"source": "/s"}}, {"prefix": {"subject": "x"}}], False),
        ([{"not": {"any": [{"exact": {"source": "/x"}}, {"exact": {"id": "2"}}]}}], True),
    ],
)
def test_dialects(filters: list[Any], expected: bool) -> None:
    assert matches(filters) is expected


@pytest.mark.parametrize(
    "filters",
    [None, [], [{}], [{"exact": {"type": ""}}], [{"exact": {}}], [{"prefix": None}], [{"all": []}], [{"any": [{}]}],
     [{"not": {}}], [{"not": {"exact": {"type": ""}}}], [{}, {"exact": {"type": ""}}]],
)  # fmt: skip
def test_what_is_skipped_passes_everything(filters: list[Any] | None) -> None:
    assert matches(filters)


def test_a_skipped_filter_leaves_the_others() -> None:
    assert not matches([{}, {"exact": {"source": "/x"}}])
    assert not matches([{"any": [{}, {"exact": {"source": "/x"}}]}])


def test_filters_override_the_legacy_filter_unless_empty() -> None:
    assert matches([{"exact": {"source": "/s"}}], legacy={"source": "/x"})
    assert not matches([], legacy={"source": "/x"})


@pytest.mark.parametrize(
    ("legacy", "expected"),
    [({}, True), ({"source": "/s"}, True), ({"source": "/x"}, False), ({"source": ""}, True), ({"missing": ""}, False)],
)
def test_legacy_attributes(legacy: dict[str, str], expected: bool) -> None:
    assert matches(None, legacy) is expected


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ([{"cesql": "type = 'x'"}], "cesql"),
        ([{"regex": {"type": "x"}}], "unknown dialect 'regex'"),
        ([{"exact": {"Type": "x"}}], "'Type' is no attribute name"),
        ([{"exact": {"type": 1}}], "must be a string; quote it"),
        ([{"exact": {"type": "x", "source": ""}}], "'source' is empty beside others"),
        ([{"exact": {"type": "x"}, "prefix": {"type": "x"}}], "one dialect per filter"),
        ({"exact": {"type": "x"}}, "must be a list"),
        (["x"], "must be a mapping"),
        ([{"exact": "x"}], "must map attribute names"),
        ([{"all": [{"not": {"cesql": "x"}}]}], r"filters\[0\].all\[0\].not: dialect 'cesql'"),
    ],
)
def test_bad_filters_are_refused_by_name(filters: Any, message: str) -> None:
    with pytest.raises(TriggerError, match=message):
        matches(filters)


def test_nesting_is_bounded() -> None:
    spec: dict[str, Any] = {"exact": {"type": "x"}}
    for _ in range(40):
        spec = {"not": spec}
    with pytest.raises(TriggerError, match="nested deeper"):
        matches([spec])


leaves = st.builds(
    lambda dialect, name, value: {dialect: {name: value}},
    st.sampled_from(["exact", "prefix", "suffix"]), st.sampled_from(["type", "source", "missing"]),
    st.sampled_from(["/s", "dev", "changed", "x"]),
)  # fmt: skip
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda x: {"not": x}, inner),
        st.builds(
            lambda name, xs: {name: xs}, st.sampled_from(["all", "any"]), st.lists(inner, min_size=1, max_size=3)
        ),
    ),
    max_leaves=8,
)


@given(trees)
def test_not_inverts_and_de_morgan_holds(tree: dict[str, Any]) -> None:
    assert matches([{"not": tree}]) is not matches([tree])
    assert matches([{"not": {"all": [tree, {"exact": {"source": "/s"}}]}}]) is matches(
        [{"any": [{"not": tree}, {"not": {"exact": {"source": "/s"}}}]}]
    )


@given(
    st.lists(
        st.recursive(
            st.dictionaries(st.sampled_from(["exact", "prefix", "suffix"]),
                            st.dictionaries(st.sampled_from(["type", "source", "subject"]), st.just("x"), max_size=2),
                            min_size=1, max_size=1),
            lambda inner: st.one_of(st.builds(lambda one: {"not": one}, inner),
                                    st.builds(lambda many: {"any": many}, st.lists(inner, max_size=3)),
                                    st.builds(lambda many: {"all": many}, st.lists(inner, max_size=3))),
            max_leaves=4,
        ),
        max_size=3,
    ),
    st.dictionaries(st.sampled_from(["type", "source", "subject"]), st.sampled_from(["x", "xy", "y"])),
)  # fmt: skip
def test_nothing_but_what_a_filter_asks_for_counts(filters: list[Any], attributes: dict[str, str]) -> None:
    spec = {"filters": filters}
    asked = attributes_asked(spec)
    matching = compile_filters(spec, "Trigger t")
    assert matching(attributes) == matching({name: value for name, value in attributes.items() if name in asked})


def test_what_a_legacy_filter_asks_for() -> None:
    assert attributes_asked({"filter": {"attributes": {"type": "a", "source": ""}}}) == {"type", "source"}
    assert attributes_asked({"filter": {}}) == attributes_asked({}) == frozenset()
