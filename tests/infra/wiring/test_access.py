"""The access policy: default deny, globs, and what a broken file does."""

from pathlib import Path

import pytest

from events.references import PathRef
from functions._ports import Access
from infra.wiring.access import AccessError, FileAccess

POLICY = """\
apiVersion: lockstep.dev/v1alpha1
kind: AccessPolicy
metadata: {name: default}
spec:
  namespaces:
    platform-data: {publish: [secret/platform-data/postgres/*]}
    temporal: {read: [secret/platform-data/*/temporal, secret/platform-config/**]}
"""


def _path(text: str) -> PathRef:
    mount, _, path = text.partition("/")
    return PathRef(mount=mount, path=path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "access.yaml"
    file.write_text(POLICY)
    return file


@pytest.mark.parametrize(
    ("namespace", "path", "publish", "read"),
    [
        ("platform-data", "secret/platform-data/postgres/temporal", True, False),
        ("platform-data", "secret/platform-data/postgres/temporal/more", False, False),
        ("platform-data", "other/platform-data/postgres/temporal", False, False),
        ("temporal", "secret/platform-data/postgres/temporal", False, True),
        ("temporal", "secret/platform-data/a/b/temporal", False, False),
        ("temporal", "secret/platform-config/a/b/c", False, True),
        ("stranger", "secret/platform-config/a/b", False, False),
    ],
)
def test_what_is_not_named_is_denied(file: Path, namespace: str, path: str, publish: bool, read: bool) -> None:
    access = FileAccess(file)
    port: Access = access
    assert not access.open
    assert port.may_publish(namespace, _path(path)) is publish
    assert port.may_read(namespace, _path(path)) is read


def test_a_dot_in_a_glob_is_a_dot(file: Path) -> None:
    file.write_text(POLICY.replace("postgres/*", "postgres/a.b"))
    assert not FileAccess(file).may_publish("platform-data", _path("secret/platform-data/postgres/axb"))


def test_without_a_file_everything_is_one_trust_domain(tmp_path: Path) -> None:
    access = FileAccess(tmp_path / "access.yaml")
    assert access.open
    assert access.may_publish("any", _path("secret/x"))
    assert access.may_read("any", _path("secret/x"))
    assert access.reload() is None


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "is empty"),
        ("a: [1\n", "access.yaml:2: is not YAML"),
        (POLICY.replace("AccessPolicy", "Policy"), "access.yaml:2: kind"),
        (POLICY.replace("publish", "publishes"), "access.yaml:6"),
        (POLICY.replace("secret/platform-data/postgres/*", "'*'"), "begin with the mount"),
        (POLICY.replace("postgres/*", "postgres/***"), "'\\*\\*\\*'"),
        (POLICY.replace("postgres/*", "post gres"), "no glob"),
        (POLICY.replace("    temporal:", "    Temporal:"), "access.yaml:7"),
        (POLICY + "    temporal: {}\n", "twice"),
    ],
)
def test_a_malformed_policy_refuses_the_start(file: Path, text: str, part: str) -> None:
    file.write_text(text)
    with pytest.raises(AccessError, match=part):
        FileAccess(file)


@pytest.mark.parametrize("broken", ["a: [1\n", ""])
def test_the_last_good_policy_stays_in_force(file: Path, broken: str) -> None:
    access = FileAccess(file)
    file.write_text(broken)
    assert "last good policy stays" in (access.reload() or "")
    assert access.may_publish("platform-data", _path("secret/platform-data/postgres/a"))
    assert not access.may_read("stranger", _path("secret/platform-data/postgres/a"))
    file.write_text(POLICY.replace("platform-data: {publish", "stranger: {publish"))
    assert access.reload() is None
    assert not access.may_publish("platform-data", _path("secret/platform-data/postgres/a"))


def test_a_first_policy_that_cannot_be_used_says_that_everything_is_allowed(file: Path) -> None:
    file.unlink()
    access = FileAccess(file)
    file.write_text(POLICY.replace("{read", "{reads"))
    assert access.reload() == (
        "access.yaml:7: spec.namespaces.temporal.reads is no field that is known here; remove it or correct its name; "
        "until it is mended every wired path is allowed, as without a policy"
    )
    assert access.may_read("stranger", _path("secret/x"))
    file.write_text(POLICY)
    assert access.reload() is None
    assert not access.may_read("stranger", _path("secret/x"))


def test_removing_the_file_opens_nothing(file: Path) -> None:
    access = FileAccess(file)
    file.unlink()
    assert "is gone" in (access.reload() or "")
    assert not access.may_read("stranger", _path("secret/x"))


def test_a_file_that_appears_is_enforced(file: Path) -> None:
    file.unlink()
    access = FileAccess(file)
    file.write_text(POLICY)
    assert access.reload() is None
    assert not access.open
    assert not access.may_read("stranger", _path("secret/x"))


def test_a_dangling_link_is_no_absent_file(tmp_path: Path) -> None:
    (tmp_path / "access.yaml").symlink_to(tmp_path / "nowhere")
    with pytest.raises(AccessError, match="leads nowhere"):
        FileAccess(tmp_path / "access.yaml")
