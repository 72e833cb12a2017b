"""materialize over fakes: fan-out, stamps, policies, foreign versions."""

import pytest

from events.orders import MaterializeRequested
from events.references import ManifestRef, SecretRef, Version
from events.secret import SecretDrifted, SecretMaterialized, SecretPublished
from functions import materialize
from functions._failures import Reject, Retry, Unavailable
from tests.fakes.world import World, external_secret, path, push_secret, secret

SOURCE = secret("postgres/credentials")
PATH = path("platform-data/postgres/temporal")
ENDPOINT = path("platform-config/postgres/platform-postgres")
TARGET = secret("temporal/postgres")
PASSWORD = {"password": f"{PATH.path}#password"}


@pytest.fixture
def world() -> World:
    world = World()
    world.push(push_secret("temporal", str(SOURCE), {"password": f"{PATH.path}#password"}))
    world.external(external_secret(str(TARGET), PASSWORD))
    world.settle()
    return world


def change(world: World, value: bytes) -> None:
    world.source(SOURCE, {"password": value})
    world.settle()


def stamp_of(world: World, ref: SecretRef) -> dict[str, int]:
    head = world.secrets.head(ref)
    assert head is not None
    return {name: version.number for name, version in head.stamp.items()}


def test_a_change_arrives_with_its_stamp(world: World) -> None:
    change(world, b"one")
    change(world, b"two")
    assert world.target(TARGET) == {"password": b"two"}
    assert stamp_of(world, TARGET) == {str(PATH): 2}


@pytest.mark.orderly("it counts the calls of one delivery")
def test_one_read_serves_all_consumers(world: World) -> None:
    for namespace in ("a", "b", "c", "d"):
        world.external(external_secret(f"{namespace}/postgres", PASSWORD))
    change(world, b"one")
    world.authority.calls.clear()
    change(world, b"two")
    # publish reads before it writes, materialize reads once for all five consumers
    assert world.authority.count("read") == 2
    assert all(world.target(secret(f"{n}/postgres")) == {"password": b"two"} for n in "abcd")


def test_a_stuck_consumer_holds_up_no_other(world: World) -> None:
    world.external(external_secret("stuck/postgres", PASSWORD))

    def fail(call: str, ref: SecretRef) -> None:
        if ref.namespace == "stuck" and call == "create":
            raise Unavailable("directory", "read-only file system")

    world.secrets.before = fail
    change(world, b"one")
    assert world.target(TARGET) == {"password": b"one"}
    assert world.target(secret("stuck/postgres")) is None
    orders = [event for event in world.events(MaterializeRequested) if isinstance(event, MaterializeRequested)]
    assert {str(order.secret) for order in orders} == {"stuck/postgres"}
    world.secrets.before = None
    world.tick()
    world.settle()
    assert world.target(secret("stuck/postgres")) == {"password": b"one"}


def test_a_repeated_fact_changes_nothing_and_is_answered(world: World) -> None:
    change(world, b"one")
    published = world.events(SecretPublished)[-1]
    writes = sum(1 for call, _ in world.secrets.calls if call in ("create", "update"))
    world.say(published)
    world.settle()
    assert sum(1 for call, _ in world.secrets.calls if call in ("create", "update")) == writes
    last = world.events(SecretMaterialized)[-1]
    assert isinstance(last, SecretMaterialized)
    assert last.outcome == "unchanged"


def test_a_late_fact_never_moves_a_stamp_back(world: World) -> None:
    change(world, b"one")
    first = world.events(SecretPublished)[0]
    change(world, b"two")
    world.say(first)
    world.settle()
    assert world.target(TARGET) == {"password": b"two"}
    assert stamp_of(world, TARGET) == {str(PATH): 2}


def test_an_older_read_is_a_retry(world: World) -> None:
    change(world, b"one")
    published = world.events(SecretPublished)[-1]
    assert isinstance(published, SecretPublished)
    ahead = published.model_copy(update={"version": Version(number=9, created=published.version.created)})
    with pytest.raises(Retry, match="older"):
        list(materialize.handle(ahead, world.ports))


def test_a_foreign_version_is_not_materialized(world: World) -> None:
    change(world, b"one")
    world.authority.foreign_write(PATH, {"password": "stolen"})
    world.external(external_secret("late/postgres", PASSWORD))
    world.settle()
    assert world.target(secret("late/postgres")) == {"password": b"one"}
    assert world.target(TARGET) == {"password": b"one"}


def test_the_authoritys_own_path_is_materialized_at_its_newest(world: World) -> None:
    own = path("platform-data/redis/temporal")
    world.authority.foreign_write(own, {"password": "p1"})
    world.external(external_secret("temporal/redis", {"password": f"{own.path}#password"}))
    world.settle()
    assert world.target(secret("temporal/redis")) == {"password": b"p1"}
    world.authority.foreign_write(own, {"password": "p2"})
    world.tick()
    world.settle()
    assert world.target(secret("temporal/redis")) == {"password": b"p2"}


