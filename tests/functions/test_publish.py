"""publish over fakes: what is written, what is refused, what survives."""

from dataclasses import replace
from datetime import timedelta

import pytest

from events.claim import ClaimRequested
from events.orders import PublishRequested
from events.references import ManifestRef
from events.secret import SecretChanged, SecretConflicted, SecretPublished
from functions import publish
from functions._failures import Reject, Retry
from functions._ports import Claim
from tests.fakes.world import World, path, push_secret, secret

SOURCE = secret("postgres/temporal-credentials")
PATH = path("platform-data/postgres/temporal")
ENTRIES = {"username": f"{PATH.path}#username", "password": f"{PATH.path}#password"}


@pytest.fixture
def world() -> World:
    world = World()
    world.push(push_secret("temporal", str(SOURCE), ENTRIES))
    world.settle()
    return world


def test_a_new_source_is_written_once_as_a_whole(world: World) -> None:
    world.source(SOURCE, {"username": b"temporal", "password": b"one", "other": b"kept here"})
    world.settle()
    assert world.path(PATH) == {"username": b"temporal", "password": b"one"}
    assert world.authority.count("write") == 1
    published = world.only(SecretPublished)
    assert isinstance(published, SecretPublished)
    assert (published.version.number, published.keys, published.outcome) == (1, ("password", "username"), "written")


def test_the_claim_is_made_before_the_data(world: World) -> None:
    order: list[str] = []
    world.claims.after = lambda operation, _: order.append(f"claims.{operation}")
    world.authority.after = lambda operation, _: order.append(f"authority.{operation}")
    world.source(SOURCE, {"username": b"u", "password": b"p"})
    world.settle()
    assert order.index("claims.create") < order.index("authority.write")


def test_the_authority_is_read_before_the_source(world: World) -> None:
    # Otherwise a slow delivery that read an old source could overwrite a newer version that it had seen.
    world.source(SOURCE, {"username": b"u", "password": b"p"})
    order: list[str] = []
    world.authority.before = lambda operation, _: order.append(f"authority.{operation}")
    world.secrets.before = lambda operation, _: order.append(f"secrets.{operation}")
    world.settle()
    assert order.index("authority.read") < order.index("secrets.read")


def test_the_same_content_is_not_written_again_but_said_again(world: World) -> None:
    world.source(SOURCE, {"username": b"u", "password": b"p"})
    world.settle()
    world.source(SOURCE, {"username": b"u", "password": b"p"})
    world.settle()
    assert world.authority.count("write") == 1
    outcomes = [event.outcome for event in world.events(SecretPublished) if isinstance(event, SecretPublished)]
    assert outcomes[0] == "written"
    assert set(outcomes[1:]) == {"unchanged"}


def test_a_to_b_to_a_is_three_versions(world: World) -> None:
    for value in (b"a", b"b", b"a"):
        world.source(SOURCE, {"username": b"u", "password": value})
        world.settle()
    stored = world.authority.read(PATH)
    assert stored is not None
    assert stored.version.number == 3
    assert world.path(PATH) == {"username": b"u", "password": b"a"}


@pytest.mark.orderly("it counts the calls of one delivery")
def test_authority_calls_per_change(world: World) -> None:
    world.source(SOURCE, {"username": b"u", "password": b"one"})
    world.settle()
    world.authority.calls.clear()
    world.claims.calls.clear()
    world.source(SOURCE, {"username": b"u", "password": b"two"})
    world.settle()
    assert [operation for operation, _ in world.authority.calls] == ["read", "write"]
    assert [operation for operation, _ in world.claims.calls] == ["read"]


def test_a_missing_key_is_named_and_nothing_is_written(world: World) -> None:
    world.source(SOURCE, {"username": b"u"})
    world.settle()
    assert world.path(PATH) is None
    [reason] = {reason for _, reason in world.dead}
    assert "'password'" in reason


def test_a_path_that_existed_unclaimed_is_left_alone(world: World) -> None:
    world.authority.foreign_write(PATH, {"username": "somebody", "password": "else"})
    world.source(SOURCE, {"username": b"u", "password": b"p"})
    world.settle()
    assert world.path(PATH) == {"username": b"somebody", "password": b"else"}
    conflict = world.only(SecretConflicted)
    assert isinstance(conflict, SecretConflicted)
    assert conflict.outcome == "owned-by-other"
    assert "adopt" in conflict.explanation


