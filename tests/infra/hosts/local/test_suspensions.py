"""Suspensions by scope, and the numbers of their changes."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from events.references import ManifestRef, PathRef, SecretRef
from infra.hosts.local.database import LocalDatabase
from infra.hosts.local.suspensions import LocalSuspensions, Suspension

SECRET = SecretRef(namespace="orders", name="db")
MANIFEST = ManifestRef(kind="PushSecret", namespace="orders", name="db-push")
PATH = PathRef(mount="secret", path="platform-data/postgres/orders")


@pytest.fixture
def suspensions(tmp_path: Path) -> Iterator[LocalSuspensions]:
    database = LocalDatabase(tmp_path / "local.db")
    yield LocalSuspensions(database)
    database.close()


def suspended(scope: str, reason: str = "an incident") -> Suspension:
    return Suspension(scope, reason, "operator:1000", datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("scope", "secret", "manifest", "path"),
    [
        ("*", True, True, True),
        ("orders", True, True, False),
        ("orders/db", True, False, False),
        ("orders/db-push", False, True, False),
        ("secret/platform-data/postgres/orders", False, False, True),
        ("order", False, False, False),
        ("orders/d", False, False, False),
        ("secret/platform-data", False, False, False),
        ("billing", False, False, False),
    ],
)
def test_what_a_scope_covers(
    suspensions: LocalSuspensions, scope: str, secret: bool, manifest: bool, path: bool
) -> None:
    suspensions.suspend(suspended(scope))
    reasons = [suspensions.reason(reference) for reference in (SECRET, MANIFEST, PATH)]
    assert [reason is not None for reason in reasons] == [secret, manifest, path]
    assert {reason for reason in reasons if reason} <= {f"an incident (scope {scope})"}


def test_a_scope_is_no_pattern_and_no_statement(suspensions: LocalSuspensions) -> None:
    for scope in ("%", "o_ders", "' OR '1'='1"):
        suspensions.suspend(suspended(scope))
    assert suspensions.reason(SECRET, MANIFEST, PATH) is None


def test_every_change_has_its_number(suspensions: LocalSuspensions) -> None:
    assert suspensions.suspend(suspended("orders")) == 1
    assert suspensions.suspend(suspended("orders", "another")) == 2
    assert suspensions.resume("orders") == 3
    assert suspensions.resume("orders") is None
    assert suspensions.suspend(suspended("orders")) == 4
    assert suspensions.all() == (suspended("orders"),)


def test_one_release_is_one_change_whoever_is_faster(suspensions: LocalSuspensions) -> None:
    suspensions.suspend(suspended("orders"))
    found: list[int | None] = []
    threads = [threading.Thread(target=lambda: found.append(suspensions.resume("orders"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found, key=str) == [2, None, None, None, None, None]


def test_the_list_is_ordered(suspensions: LocalSuspensions) -> None:
    for scope in ("b", "*", "a/x"):
        suspensions.suspend(suspended(scope))
    assert [one.scope for one in suspensions.all()] == ["*", "a/x", "b"]
