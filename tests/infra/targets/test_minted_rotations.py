"""Whole rotations of what providers make: the real steps over fakes, and the target with its real server."""

from dataclasses import replace
from typing import Any, cast

import pytest

from events.rotated import RotationCompleted, RotationFailed
from functions._leases import current_lease
from functions._systems import Credential
from functions._values import SecretValue
from infra.stores.vault.leases import VaultLeases
from tests.contracts.minting import DynamicBench, EngineBench, IamBench, MintingBench, StaticBench
from tests.fakes.world import World, external_secret, rotation, rotation_target
from tests.functions.rotating import PATH, TARGET, abort, ask, record, tick, to_the_end, until

pytestmark = pytest.mark.e2e


def bench_of(kind: str, request: pytest.FixtureRequest) -> MintingBench:
    if kind == "aws-iam":
        return IamBench(request.getfixturevalue("aws"), deleteAfter="0s")
    engine = request.getfixturevalue("database_engine")
    return DynamicBench(engine) if kind == "openbao-dynamic" else StaticBench(engine)


@pytest.fixture(params=["aws-iam", "openbao-dynamic", "openbao-static"])
def bench(request: pytest.FixtureRequest) -> MintingBench:
    return bench_of(request.param, request)


def rotating(bench: MintingBench) -> tuple[World, str]:
    """A path without a value yet, which is to get one, and its consumer."""
    world, account = World(), bench.account()
    world.systems.targets["orders"] = rotation_target()
    world.systems.systems["orders"] = cast("Any", bench.system)
    world.external(external_secret(str(TARGET), extract=PATH.path))
    if isinstance(bench, EngineBench):
        leases = VaultLeases(bench.engine.openbao.admin())
        world.ports = replace(world.ports, leases=leases)
    names: dict[str, object] = {"name": "orders", "account": account}
    world.rotate(rotation("orders/database", PATH.path, strategy="minted", target=names))
    world.settle()
    return world, account


def held(world: World, account: str) -> Credential:
    """What the consumer has."""
    data = world.target(TARGET)
    assert data is not None
    return Credential(account, {name: SecretValue(value) for name, value in data.items()})


def turn(world: World) -> None:
    ask(world)
    to_the_end(world)
    tick(world, times=3)


def test_rotations_one_after_the_other(bench: MintingBench) -> None:
    world, account = rotating(bench)
    former: list[Credential] = []
    for number in (1, 2, 3):
        turn(world)
        assert len(world.events(RotationCompleted)) >= number, world.events(RotationFailed)
        assert bench.works(held(world, account))
        assert not any(bench.works(one) for one in former)
        former.append(held(world, account))
    assert len({str(one.fields) for one in former}) == 1  # masked
    assert world.dead == []
    if isinstance(bench, DynamicBench):
        assert current_lease(record(world)).startswith(f"{bench.engine.mount}/creds/{account}/")
    if isinstance(bench, IamBench):
        assert len(bench.aws.keys(account)) == 1


def test_what_a_provider_overwrote_is_not_given_up(request: pytest.FixtureRequest) -> None:
    """A static role has one password: there is no way back, so the rotation goes on, and says why."""
    bench = bench_of("openbao-static", request)
    world, account = rotating(bench)
    turn(world)
    ask(world)
    until(world, "applied")
    abort(world)
    to_the_end(world)
    tick(world, times=3)
    assert ["let it go on" in why for _, why in world.dead] == [True]
    assert record(world).phase == "completed"
    assert bench.works(held(world, account))