def test_a_foreign_write_is_told_and_the_source_asserted_again(world: World) -> None:
    world.source(SOURCE, {"username": b"u", "password": b"p"})
    world.settle()
    world.authority.foreign_write(PATH, {"username": "u", "password": "stolen"})
    world.tick()
    world.settle()
    assert world.path(PATH) == {"username": b"u", "password": b"p"}
    conflict = world.only(SecretConflicted)
    assert isinstance(conflict, SecretConflicted)
    assert conflict.outcome == "foreign-write"


def test_a_foreign_write_is_told_though_the_answer_that_undid_it_was_lost(world: World) -> None:
    world.source(SOURCE, {"username": b"u", "password": b"p"})
    world.settle()
    world.authority.foreign_write(PATH, {"username": "u", "password": "stolen"})

    def lose(operation: str, _: str) -> None:
        if operation == "write":
            world.authority.after = lambda *_: None
            raise Retry("the answer is lost")

    world.authority.after = lose
    world.tick()
    world.settle()
    assert world.path(PATH) == {"username": b"u", "password": b"p"}
    assert [one.outcome for one in world.events(SecretConflicted)] == ["foreign-write"]  # type: ignore[attr-defined]
    assert world.authority.count("write") == 2, "one version that undoes it, not two"


def test_a_lost_answer_alone_is_no_foreign_write(world: World) -> None:
    world.source(SOURCE, {"username": b"u", "password": b"p"})
    world.settle()

    def lose(operation: str, _: str) -> None:
        if operation == "write":
            world.authority.after = lambda *_: None
            raise Retry("the answer is lost")

    world.authority.after = lose
    world.source(SOURCE, {"username": b"u", "password": b"q"})
    world.settle()
    assert world.path(PATH) == {"username": b"u", "password": b"q"}
    assert world.events(SecretConflicted) == []


def test_another_clusters_claim_is_respected(world: World) -> None:
    world.claims.seed(
        Claim(path=PATH, owner="PushSecret postgres/temporal", cluster="other", uid="u", origin="producer",
              epoch=3, state="active")
    )  # fmt: skip
    world.source(SOURCE, {"username": b"u", "password": b"p"})
    world.settle()
    assert world.path(PATH) is None
    assert world.events(SecretConflicted)


def test_rotations_paths_are_never_written(world: World) -> None:
    world.claims.seed(
        Claim(path=PATH, owner="Rotation x/y", cluster="test", uid="u", origin="rotation", epoch=1, state="active")
    )
    world.source(SOURCE, {"username": b"u", "password": b"p"})
    world.settle()
    assert world.authority.count("write") == 0


def test_access_is_denied_by_policy(world: World) -> None:
    world.access.denied_publish.add(("postgres", str(PATH)))
    world.source(SOURCE, {"username": b"u", "password": b"p"})
    world.settle()
    assert world.path(PATH) is None
    assert "access.yaml" in world.dead[0][1]


def test_nothing_is_written_while_suspended(world: World) -> None:
    world.suspensions.everything = "maintenance"
    world.source(SOURCE, {"username": b"u", "password": b"p"})
    world.settle()
    assert world.authority.count("write") == 0
    assert world.claims.count("create") == 0


def test_service_account_tokens_are_never_published(world: World) -> None:
    state = world.secrets.put(SOURCE, {"username": b"u", "password": b"p"}, type="kubernetes.io/service-account-token")
    world.say(SecretChanged(secret=SOURCE, seen=state))
    world.settle()
    assert world.path(PATH) is None
    assert "never distributed" in world.dead[0][1]


def test_a_managed_secret_is_no_source(world: World) -> None:
    state = world.secrets.put(SOURCE, {"username": b"u", "password": b"p"}, owner="ExternalSecret a/b")
    world.say(SecretChanged(secret=SOURCE, seen=state))
    world.settle()
    assert world.path(PATH) is None


def test_one_failing_path_does_not_hold_up_another() -> None:
    world = World()
    other = path("platform-data/postgres/backstage")
    world.push(push_secret("both", str(SOURCE), {"a": f"{PATH.path}#token", "b": f"{other.path}#token"}))
    world.access.denied_publish.add(("postgres", str(PATH)))
    world.source(SOURCE, {"a": b"1", "b": b"2"})
    world.settle()
    assert world.path(other) == {"token": b"2"}
    assert world.path(PATH) is None
    assert world.events(PublishRequested)


