"""promote: proofs, foreign writes, lost claims."""

from dataclasses import replace

import pytest

from events.references import Version
from events.secret import SecretConflicted
from functions._ports import Claim
from functions._rotation_values import same_content
from functions._rotations import Proof
from functions._values import SecretValue
from tests.functions.rotating import (
    FIRST,
    OTHER,
    PATH,
    STRATEGIES,
    TARGET,
    ask,
    failures,
    finished,
    live,
    login,
    record,
    rotating,
    system_of,
    tick,
    until,
)


def test_nothing_is_promoted_without_a_proof_of_exactly_what_is_staged() -> None:
    world = rotating()
    ask(world)
    until(world, "verified")
    known = record(world)
    assert known.staged is not None
    other = Version(number=9, created=known.staged.created)
    world.proofs.write(Proof(PATH, known.id, other, world.clock.now()))
    until(world, "applied")
    assert live(world) is not None
    assert (live(world) or {})["password"] == FIRST
    world.settle()
    finished(world)


def test_a_foreign_write_is_told_verified_again_and_written_over() -> None:
    world = rotating("alternating")
    ask(world)
    until(world, "verified")
    world.authority.foreign_write(PATH, {"password": b"theirs"})
    world.settle()
    finished(world)
    (told,) = world.events(SecretConflicted)
    assert told.outcome == "foreign-write"  # type: ignore[attr-defined]
    assert record(world).conflicts == 1


def test_a_path_that_keeps_being_written_ends_it() -> None:
    world = rotating("alternating")
    ask(world)

    def intrude(operation: str, _subject: str) -> None:
        if operation == "write":
            world.authority.foreign_write(PATH, {"password": b"theirs"})

    world.proofs.after = intrude
    world.settle()
    assert failures(world)[-1] == ("promote", "conflict", True)
    assert system_of(world).lets_in("app_a", FIRST)
    assert system_of(world).accepted("app_b") == ()


def test_a_lost_claim_ends_it() -> None:
    world = rotating("dual")
    ask(world)
    until(world, "verified")
    world.claims.seed(Claim(PATH, "PushSecret shop/x", "test", "u", "producer", 2, "active"))
    world.settle()
    assert failures(world)[-1] == ("promote", "claim-lost", True)
    assert system_of(world).accepted("app") == (FIRST,)


def test_consumers_never_see_an_unconfirmed_version() -> None:
    world = rotating("alternating")
    ask(world)
    until(world, "verified")
    world.authority.foreign_write(PATH, {"username": b"mallory", "password": b"theirs"})
    world.tick()
    world.settle()
    for ref in (TARGET, OTHER):
        assert (world.target(ref) or {})["username"] == b"app_b"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_path_that_began_anew_meanwhile_is_confirmed_and_reaches_consumers(strategy: str) -> None:
    world = rotating(strategy)
    for _ in range(3):
        ask(world)
        world.settle()
    ask(world)
    until(world, "verified")
    before = live(world) or {}
    world.authority.delete_metadata(PATH)
    world.clock.advance(60)
    world.authority.foreign_write(PATH, before)
    world.settle()
    for _ in range(2):
        tick(world, 700)
        world.tick()
        world.settle()
    assert record(world).phase == "completed"
    assert login(world, live(world))
    for ref in (TARGET, OTHER):
        assert world.target(ref) == live(world)


def test_a_value_that_was_revoked_beside_the_credential_is_not_written_again() -> None:
    world = rotating("alternating")
    world.authority.foreign_write(PATH, {"username": b"app_a", "password": FIRST, "token": b"qmZt81xWvPo0rTs9"})
    ask(world)
    until(world, "verified")
    claim = world.claims.read(PATH)
    assert claim is not None
    revoked = world.fingerprints.one("revoked", b"qmZt81xWvPo0rTs9")
    world.claims.seed(replace(claim, revoked=(revoked,)))
    world.authority.foreign_write(PATH, {"username": b"app_a", "password": FIRST, "token": b"another"})
    world.settle()
    assert failures(world)[-1] == ("promote", "revoked-value", True)
    assert (live(world) or {})["token"] == b"another"
    assert system_of(world).lets_in("app_a", FIRST)
    assert system_of(world).accepted("app_b") == ()


def test_content_is_the_same_where_every_property_and_value_is() -> None:
    one = {"a": SecretValue(b"1"), "b": SecretValue(b"2")}
    assert same_content(one, dict(reversed(one.items())))
    assert not same_content(None, {})
    assert not same_content(one, {"a": SecretValue(b"1")})
    assert not same_content(one, {"a": SecretValue(b"1"), "b": SecretValue(b"3")})
    assert not same_content({}, one)


def test_a_version_that_somebody_deleted_meanwhile_is_a_conflict() -> None:
    world = rotating("alternating")
    ask(world)
    until(world, "verified")
    foreign = world.authority.foreign_write(PATH, {"password": b"theirs"})
    world.authority.delete(PATH, (foreign.number,))
    world.settle()
    assert (record(world).phase, record(world).conflicts) == ("completed", 1)
    assert login(world, live(world))
