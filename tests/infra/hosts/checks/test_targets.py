"""`lockstep check` asks each rotation target, once, what `rotate --dry-run` asks it."""

from functions._failures import Unavailable
from functions._manifests.rotation_target import RotationTarget
from functions._systems import AdminRefused, Finding
from infra.hosts.checks.result import Check
from infra.hosts.checks.targets import target_checks
from tests.fakes.systems import FakeSystem
from tests.fakes.world import World, path
from tests.functions.leaking import rotation

TARGET = "orders-postgres"


def declared(*accounts: str, namespaces: tuple[str, ...] = ("orders",)) -> tuple[World, FakeSystem]:
    world = World()
    target = RotationTarget.model_validate(
        {
            "apiVersion": "lockstep.dev/v1alpha1", "kind": "RotationTarget", "metadata": {"name": TARGET},
            "spec": {"type": "postgres", "allow": [{"namespaces": list(namespaces), "accounts": ["*"]}]},
        }
    )  # fmt: skip
    system = world.declare(target)
    for account in accounts:
        world.wiring.put(rotation(account, path(f"platform-data/postgres/{account}")))
        system.open_account(account, b"secret")
    return world, system


def checked(world: World) -> list[Check]:
    return list(target_checks(world.wiring, world.systems))


def test_a_target_that_takes_what_is_asked_is_asked_once() -> None:
    world, system = declared("orders", "billing")
    system.calls.clear()
    (one,) = checked(world)
    assert (one.name, one.status, one.message) == (f"target {TARGET}", "ok", "takes what is asked for billing, orders")
    assert [call for call in system.calls if call[0] == "examine"] == [("examine", "billing,orders")]


def test_no_rotation_no_target_is_asked() -> None:
    world, system = declared()
    assert checked(world) == []
    assert system.calls == []


def test_what_a_dry_run_would_find_is_told_with_what_to_do() -> None:
    world, system = declared("orders", "billing")
    del system.accounts["billing"]
    (one,) = checked(world)
    assert (one.status, one.message) == ("fail", "billing is no account")
    assert "--dry-run" in one.action


def test_a_notice_is_a_warning() -> None:
    world, system = declared("orders")
    system.examine = lambda accounts: (Finding(False, "sessions are not ended"),)  # type: ignore[method-assign]
    (one,) = checked(world)
    assert (one.status, one.message) == ("warn", "sessions are not ended")


def test_a_target_that_is_down_or_refuses_its_admin_fails_by_its_name() -> None:
    for failure in (Unavailable("orders-postgres", "it does not answer"), AdminRefused("its admin may not log in")):
        world, system = declared("orders")

        def refuse(accounts: tuple[str, ...], failure: Exception = failure) -> tuple[Finding, ...]:
            raise failure

        system.examine = refuse  # type: ignore[method-assign]
        (one,) = checked(world)
        assert (one.name, one.status, one.message) == (f"target {TARGET}", "fail", str(failure))


def test_a_target_that_nobody_declared_fails() -> None:
    world = World()
    world.wiring.put(rotation("orders", path("platform-data/postgres/orders")))
    (one,) = checked(world)
    assert one.status == "fail"
    assert "is not declared" in one.message


def test_an_account_that_the_platform_does_not_allow_fails() -> None:
    world, _ = declared("orders", namespaces=("other",))
    (one,) = checked(world)
    assert one.status == "fail"
    assert "orders" in one.message