def test_if_not_exists_keeps_what_is_there() -> None:
    world = World()
    world.push(push_secret("temporal", str(SOURCE), ENTRIES, update="IfNotExists"))
    world.source(SOURCE, {"username": b"u", "password": b"one"})
    world.settle()
    world.source(SOURCE, {"username": b"u", "password": b"two"})
    world.settle()
    assert world.path(PATH) == {"username": b"u", "password": b"one"}
    assert world.authority.count("write") == 1


def test_a_property_dropped_from_the_manifest_stays_until_retracted(world: World) -> None:
    world.source(SOURCE, {"username": b"u", "password": b"p"})
    world.settle()
    world.push(push_secret("temporal", str(SOURCE), {"password": f"{PATH.path}#password"}))
    world.settle()
    assert world.path(PATH) == {"username": b"u", "password": b"p"}


def test_a_released_path_is_taken_by_its_next_producer(world: World) -> None:
    world.source(SOURCE, {"username": b"u", "password": b"p"})
    world.settle()
    [claim] = world.claims.all()
    world.claims.seed(replace(claim, state="released"))
    world.wiring.remove(next(iter(world.wiring.pushes)))
    world.push(push_secret("renamed", str(SOURCE), ENTRIES))
    world.settle()
    [claim] = world.claims.all()
    assert (claim.owner, claim.epoch, claim.state) == ("PushSecret postgres/renamed", 2, "active")


def test_a_whole_object_is_pushed_without_property() -> None:
    world = World()
    world.push(push_secret("whole", str(SOURCE), {"all": PATH.path}))
    world.source(SOURCE, {"all": b'{"host": "db", "port": 5432}'})
    world.settle()
    assert world.path(PATH) == {"host": b"db", "port": b"5432"}


def test_a_whole_value_that_is_no_object_is_refused() -> None:
    world = World()
    world.push(push_secret("whole", str(SOURCE), {"all": PATH.path}))
    world.source(SOURCE, {"all": b"just-a-canary"})
    world.settle()
    assert "JSON object" in world.dead[0][1]
    assert "canary" not in world.dead[0][1]


def test_a_lost_compare_and_set_reads_again(world: World) -> None:
    world.source(SOURCE, {"username": b"u", "password": b"old"})
    raced = False

    def race(operation: str, _: str) -> None:
        nonlocal raced
        if operation == "write" and not raced:
            raced = True
            world.secrets.put(SOURCE, {"username": b"u", "password": b"new"})
            world.authority.foreign_write(PATH, {"username": "u", "password": "new"})

    world.authority.before = race
    world.settle()
    assert world.path(PATH) == {"username": b"u", "password": b"new"}


def test_endless_races_are_retried_later(world: World) -> None:
    world.source(SOURCE, {"username": b"u", "password": b"p"})

    def race(operation: str, _: str) -> None:
        if operation == "write":
            world.authority.foreign_write(PATH, {"x": "y"})

    world.authority.before = race
    with pytest.raises(Retry, match="faster"):
        list(publish.handle(SecretChanged(secret=SOURCE, seen="x"), world.ports))


def _adopt(world: World, epoch: int) -> ClaimRequested:
    return ClaimRequested(
        path=PATH, claimant=next(iter(world.wiring.pushes)), epoch=epoch, by="operator:1000",
        expires=world.clock.now(), reason="moving in",
    )  # fmt: skip


def test_adopting_equal_content_writes_no_version(world: World) -> None:
    world.authority.foreign_write(PATH, {"username": "u", "password": "p"})
    world.source(SOURCE, {"username": b"u", "password": b"p"})
    world.settle()
    world.say(_adopt(world, 0))
    world.settle()
    assert world.authority.count("write") == 0
    [claim] = world.claims.all()
    assert claim.owner == "PushSecret postgres/temporal"
    published = world.events(SecretPublished)[-1]
    assert isinstance(published, SecretPublished)
    assert published.outcome == "unchanged"


