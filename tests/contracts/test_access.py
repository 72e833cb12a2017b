"""One suite for `Access`: the fake and the policy file say the same of the same rules."""

from collections.abc import Callable
from pathlib import Path

import pytest

from events.references import PathRef
from functions._ports import Access
from infra.wiring.access import FileAccess
from tests.fakes.local import FakeAccess

OWN = PathRef(mount="secret", path="platform-data/postgres/orders")
FOREIGN = PathRef(mount="secret", path="platform-data/redis/billing")
NAMESPACES = ("platform-data", "orders")
POLICY = """\
apiVersion: lockstep.dev/v1alpha1
kind: AccessPolicy
spec:
  namespaces:
    platform-data: {publish: [secret/platform-data/postgres/orders]}
    orders: {read: [secret/platform-data/postgres/orders]}
"""
Make = Callable[[str], Access]


@pytest.fixture(params=["fake", "file"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """The port over the policy above, or over none ("")."""
    if request.param == "fake":
        return _fake

    def file(policy: str) -> Access:
        if policy:
            (tmp_path / "access.yaml").write_text(policy)
        return FileAccess(tmp_path / "access.yaml")

    return file


def _fake(policy: str) -> Access:
    if not policy:
        return FakeAccess()
    everything = {(namespace, str(path)) for namespace in NAMESPACES for path in (OWN, FOREIGN)}
    return FakeAccess(
        denied_publish=everything - {("platform-data", str(OWN))}, denied_read=everything - {("orders", str(OWN))}
    )


def test_without_a_policy_everything_is_allowed(make: Make) -> None:
    access = make("")
    for namespace in NAMESPACES:
        assert access.may_publish(namespace, OWN)
        assert access.may_read(namespace, FOREIGN)


@pytest.mark.parametrize(
    ("namespace", "path", "publish", "read"),
    [
        ("platform-data", OWN, True, False),
        ("platform-data", FOREIGN, False, False),
        ("orders", OWN, False, True),
        ("orders", FOREIGN, False, False),
    ],
)
def test_both_ways_are_apart_and_denied_by_default(
    make: Make, namespace: str, path: PathRef, publish: bool, read: bool
) -> None:
    access = make(POLICY)
    assert access.may_publish(namespace, path) is publish
    assert access.may_read(namespace, path) is read