def test_a_consumer_of_two_paths_waits_for_both_and_then_follows_each(world: World) -> None:
    world.push(push_secret("endpoint", "postgres/pooler", {"host": f"{ENDPOINT.path}#host"}))
    world.external(
        external_secret(
            "backstage/dsn", {"p": f"{PATH.path}#password", "h": f"{ENDPOINT.path}#host"},
            target={"template": {"data": {"dsn": "postgres://backstage:{{ .p }}@{{ .h }}/db"}}},
        )
    )  # fmt: skip
    change(world, b"one")
    assert world.target(secret("backstage/dsn")) is None
    world.source(secret("postgres/pooler"), {"host": b"pooler"})
    world.settle()
    assert world.target(secret("backstage/dsn")) == {"dsn": b"postgres://backstage:one@pooler/db"}
    change(world, b"two")
    assert world.target(secret("backstage/dsn")) == {"dsn": b"postgres://backstage:two@pooler/db"}
    assert stamp_of(world, secret("backstage/dsn")) == {str(PATH): 2, str(ENDPOINT): 1}


def test_a_pinned_version_stays(world: World) -> None:
    remote = {"key": PATH.path, "property": "password", "version": "1"}
    pinned = external_secret("audit/postgres", data=[{"secretKey": "password", "remoteRef": remote}])
    change(world, b"one")
    change(world, b"two")
    world.external(pinned)
    world.settle()
    assert world.target(secret("audit/postgres")) == {"password": b"one"}
    world.tick()
    world.settle()
    assert world.target(secret("audit/postgres")) == {"password": b"one"}


def test_created_once_is_never_refreshed(world: World) -> None:
    world.external(external_secret("once/postgres", PASSWORD, refreshPolicy="CreatedOnce"))
    change(world, b"one")
    change(world, b"two")
    world.tick()
    world.settle()
    assert world.target(secret("once/postgres")) == {"password": b"one"}


def test_on_change_follows_its_manifest_only(world: World) -> None:
    world.external(external_secret("own/postgres", PASSWORD, refreshPolicy="OnChange"))
    change(world, b"one")
    change(world, b"two")
    assert world.target(secret("own/postgres")) == {"password": b"one"}
    world.external(external_secret("own/postgres", {"pw": f"{PATH.path}#password"}, refreshPolicy="OnChange"))
    world.settle()
    assert world.target(secret("own/postgres")) == {"pw": b"two"}


def test_an_existing_foreign_secret_is_not_taken_over(world: World) -> None:
    world.secrets.put(secret("busy/postgres"), {"password": b"theirs"})
    world.external(external_secret("busy/postgres", PASSWORD))
    change(world, b"one")
    assert world.target(secret("busy/postgres")) == {"password": b"theirs"}
    assert any("managed by somebody else" in reason for _, reason in world.dead)


def test_merge_adds_to_an_existing_secret_and_never_makes_one(world: World) -> None:
    world.external(external_secret("merge/postgres", PASSWORD, target={"creationPolicy": "Merge"}))
    change(world, b"one")
    assert world.target(secret("merge/postgres")) is None
    world.secrets.put(secret("merge/postgres"), {"theirs": b"t"})
    change(world, b"two")
    assert world.target(secret("merge/postgres")) == {"theirs": b"t", "password": b"two"}


def test_none_makes_nothing(world: World) -> None:
    world.external(external_secret("none/postgres", PASSWORD, target={"creationPolicy": "None"}))
    change(world, b"one")
    assert world.target(secret("none/postgres")) is None


def test_an_immutable_target_is_refused_by_name(world: World) -> None:
    world.external(external_secret("fixed/postgres", PASSWORD, target={"immutable": True}))
    change(world, b"one")
    change(world, b"two")
    assert world.target(secret("fixed/postgres")) == {"password": b"one"}
    assert any("immutable" in reason for _, reason in world.dead)


def test_extract_takes_all_properties(world: World) -> None:
    world.push(push_secret("temporal", str(SOURCE), {"password": f"{PATH.path}#password", "user": f"{PATH.path}#user"}))
    world.external(external_secret("all/postgres", extract=PATH.path))
    world.source(SOURCE, {"password": b"p", "user": b"u"})
    world.settle()
    assert world.target(secret("all/postgres")) == {"password": b"p", "user": b"u"}