def test_adopting_from_a_living_owner_fences_its_writes(world: World) -> None:
    version = world.authority.foreign_write(PATH, {"username": "u", "password": "p"})
    world.claims.seed(
        Claim(path=PATH, owner="PushSecret a/b", cluster="other", uid="x", origin="producer", epoch=4, state="active")
    )
    world.source(SOURCE, {"username": b"u", "password": b"p"})
    world.say(_adopt(world, 4))
    world.settle()
    stored = world.authority.read(PATH)
    assert stored is not None
    assert stored.version.newer_than(version)
    [claim] = world.claims.all()
    assert (claim.cluster, claim.epoch) == ("test", 5)


def test_a_push_secret_that_was_deleted_and_made_again_goes_on(world: World) -> None:
    version = world.authority.foreign_write(PATH, {"username": "u", "password": "p"})
    world.claims.seed(
        Claim(
            path=PATH, owner="PushSecret postgres/temporal", cluster="test", uid="of the one before",
            origin="producer", epoch=4, state="active", properties=("password", "username"),
        )
    )  # fmt: skip
    world.source(SOURCE, {"username": b"u", "password": b"p"})
    world.settle()
    assert world.dead == []
    [claim] = world.claims.all()
    assert (claim.epoch, claim.uid) != (4, "of the one before")
    stored = world.authority.read(PATH)
    assert stored is not None
    assert stored.version == version, "the same content is no new version"


def test_an_adoption_for_another_epoch_is_refused(world: World) -> None:
    world.source(SOURCE, {"username": b"u", "password": b"p"})
    world.claims.seed(
        Claim(path=PATH, owner="PushSecret a/b", cluster="other", uid="x", origin="producer", epoch=4, state="active")
    )
    with pytest.raises(Reject, match="changed since"):
        list(publish.handle(_adopt(world, 3), world.ports))


def test_an_adoption_never_drops_what_it_does_not_know(world: World) -> None:
    world.authority.foreign_write(PATH, {"username": "u", "password": "p", "extra": "e"})
    world.source(SOURCE, {"username": b"u", "password": b"p"})
    with pytest.raises(Reject, match="extra"):
        list(publish.handle(_adopt(world, 0), world.ports))
    assert world.claims.all() == ()


def test_an_expired_order_takes_nothing_over(world: World) -> None:
    order = _adopt(world, 0)
    world.clock.advance(1)
    with pytest.raises(Reject, match="expired"):
        list(publish.handle(order, world.ports))


def test_a_path_deleted_with_its_history_begins_anew_everywhere(world: World) -> None:
    for value in (b"one", b"two"):
        world.source(SOURCE, {"username": b"u", "password": value})
        world.settle()
    world.authority.delete_metadata(PATH)
    world.clock.advance(60)
    world.tick()
    world.settle()
    publication = world.publications.read(PATH)
    assert publication is not None
    assert publication.version.number == 1
    assert world.path(PATH) == {"username": b"u", "password": b"two"}


def test_a_clock_moved_back_changes_no_order(world: World) -> None:
    world.source(SOURCE, {"username": b"u", "password": b"one"})
    world.settle()
    first = world.publications.read(PATH)
    world.clock.advance(-3600)
    world.source(SOURCE, {"username": b"u", "password": b"two"})
    world.settle()
    assert first is not None
    world.publications.record(first)  # a slow delivery that wrote the first version confirms it only now
    confirmed = world.publications.read(PATH)
    assert confirmed is not None
    assert confirmed.version.number == 2


def test_a_refused_manifest_holds_up_no_good_one_on_the_same_source(world: World) -> None:
    other = path("platform-data/postgres/backstage")
    bad = push_secret("bad", str(SOURCE), {"password": f"{other.path}#password"})
    world.wiring.put(bad)
    world.wiring.problems[bad.ref] = "two PushSecrets claim this path"
    world.source(SOURCE, {"username": b"u", "password": b"p"})
    world.settle()
    assert world.path(PATH) == {"username": b"u", "password": b"p"}
    assert world.path(other) is None
    assert world.dead == []
    world.tick()
    world.settle()
    assert world.path(other) is None


def test_a_renamed_push_secret_takes_its_path_along(world: World) -> None:
    world.source(SOURCE, {"username": b"u", "password": b"p"})
    world.settle()
    world.unwire(next(iter(world.wiring.pushes)))
    world.push(push_secret("renamed", str(SOURCE), ENTRIES))
    world.settle()
    [claim] = world.claims.all()
    assert (claim.owner, claim.epoch) == ("PushSecret postgres/renamed", 2)
    assert world.authority.count("write") == 1
    assert not world.events(SecretConflicted)


