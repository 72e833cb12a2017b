"""One suite for `Claims`: the fake and the real OpenBao do the same."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from events.references import PathRef
from functions._failures import Conflict
from functions._ports import Claim, Claims
from infra.stores.vault.claims import VaultClaims
from infra.stores.vault.kv import KvEngine
from tests.fakes.claims import FakeClaims
from tests.openbao import OpenBao


@dataclass
class Bench:
    claims: Claims
    path: PathRef

    def claim(self) -> Claim:
        return Claim(
            path=self.path,
            owner="PushSecret team/app",
            cluster="local",
            uid="u-1",
            origin="producer",
            epoch=1,
            state="active",
            on_removal="delete",
            properties=("password", "username"),
            deleted=(3, 4),
        )


@pytest.fixture(params=["fake", pytest.param("openbao", marks=pytest.mark.e2e)])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    if request.param == "fake":
        yield Bench(FakeClaims(), PathRef(mount="secret", path="team/app"))
        return
    openbao: OpenBao = request.getfixturevalue("openbao")
    notices: list[str] = []
    yield Bench(VaultClaims(KvEngine(openbao.admin()), notices.append), openbao.path())
    assert notices == []


def test_nobody_claimed_it(bench: Bench) -> None:
    assert bench.claims.read(bench.path) is None


def test_create_and_read(bench: Bench) -> None:
    created = bench.claims.create(bench.claim())
    assert created == replace(bench.claim(), revision=1)
    assert bench.claims.read(bench.path) == created


def test_the_first_claim_wins(bench: Bench) -> None:
    created = bench.claims.create(bench.claim())
    with pytest.raises(Conflict, match="read"):
        bench.claims.create(replace(bench.claim(), owner="PushSecret other/app"))
    assert bench.claims.read(bench.path) == created


def test_update(bench: Bench) -> None:
    created = bench.claims.create(bench.claim())
    updated = bench.claims.update(replace(created, epoch=2, state="released", on_removal="keep", properties=()))
    assert updated.revision > created.revision
    assert bench.claims.read(bench.path) == updated


def test_an_update_over_another_revision_conflicts(bench: Bench) -> None:
    created = bench.claims.create(bench.claim())
    updated = bench.claims.update(replace(created, epoch=2))
    with pytest.raises(Conflict, match="read"):
        bench.claims.update(replace(created, epoch=3))
    assert bench.claims.read(bench.path) == updated


def test_an_update_of_nothing_conflicts(bench: Bench) -> None:
    for revision in (0, 1):
        with pytest.raises(Conflict):
            bench.claims.update(replace(bench.claim(), revision=revision))
    assert bench.claims.read(bench.path) is None


def test_claims_of_two_paths(bench: Bench) -> None:
    other = PathRef(mount=bench.path.mount, path=f"{bench.path.path}/below")
    first = bench.claims.create(bench.claim())
    second = bench.claims.create(replace(bench.claim(), path=other, uid="u-2"))
    assert bench.claims.read(bench.path) == first
    assert bench.claims.read(other) == second


def test_what_was_revoked_is_kept_in_pages_that_only_grow(bench: Bench) -> None:
    claim = bench.claims.create(replace(bench.claim(), revoked=("v1.a",), pages=2))
    assert bench.claims.read(bench.path) == claim
    assert bench.claims.revoked(bench.path, 1) == ()
    bench.claims.remember(bench.path, 1, ("v1.b", "v1.c"))
    bench.claims.remember(bench.path, 1, ("v1.c", "v1.d"))
    bench.claims.remember(bench.path, 2, ("v1.e",))
    assert bench.claims.revoked(bench.path, 1) == ("v1.b", "v1.c", "v1.d")
    assert bench.claims.revoked(bench.path, 2) == ("v1.e",)
    assert bench.claims.read(bench.path) == claim
