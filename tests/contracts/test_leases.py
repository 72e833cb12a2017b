"""One suite for `Leases`: the fake and the real OpenBao, with a real PostgreSQL behind it, do the same."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from functions._failures import Unavailable
from functions._leases import Leases
from infra.deploy.vault_policies import policy_text
from infra.stores.vault.leases import VaultLeases
from tests.database_engine import DatabaseEngine
from tests.fakes.clock import FakeClock
from tests.fakes.leases import FakeLeases


@dataclass
class Bench:
    leases: Leases
    issue: Callable[[int, int], str]  # ttl and longest life, in seconds
    stick: Callable[[str], None]  # its account owns something from now on
    wait: Callable[[float], None]
    down: Callable[[bool], None]  # whether its database cannot be reached


@pytest.fixture(params=["fake", pytest.param("openbao", marks=pytest.mark.e2e)])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    if request.param == "fake":
        clock = FakeClock()
        fake = FakeLeases(clock.now)
        yield Bench(
            fake, lambda ttl, longest: fake.issue("orders", ttl, longest), fake.stick, clock.advance,
            lambda down: setattr(fake, "down", down),
        )  # fmt: skip
        return
    engine: DatabaseEngine = request.getfixturevalue("database_engine")
    users: dict[str, str] = {}
    made: list[str] = []

    def issue(ttl: int, longest: int) -> str:
        role = engine.dynamic_role(f"{ttl}s", f"{longest}s")
        lease_id, users[lease_id], _ = engine.lease(role)
        return lease_id

    def stick(lease_id: str) -> None:
        table = f"stuck-{users[lease_id]}"
        engine.postgres.run("CREATE TABLE {table} ()", table=table)
        engine.postgres.run("ALTER TABLE {table} OWNER TO {owner}", table=table, owner=users[lease_id])
        made.append(table)

    def down(away: bool) -> None:
        # Its account at the server, which the engine logs in with: as good as a server that is gone.
        engine.postgres.run(f"ALTER ROLE {{root}} WITH {'NOLOGIN' if away else 'LOGIN'}", root=engine.root)
        engine.admin.call("POST", f"{engine.mount}/reset/{engine.connection}", body={}, kind="test", any_ok=True)

    # No more than the least that the port needs: bound to the mount, and without sudo.
    openbao = engine.openbao
    rules = {
        "sys/leases/lookup": {"update"},
        f"sys/leases/renew/{engine.mount}/creds/*": {"update"},
        f"sys/leases/revoke/{engine.mount}/creds/*": {"update"},
    }
    openbao.admit(f"test-leases-{engine.mount}", policy_text("leases", rules))
    yield Bench(VaultLeases(openbao.client(f"test-leases-{engine.mount}")), issue, stick, time.sleep, down)
    for table in made:
        engine.postgres.run("DROP TABLE {table}", table=table)


def test_there_is_none(bench: Bench) -> None:
    for lease_id in ("database/creds/orders/nothing", "database/creds/orders/000000000000000000000000"):
        assert bench.leases.read(lease_id) is None


def test_read_tells_times(bench: Bench) -> None:
    lease_id = bench.issue(600, 3600)
    lease = bench.leases.read(lease_id)
    assert lease is not None
    assert lease.id == lease_id
    assert 0 < lease.ttl <= 600
    assert abs(lease.granted.total_seconds() - 600) < 1
    assert lease.issued < lease.due < lease.expires
    assert lease.renewable
    assert lease.last_renewal is None


def test_a_renewal_prolongs_it_from_now(bench: Bench) -> None:
    lease_id = bench.issue(600, 3600)
    before = bench.leases.read(lease_id)
    bench.wait(0.01)
    assert bench.leases.renew(lease_id) == pytest.approx(600, abs=1)
    after = bench.leases.read(lease_id)
    assert before is not None
    assert after is not None
    assert after.expires > before.expires
    assert after.issued == before.issued
    assert after.last_renewal is not None
    assert abs(after.granted.total_seconds() - 600) < 1


def test_a_renewal_that_failed_is_no_end_of_the_lease(bench: Bench) -> None:
    lease_id = bench.issue(600, 3600)
    bench.down(True)
    try:
        with pytest.raises(Unavailable, match="could not renew") as failed:
            bench.leases.renew(lease_id)
    finally:
        bench.down(False)
    assert "connect" not in failed.value.reason
    assert bench.leases.renew(lease_id) == pytest.approx(600, abs=1)


def test_the_longest_life_counts_from_the_issue(bench: Bench) -> None:
    lease_id = bench.issue(600, 600)
    bench.wait(1.5)
    assert bench.leases.renew(lease_id) < 600


def test_revoked_is_gone_and_may_be_revoked_again(bench: Bench) -> None:
    lease_id = bench.issue(600, 3600)
    bench.leases.revoke(lease_id)
    assert bench.leases.read(lease_id) is None
    assert bench.leases.renew(lease_id) == 0.0
    bench.leases.revoke(lease_id)


def test_a_failed_revocation_is_no_success_and_quotes_nothing(bench: Bench) -> None:
    lease_id = bench.issue(600, 3600)
    bench.stick(lease_id)
    with pytest.raises(Unavailable, match="could not revoke") as failed:
        bench.leases.revoke(lease_id)
    assert "drop" not in failed.value.reason.partition(";")[0].lower()
    assert bench.leases.read(lease_id) is not None


def test_one_whose_time_is_over_is_gone(bench: Bench) -> None:
    lease_id = bench.issue(1, 1)
    deadline = 200
    while bench.leases.read(lease_id) is not None and deadline:
        bench.wait(0.1)
        deadline -= 1
    assert bench.leases.read(lease_id) is None
    assert bench.leases.renew(lease_id) == 0.0