def test_a_rename_counts_only_while_the_whole_wiring_is_known(world: World) -> None:
    world.source(SOURCE, {"username": b"u", "password": b"p"})
    world.settle()
    world.unwire(next(iter(world.wiring.pushes)))
    world.wiring.whole = False
    world.push(push_secret("renamed", str(SOURCE), ENTRIES))
    world.settle()
    [claim] = world.claims.all()
    assert claim.owner == "PushSecret postgres/temporal"
    assert world.events(SecretConflicted)


def test_members_that_leave_a_whole_object_leave_the_path() -> None:
    world = World()
    world.push(push_secret("whole", str(SOURCE), {"all": PATH.path}))
    for text in (b'{"host": "db", "port": 5432}', b'{"host": "db"}'):
        world.source(SOURCE, {"all": text})
        world.settle()
    assert world.path(PATH) == {"host": b"db"}


# --- a path that two PushSecrets name -------------------------------------------------------------------------------

PASSWORD = {"password": f"{PATH.path}#password"}


def rivals() -> tuple[World, ManifestRef]:
    """The owner has published; somebody of another namespace names its path."""
    world = World()
    world.push(push_secret("temporal", str(SOURCE), PASSWORD))
    world.source(SOURCE, {"password": b"one"})
    world.settle()
    ref = world.push(push_secret("rival", "hostile/credentials", PASSWORD))
    world.source(secret("hostile/credentials"), {"password": b"theirs"})
    world.settle()
    return world, ref


def test_whoever_claimed_a_path_goes_on_and_the_other_is_told_whose_it_is() -> None:
    world, rival = rivals()
    told = [one for one in world.events(SecretConflicted) if isinstance(one, SecretConflicted)]
    assert {(one.claimant, one.outcome) for one in told} == {(rival, "owned-by-other")}
    assert all("PushSecret postgres/temporal" in one.owner for one in told)
    assert all("remove it there first" in one.explanation for one in told), "its owner still publishes it"
    world.source(SOURCE, {"password": b"two"})
    world.settle()
    assert world.path(PATH) == {"password": b"two"}
    assert world.dead == []


def test_a_sweep_orders_nothing_for_the_one_who_is_refused() -> None:
    world, _ = rivals()
    before = len(world.events(SecretConflicted))
    for _ in range(3):
        world.tick()
        world.settle()
    assert len(world.events(SecretConflicted)) == before
    assert world.path(PATH) == {"password": b"one"}


def test_a_claim_is_not_handed_over_behind_its_owners_back() -> None:
    world, rival = rivals()
    [claim] = world.claims.all()
    order = ClaimRequested(
        path=PATH, claimant=rival, epoch=claim.epoch, by="annotation:hostile",
        expires=world.clock.now() + timedelta(minutes=5), reason="wants it",
    )  # fmt: skip
    with pytest.raises(Reject, match="which publishes it; remove it there first"):
        list(publish.handle(order, world.ports))
    assert world.claims.all() == (claim,)


def test_of_two_who_name_a_path_that_nobody_holds_the_first_to_claim_it_wins() -> None:
    world = World()
    refs = [
        world.push(push_secret("first", "one/credentials", PASSWORD)),
        world.push(push_secret("second", "two/credentials", PASSWORD)),
    ]
    world.source(secret("two/credentials"), {"password": b"second"})
    world.settle()
    world.source(secret("one/credentials"), {"password": b"first"})
    world.settle()
    [claim] = world.claims.all()
    assert claim.owner == str(refs[1]), "its source was there first"
    assert world.path(PATH) == {"password": b"second"}
    assert world.dead == []


def test_one_whose_source_is_unfit_keeps_no_other_from_an_order() -> None:
    world, _ = rivals()
    world.source(secret("hostile/credentials"), {"other": b"without the key"})
    world.settle()
    world.source(SOURCE, {"password": b"two"})
    list(
        publish.handle(
            PublishRequested(path=PATH, expires=world.clock.now() + timedelta(minutes=5), reason="a sweep"), world.ports
        )
    )
    assert world.path(PATH) == {"password": b"two"}
