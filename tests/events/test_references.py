from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from events.errors import EventError
from events.references import ManifestRef, PathRef, Reference, SecretRef, Version
from tests.events.strategies import manifests, paths, secrets

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
CONTROL = ["a\x00", "a\n", "\na", "a\x7f", "a\x85", "a\u202e", "a\u2028"]
FOREIGN = ["ü", "\uff41", "a\u0301", "\N{ZERO WIDTH SPACE}", "\N{ARABIC-INDIC DIGIT ONE}"]


@pytest.mark.parametrize("name", ["a", "a-b", "0", "a.b", "x" * 63, "x" * 253, "a.b-c.d9"])
def test_names_of_secrets(name: str) -> None:
    assert SecretRef(namespace="n", name=name).subject == f"namespaces/n/secrets/{name}"


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "../x", "/x", "x/", "x/y", "-x", "x-", ".x", "x.", "a..b", "a.-b", "A", "a_b", "a b", "x" * 254,
        *CONTROL, *FOREIGN,
    ],
)  # fmt: skip
def test_what_is_no_name_of_a_secret(name: str) -> None:
    with pytest.raises(ValidationError):
        SecretRef(namespace="n", name=name)


@pytest.mark.parametrize("name", ["", ".", "..", "a.b", "a/b", "-a", "a-", "A", "x" * 64, *CONTROL, *FOREIGN])
def test_what_is_no_namespace(name: str) -> None:
    with pytest.raises(ValidationError):
        SecretRef(namespace=name, name="x")


@pytest.mark.parametrize("path", ["a", "a/b", "runtime/temporal/database", "A_b-c.d", "_x", "a.b", "a..b", "9"])
def test_paths(path: str) -> None:
    assert PathRef(mount="team-a/secret", path=path).subject == f"paths/team-a/secret/{path}"


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/./b", "a/.b", ".a", "-a", "a/-b", "a b",
        "a%2e%2e", "a\\b", "a?b", "a#b", "a*", "~", "$(x)", "x" * 254, "/".join(["a"] * 300), *CONTROL, *FOREIGN,
    ],
)  # fmt: skip
@pytest.mark.parametrize("field", ["mount", "path"])
def test_what_is_no_path(field: str, path: str) -> None:
    with pytest.raises(ValidationError):
        PathRef.model_validate({"mount": "m", "path": "p", field: path})


@given(st.text())
def test_no_path_climbs_or_hides(text: str) -> None:
    try:
        path = PathRef(mount="m", path=text).path
    except ValidationError:
        return
    assert path.isascii()
    assert path.isprintable()
    assert all(segment and not segment.startswith((".", "-")) for segment in path.split("/"))


@given(manifests)
def test_a_manifest_is_read_as_it_is_written(ref: ManifestRef) -> None:
    assert ManifestRef.parse(str(ref)) == ref


@pytest.mark.parametrize(
    "text",
    [
        "", "PushSecret", "PushSecret a", "PushSecret a/", "pushSecret a/b", "PushSecret A/b", "PushSecret a/../b",
        "PushSecret a/b\n", "Ünicode a/b",
    ],
)  # fmt: skip
def test_what_is_no_manifest_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(EventError, match="not a manifest reference") as refusal:
        ManifestRef.parse(f"{text}")
    assert refusal.value.__cause__ is None
    assert not text.strip() or text not in str(refusal.value)


@given(st.one_of(secrets, paths, manifests), st.one_of(secrets, paths, manifests))
def test_different_things_have_different_subjects(one: Reference, other: Reference) -> None:
    # A mount of several segments and a longer path may read alike; the path that they name is then the same one.
    same = one == other or (isinstance(one, PathRef) and isinstance(other, PathRef) and str(one) == str(other))
    assert (one.subject == other.subject) == same


def test_references_compare_and_hash_by_value() -> None:
    assert {SecretRef(namespace="a", name="b")} == {SecretRef(namespace="a", name="b")}


class TestVersion:
    def test_an_instant_has_one_spelling(self) -> None:
        shifted = NOON.astimezone(timezone(timedelta(hours=2)))
        assert Version(number=1, created=shifted).created.isoformat() == "2026-01-31T12:00:00+00:00"

    @pytest.mark.parametrize(
        "created", ["2026-01-31T12:00:00", "0001-01-01T00:00:00+14:00", "2026-02-30T00:00:00Z", ""]
    )
    def test_what_is_no_instant(self, created: str) -> None:
        with pytest.raises(ValidationError):
            TypeAdapter(Version).validate_python({"number": 1, "created": created})

    @pytest.mark.parametrize("number", [0, -1, 2**53 + 1])
    def test_numbers_are_positive_and_exact_in_json(self, number: int) -> None:
        with pytest.raises(ValidationError):
            Version(number=number, created=NOON)

    def test_a_higher_number_is_newer(self) -> None:
        older, newer = Version(number=1, created=NOON), Version(number=2, created=NOON)
        assert newer.newer_than(older)
        assert not older.newer_than(newer)

    def test_a_path_that_began_anew_is_newer(self) -> None:
        before, again = Version(number=9, created=NOON), Version(number=1, created=NOON + timedelta(seconds=1))
        assert again.newer_than(before)

    def test_a_path_that_began_anew_with_the_same_number_is_newer(self) -> None:
        before, again = Version(number=1, created=NOON), Version(number=1, created=NOON + timedelta(seconds=1))
        assert again.newer_than(before)
        assert again.surely_newer_than(before)
        assert not before.newer_than(again)

    def test_a_number_and_a_time_that_disagree_make_nothing_sure(self) -> None:
        before, again = Version(number=9, created=NOON), Version(number=2, created=NOON + timedelta(seconds=1))
        assert not before.surely_newer_than(again)
        assert not again.surely_newer_than(before)
        assert Version(number=3, created=NOON + timedelta(seconds=1)).surely_newer_than(again)

    def test_a_version_is_at_least_itself_and_newer_than_nothing(self) -> None:
        version = Version(number=1, created=NOON)
        assert version.at_least(version)
        assert version.newer_than(None)
        assert not version.newer_than(version)


@pytest.mark.parametrize("made", [
    lambda: SecretRef(namespace="a", name="b"),
    lambda: PathRef(mount="a", path="b"),
    lambda: ManifestRef(kind="A", namespace="a", name="b"),
    lambda: Version(number=1, created=datetime(2026, 1, 1, tzinfo=UTC)),
])  # fmt: skip
def test_references_are_equal_by_type_and_value(made: Callable[[], BaseModel]) -> None:
    one, same = made(), made()
    assert one == same == one.model_copy() == type(one).model_validate_json(one.model_dump_json())
    assert hash(one) == hash(same) == hash(one.model_copy())
    first = next(iter(type(one).model_fields))
    other = one.model_copy(update={first: 2 if first == "number" else "Z"})
    assert one != other
    assert len({one, same, other}) == 2


def test_things_of_two_kinds_are_never_the_same() -> None:
    class Named(SecretRef):
        """Of another type, with the same fields."""

    assert SecretRef(namespace="a", name="b") != Named(namespace="a", name="b")
