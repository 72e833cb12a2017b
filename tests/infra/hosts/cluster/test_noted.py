"""Changes that are noted: read at once, written together, in their order, and never over something newer."""

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from events.references import ManifestRef
from infra.hosts.cluster.noted import Change, Known, Noted, folded, merged

REF = ManifestRef(kind="PushSecret", namespace="team", name="app")
LEAVES = st.integers() | st.text(max_size=2) | st.lists(st.integers(), max_size=2)
NAMES = st.sampled_from("abc")
DOCUMENTS = st.recursive(
    st.dictionaries(NAMES, LEAVES, max_size=3), lambda inner: st.dictionaries(NAMES, inner | LEAVES)
)
PATCHES = st.recursive(
    st.dictionaries(NAMES, LEAVES, max_size=3), lambda inner: st.dictionaries(NAMES, inner | LEAVES | st.none())
)


def known(version: str = "1", **status: Any) -> Known:
    return Known("uid", version, 1, status)


def setting(**patch: Any) -> Change:
    return lambda _: patch


def raising(number: int) -> Change:
    """As a publication: a higher number is never replaced."""
    return lambda at: {"number": number} if at.status.get("number", 0) < number else None


def test_what_is_noted_is_read_at_once() -> None:
    noted = Noted()
    assert noted.applied(REF, known(a=1)) == known(a=1)
    assert noted.add(REF, "path", setting(b={"c": 2}), known(a=1))
    assert noted.applied(REF, known(a=1)) == known(a=1, b={"c": 2})
    assert noted.applied(REF, known("2", a=3, b={"d": 4})) == known("2", a=3, b={"c": 2, "d": 4}), (
        "of what is newer too"
    )


def test_of_one_subject_the_newest_counts_and_an_older_one_never_takes_its_place() -> None:
    noted = Noted()
    assert noted.add(REF, "path", raising(2), known())
    assert not noted.add(REF, "path", raising(1), known())
    assert noted.add(REF, "path", raising(3), known())
    assert len(noted.of(REF)) == 1
    assert noted.applied(REF, known()).status == {"number": 3}


def test_several_subjects_make_one_patch() -> None:
    noted = Noted()
    noted.add(REF, "one", setting(synced={"store": {"one": 1}}), known())
    noted.add(REF, "other", setting(synced={"store": {"other": None}}), known())
    assert folded(known(), noted.of(REF)) == {"synced": {"store": {"one": 1, "other": None}}}


def test_each_change_is_made_of_what_those_before_it_leave() -> None:
    def next_one(at: Known) -> Mapping[str, Any]:
        return {"count": at.status.get("count", 0) + 1}

    assert folded(known(count=4), [next_one, next_one]) == {"count": 6}
    assert folded(known(), [lambda _: None, lambda _: None]) is None


def test_what_is_noted_while_others_are_written_stays() -> None:
    noted = Noted()
    noted.add(REF, "path", raising(1), known())
    noted.add(REF, "other", setting(a=1), known())
    writing = noted.of(REF)
    noted.add(REF, "path", raising(2), known())
    noted.done(REF, writing)
    assert noted.applied(REF, known("2", number=1, a=1)).status == {"number": 2, "a": 1}
    noted.done(REF, noted.of(REF))
    assert noted.applied(REF, known("3", number=2)) == known("3", number=2)


@given(DOCUMENTS, PATCHES, PATCHES)
def test_one_patch_does_what_two_do(document: dict[str, Any], first: dict[str, Any], second: dict[str, Any]) -> None:
    """But where an object takes the place of something else: a merge patch cannot say that."""
    whole = folded(Known("uid", "1", 1, document), [lambda _: first, lambda _: second])
    assert whole is not None
    if not _replaced(merged(document, {}), first, second):
        assert merged(document, whole) == merged(merged(document, first), second)


def _replaced(document: Mapping[str, Any], first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether the first takes an object away, or puts another value there, where the second sets one."""
    for name, value in second.items():
        if not isinstance(value, Mapping) or name not in first:
            continue
        before, there = first[name], document.get(name)
        if not isinstance(before, Mapping):
            if isinstance(there, Mapping):
                return True
        elif _replaced(there if isinstance(there, Mapping) else {}, before, value):
            return True
    return False
