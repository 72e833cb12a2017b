"""One audit line: which write it tells of, and that nothing it may hold breaks the reader or gets out of it."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import strict_json
from events.references import PathRef
from infra.sources.vault_audit.line import UnreadableLineError, Written, concerns, parse
from tests.infra.sources.vault_audit.lines import HMAC, PATH, document, line, text

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        ("create", "secret/data/auth/app"), ("update", "secret/data/auth/app"), ("patch", "secret/data/auth/app"),
        ("delete", "secret/data/auth/app"), ("update", "secret/delete/auth/app"),
        ("update", "secret/undelete/auth/app"), ("update", "secret/destroy/auth/app"),
        ("delete", "secret/metadata/auth/app"),
    ],
)  # fmt: skip
def test_what_changes_the_versions_of_a_path(operation: str, path: str) -> None:
    assert parse(line(operation, path)) == Written(PATH, "r-1", frozenset({"people"}), "e-1")


@pytest.mark.parametrize(
    "told",
    [
        line("read"), line("list", "secret/metadata/auth/"), line("help"), line(kind="request"),
        line("create", "secret/metadata/auth/app"), line("patch", "secret/metadata/auth/app"),
        line("update", "secret/config"), line("update", "secret/data/"), line("update", "secret/data"),
        line("update", "secret/subkeys/auth/app"), line(mount_type="transit"), line(mount_type="system"),
        line(path="secret/data/../escape"), line(path="secret/data/a b"), line(path="other/data/auth/app"),
        line(path=f"secret/data/{'x' * 600}"), b"", b"  \t",
        text({**document(), "error": "1 error occurred:\n\t* invalid request\n\n"}),
        text({**document(), "error": {"anything": 1}}),
    ],
)  # fmt: skip
def test_what_tells_of_no_write(told: bytes) -> None:
    assert parse(told) is None


@pytest.mark.parametrize(
    "told",
    [
        b"{", b"no json", b"\xff\xfe\x00\x01", b"\x00" * 100, b"[]", b'"text"', b"{}", b"[" * 5000, line()[:-20],
        line() + line(), b'{"type":"response","type":"response"}', text({"type": 1}), line(mount_point=None),
        line(mount_point="secret"), line(mount_point=["secret/"]), text({**document(), "auth": "x"}),
        text({**document(), "request": 3}), line(data=json.loads("[" * 100 + "]" * 100)),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_without_a_quotation(told: bytes) -> None:
    with pytest.raises(UnreadableLineError) as refused:
        parse(told)
    assert "auth/app" not in str(refused.value)
    assert HMAC not in str(refused.value)


def test_mounts_are_named_from_our_namespace_on() -> None:
    inner = line(namespace={"id": "x", "path": "team-a/b/"})
    assert parse(inner) == Written(
        PathRef(mount="team-a/b/secret", path="auth/app"), "r-1", frozenset({"people"}), "e-1"
    )
    named = parse(inner, "team-a")
    assert named is not None
    assert named.path == PathRef(mount="b/secret", path="auth/app")
    assert parse(inner, "team") is None
    assert parse(line(), "team-a") is None
    nested = parse(line(path="kv/one/data/x", mount_point="kv/one/"))
    assert nested is not None
    assert nested.path == PathRef(mount="kv/one", path="x")


def test_who_it_was_is_read_from_auth_alone() -> None:
    assert parse(text({**document(), "auth": None})) == Written(PATH, "r-1")
    odd = {**document(), "auth": {"policies": ["a", 1, None], "entity_id": 7}}
    assert parse(text(odd)) == Written(PATH, "r-1", frozenset({"a"}), "")
    assert parse(line(request_id="with a space")) == Written(PATH, "", frozenset({"people"}), "e-1")
    assert parse(line(data={"operation": "read", "auth": {"policies": ["lockstep-publish"]}})) == parse(line())


def test_a_value_cannot_pass_for_a_member() -> None:
    """Quotes within a string are escaped, so that what somebody writes does not hide his line."""
    hidden = parse(line(data={"data": {"x": '{"type":"request","operation":"read"}'}}))
    assert hidden == parse(line())
    assert not concerns(line("read", data={"x": '"operation":"update"'}))


def test_lines_of_our_own_mounts_are_not_even_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    own = [line(path="lockstep/data/claims/x", mount_point="lockstep/"), line(mount_point="lockstep-transit/")]
    # With data that is logged raw, a writer chooses its members' names: he cannot hide that his line is another's.
    hiding = line(data={"data": {"mount_point": "lockstep/"}})
    assert parse(hiding) == parse(line())
    long = "/".join(letter * 60 for letter in "abcdef") + "/"  # longer than one name may be
    metadata = {"metadata": {"mount_point": "lockstep/"}}
    elsewhere = {**document("update", f"{long}data/app", mount_point=long), "auth": metadata}
    assert parse(text(elsewhere)) is not None
    assert not concerns(line("read", data={"mount_point": "secret/"}))

    def refused(*_: object, **__: object) -> object:
        raise AssertionError("it was parsed")

    monkeypatch.setattr(strict_json, "parse", refused)
    assert [parse(one) for one in own] == [None, None]
    with pytest.raises(AssertionError):
        parse(hiding)


def test_nothing_of_the_data_is_kept() -> None:
    raw = line(data={"data": {"password": "canary-1f"}})  # as a device with log_raw writes it
    assert "canary-1f" not in repr(parse(raw))


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with contextlib.suppress(UnreadableLineError):
        parse(raw)
    concerns(raw)


@given(json_values, st.sampled_from(["auth", "request", "response", "error", "type", "time"]), json_values)
def test_any_object_is_read_or_refused(value: Any, member: str, inner: Any) -> None:
    for changed in ({**document(), member: value}, {**document(), "request": {**document()["request"], member: inner}}):
        try:
            found = parse(json.dumps(changed).encode())
        except UnreadableLineError:
            continue
        assert found is None or found.path == PATH
