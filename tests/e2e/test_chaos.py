"""A broker that delivers late, out of order, twice, side by side, and loses replies: everything converges."""

import sys
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from events.references import PathRef
from infra.stores.vault.claims import VaultClaims
from tests.e2e.conftest import Team
from tests.instance import Installation, Running, external_secret, push_secret

CONSUMERS = 3


def wire(up: Running, team: Team) -> None:
    consumers = [external_secret(f"{team.consumer}-{n}/postgres", team.path) for n in range(CONSUMERS)]
    up.at.wire(team.name, push_secret("postgres", team.source, team.path, deletionPolicy="Delete"), *consumers)


def values(up: Running, team: Team) -> list[dict[str, bytes] | None]:
    return [up.at.values(f"{team.consumer}-{n}", "postgres") for n in range(CONSUMERS)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_changes_under_chaos_converge(
    external: Installation, teams: Callable[[], Team], claims: VaultClaims, seed: int
) -> None:
    chaotic = replace(external, program=(sys.executable, "-m", "tests.e2e.host"), options=("--chaos", str(seed)))
    chosen = [teams() for _ in range(3)]
    with chaotic.running() as up:
        for team in chosen:
            wire(up, team)

        def produce(team: Team) -> None:
            for number in range(15):
                up.at.put(team.producer, "credentials", {"password": f"{number % 4}-{number}".encode()})

        producers = [threading.Thread(target=produce, args=(team,)) for team in chosen]
        for producer in producers:
            producer.start()
        for producer in producers:
            producer.join()
        last = {"password": b"2-14"}
        for team in chosen:
            up.wait_for(lambda t=team: values(up, t) == [last] * CONSUMERS, "the last value everywhere")  # type: ignore[misc]
        up.wait_idle()
        for team in chosen:
            assert values(up, team) == [last] * CONSUMERS, "and it stays"
            up.wait_for(lambda t=team: up.in_step(t.full_path), "in step")  # type: ignore[misc]
            assert up.version(team.full_path) <= 15, "nothing is written without a change"
            claim = claims.read(PathRef(mount="secret", path=team.path))
            assert claim is not None
            assert (claim.owner, claim.epoch) == (f"PushSecret {team.producer}/postgres", 1)
        assert up.at.dead_letters() == []
        repeated = up.at.query("SELECT count(*) FROM event WHERE repeated > 0")[0][0]
        assert repeated > 0, "the chaos was there"
        stays, *leave = chosen  # not all: an empty wiring retracts nothing, and so does one that loses too much at once
        for team in leave:
            up.at.unwire(team.name)
        for team in leave:
            up.wait_for(lambda t=team: values(up, t) == [None] * CONSUMERS, "everything retracted")  # type: ignore[misc]
        up.wait_idle()
        assert values(up, stays) == [last] * CONSUMERS
        assert up.at.dead_letters() == []