def test_find_follows_prefix_and_expression(world: World) -> None:
    world.external(
        external_secret(
            "find/postgres",
            dataFrom=[
                {
                    "find": {"path": "platform-data/postgres", "name": {"regexp": "temporal$"}},
                    "rewrite": [{"regexp": {"source": ".*_(.*)", "target": "$1"}}],
                }
            ],
        )
    )
    change(world, b"one")
    assert world.target(secret("find/postgres")) == {"temporal": b'{"password":"one"}'}
    change(world, b"two")
    assert world.target(secret("find/postgres")) == {"temporal": b'{"password":"two"}'}


def test_access_is_checked_after_find(world: World) -> None:
    world.access.denied_read.add(("spy", str(PATH)))
    world.external(external_secret("spy/all", dataFrom=[{"find": {"path": "platform-data", "name": {"regexp": ".*"}}}]))
    change(world, b"one")
    assert world.target(secret("spy/all")) is None
    assert any("may not read" in reason for _, reason in world.dead)


def test_drift_is_put_right(world: World) -> None:
    change(world, b"one")
    world.secrets.drift(TARGET, "password", b"edited by hand")
    world.say(SecretDrifted(secret=TARGET))
    world.settle()
    assert world.target(TARGET) == {"password": b"one"}


def test_nothing_is_written_while_suspended(world: World) -> None:
    change(world, b"one")
    world.suspensions.subjects[TARGET.subject] = "incident 12"
    change(world, b"two")
    assert world.target(TARGET) == {"password": b"one"}


def test_a_missing_property_is_named(world: World) -> None:
    world.external(external_secret("typo/postgres", {"password": f"{PATH.path}#pasword"}))
    change(world, b"canary-value")
    reasons = [reason for _, reason in world.dead]
    assert any("pasword" in reason for reason in reasons)
    assert not any("canary" in reason for reason in reasons)


def test_reserved_metadata_is_refused(world: World) -> None:
    manifest = external_secret(
        "meta/postgres", PASSWORD,
        target={"template": {"metadata": {"annotations": {"lockstep.dev/creation-policy": "Orphan"}}}},
    )  # fmt: skip
    world.external(manifest)
    change(world, b"one")
    assert world.target(secret("meta/postgres")) is None


def test_token_types_are_never_made(world: World) -> None:
    kind = "kubernetes.io/service-account-token"
    world.external(external_secret("sa/token", PASSWORD, target={"template": {"type": kind, "mergePolicy": "Merge"}}))
    change(world, b"one")
    assert world.target(secret("sa/token")) is None


def test_a_problem_of_the_wiring_is_a_rejection(world: World) -> None:
    ref = world.external(external_secret("bad/postgres", PASSWORD))
    world.wiring.problems[ref] = "the wiring has a cycle"
    world.settle()
    manifest = world.wiring.external_secret(ref)
    assert manifest is not None
    order = MaterializeRequested(consumer=ref, secret=manifest.target, expires=world.clock.now(), reason="asked")
    with pytest.raises(Reject, match="cycle"):
        list(materialize.handle(order, world.ports))


def test_a_renamed_manifest_takes_its_target_along(world: World) -> None:
    world.external(external_secret("temporal/old", PASSWORD, target={"name": "db"}))
    change(world, b"one")
    world.unwire(ManifestRef(kind="ExternalSecret", namespace="temporal", name="old"))
    world.external(external_secret("temporal/new", PASSWORD, target={"name": "db"}))
    world.settle()
    change(world, b"two")
    assert world.target(secret("temporal/db")) == {"password": b"two"}
    assert world.dead == []


def test_literals_of_template_from_make_data_and_labels(world: World) -> None:
    template = {
        "templateFrom": [
            {"literal": "url: pg://x:{{ .password }}@db\nkind: literal"},
            {"literal": "team: data", "target": "Labels"},
        ],
        "data": {"kind": "own"},
    }
    world.external(external_secret("app/literal", PASSWORD, target={"template": template}))
    change(world, b"one")
    assert world.target(secret("app/literal")) == {"url": b"pg://x:one@db", "kind": b"own"}
    read = world.secrets.read(secret("app/literal"))
    assert read is not None
    assert read.labels == {"team": "data"}


@pytest.mark.orderly("it looks at the order of the calls of one delivery")
def test_the_authority_is_asked_first_and_answers_while_targets_are_read(world: World) -> None:
    world.external(external_secret("other/postgres", PASSWORD))
    change(world, b"one")
    order: list[str] = []
    world.authority.before = lambda call, _: order.append(f"authority {call}")
    world.secrets.before = lambda call, ref: order.append(f"{call} {ref}")
    change(world, b"two")
    written = order.index("authority write")
    assert order[written + 1 : written + 4] == ["authority read", "read other/postgres", "read temporal/postgres"] or (
        order[written + 1 : written + 4] == ["authority read", "read temporal/postgres", "read other/postgres"]
    )
    assert world.target(TARGET) == world.target(secret("other/postgres")) == {"password": b"two"}
