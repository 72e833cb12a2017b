"""A change at its source arrives at its consumers: the newest value, at last, whatever order things came in."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from events.references import PathRef
from functions._values import SecretValue
from infra.stores.vault.authority import VaultAuthority
from tests.e2e.conftest import EVERYTHING, QUICK, Team, at_authority
from tests.instance import Installation, Running, external_secret, push_secret
from tests.openbao import OpenBao


def wire(up: Running, team: Team) -> None:
    other = f"{team.consumer}-b/postgres"
    up.at.wire(
        team.name,
        push_secret("postgres", team.source, team.path),
        external_secret(team.target, team.path),
        external_secret(other, team.path),
    )


def value(up: Running, team: Team) -> bytes | None:
    return (up.at.values(team.consumer, "postgres") or {}).get("password")


def arrives(up: Running, team: Team, expected: bytes) -> None:
    up.wait_for(lambda: value(up, team) == expected, f"{expected!r} at the consumer")
    other = f"{team.consumer}-b"
    up.wait_for(lambda: up.at.values(other, "postgres") == {"password": expected}, "the other consumer")
    up.wait_for(lambda: up.in_step(team.full_path), "the path in step")


def test_a_changed_source_arrives_at_every_consumer(shared: Running, team: Team) -> None:
    wire(shared, team)
    for expected in (b"one", b"two", b"three"):
        shared.at.put(team.producer, "credentials", {"password": expected})
        arrives(shared, team, expected)
    state = shared.secret(team.full_path)
    assert state["version"]["number"] == 3
    assert [each["version"] for each in state["consumers"]] == [state["version"]] * 2
    assert state["sources"] == [team.source]
    assert state["class"] == "internal secret"


def test_there_and_back_again_is_two_changes(shared: Running, team: Team) -> None:
    wire(shared, team)
    for number, expected in enumerate((b"a", b"b", b"a"), start=1):
        shared.at.put(team.producer, "credentials", {"password": expected})
        arrives(shared, team, expected)
        assert shared.version(team.full_path) == number


def test_there_and_back_again_at_once_ends_at_the_last(shared: Running, team: Team) -> None:
    wire(shared, team)
    for last in (b"a", b"b", b"a"):
        shared.at.put(team.producer, "credentials", {"password": last})
    arrives(shared, team, b"a")


def test_a_source_rewritten_a_hundred_times_a_second_ends_at_the_last_value(shared: Running, team: Team) -> None:
    wire(shared, team)
    shared.at.put(team.producer, "credentials", {"password": b"first"})
    arrives(shared, team, b"first")
    seen: list[bytes] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            found = value(shared, team)
            if found is not None and (not seen or seen[-1] != found):
                seen.append(found)
            time.sleep(0.001)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for number in range(100):
        began = time.monotonic()
        shared.at.put(team.producer, "credentials", {"password": f"{number:03}".encode()})
        time.sleep(max(0.0, 0.01 - (time.monotonic() - began)))  # the rate is the input
    arrives(shared, team, b"099")
    shared.wait_idle()
    stop.set()
    watcher.join()
    numbers = [int(found) for found in seen if found != b"first"]
    assert numbers == sorted(numbers), "a consumer went back to an older value"
    assert shared.version(team.full_path) <= 60, "changes within a moment share one write"
    arrives(shared, team, b"099")


def test_a_secret_without_data_link_is_published_only_when_whole(shared: Running, team: Team) -> None:
    keys = ("username", "password")
    shared.at.wire(
        team.name, push_secret("postgres", team.source, team.path, keys), external_secret(team.target, team.path)
    )
    folder = shared.root / "namespaces" / team.producer / "credentials"
    folder.mkdir(parents=True)
    (folder / "username").write_bytes(b"temporal")
    with (folder / "password").open("wb", buffering=0) as file:
        for letter in b"hunter-two":  # a producer that writes slowly, letter by letter
            file.write(bytes([letter]))
            time.sleep(0.005)
    whole = {"username": b"temporal", "password": b"hunter-two"}
    shared.wait_for(lambda: shared.at.values(team.consumer, "postgres") == whole, "the whole Secret")
    shared.wait_for(lambda: shared.in_step(team.full_path), "in step")


def test_a_change_told_many_times_is_written_once(shared: Running, team: Team) -> None:
    wire(shared, team)
    shared.at.put(team.producer, "credentials", {"password": b"once"})
    arrives(shared, team, b"once")
    reference = {"namespace": team.producer, "name": "credentials"}
    for _ in range(50):
        answer = shared.send("dev.lockstep.secret.changed", {"secret": reference}, subject=subject(team))
        assert answer.status == 202, answer
    shared.wait_idle()
    assert shared.version(team.full_path) == 1
    arrives(shared, team, b"once")


def subject(team: Team) -> str:
    return f"namespaces/{team.producer}/secrets/credentials"


def test_a_foreign_write_is_told_undone_and_never_distributed(
    external: Installation, openbao: OpenBao, team: Team
) -> None:
    path = PathRef(mount="secret", path=team.path)
    with external.running() as up:
        wire(up, team)
        up.at.put(team.producer, "credentials", {"password": b"ours"})
        arrives(up, team, b"ours")
        admin = VaultAuthority(openbao.engine())
        head = admin.head(path)
        assert head is not None
        foreign = admin.write(path, {"password": SecretValue(b"theirs")}, head.version)
        up.wait_for(lambda: up.version(team.full_path) > foreign.number, "the source's value written again")
        arrives(up, team, b"ours")
        assert up.at.events("dev.lockstep.secret.conflicted", team.path) >= 1
        stored = admin.read(path)
        assert stored is not None
        assert stored.data == {"password": SecretValue(b"ours")}
        assert (
            up.at.query(
                "SELECT 1 FROM event WHERE type = 'dev.lockstep.secret.published' AND "
                "json_extract(data, '$.version.number') = ?",
                foreign.number,
            )
            == []
        )


def test_a_path_that_the_authority_denies_keeps_no_other_from_the_sweep(
    openbao: OpenBao, teams: Callable[[], Team], tmp_path: Path
) -> None:
    """Wired today, and its policy applied by whoever keeps the authority tomorrow."""
    allowed, denied = teams(), teams()
    policy = f'{EVERYTHING}path "secret/+/{denied.path}" {{\n  capabilities = ["deny"]\n}}\n'
    with at_authority(tmp_path / "root", openbao.settings.address, openbao, policy).running() as up:
        for team in (allowed, denied):
            wire(up, team)
            up.at.put(team.producer, "credentials", {"password": b"ours"})
        arrives(up, allowed, b"ours")
        up.wait_for(lambda: up.at.dead_letters(f"permission denied on secret/data/{denied.path}"), "it to be told")
        admin, path = VaultAuthority(openbao.engine()), PathRef(mount="secret", path=allowed.path)
        head = admin.head(path)
        assert head is not None
        foreign = admin.write(path, {"password": SecretValue(b"theirs")}, head.version)
        up.wait_for(lambda: up.version(allowed.full_path) > foreign.number, "the sweep to find it")
        up.wait_for(lambda: up.in_step(allowed.full_path), "in step")


def test_two_clusters_on_one_authority_have_one_owner_per_path(openbao: OpenBao, team: Team, tmp_path: Path) -> None:
    first = at_authority(tmp_path / "first", openbao.settings.address, openbao)
    second = at_authority(tmp_path / "second", openbao.settings.address, openbao)
    with first.running() as one, second.running() as two:
        wire(one, team)
        one.at.put(team.producer, "credentials", {"password": b"first"})
        arrives(one, team, b"first")
        wire(two, team)
        two.at.put(team.producer, "credentials", {"password": b"second"})
        two.wait_for(lambda: two.at.events("dev.lockstep.secret.conflicted", team.path), "the conflict to be told")
        two.wait_idle()
        assert not two.in_step(team.full_path)
        assert "belongs to" in two.wrong(team.full_path)
        assert one.version(team.full_path) == 1
        one.at.put(team.producer, "credentials", {"password": b"still first"})
        arrives(one, team, b"still first")


def test_two_clusters_on_one_authority_retract_only_their_own(
    openbao: OpenBao, teams: Callable[[], Team], tmp_path: Path
) -> None:
    """Both have a consumer of the same name; only one of them loses its manifest, and only the other one sweeps."""
    team, stays = teams(), teams()
    first = at_authority(tmp_path / "first", openbao.settings.address, openbao)
    first.configure(**{**QUICK, "sweep": {"intervalSeconds": 3600}}, cluster=team.name)
    second = at_authority(tmp_path / "second", openbao.settings.address, openbao)
    with first.running() as one, second.running() as two:
        wire(one, team)
        one.at.put(team.producer, "credentials", {"password": b"shared"})
        arrives(one, team, b"shared")
        for up in (one, two):
            wire(up, stays)
        two.at.wire(team.name, external_secret(team.target, team.path))
        two.wait_for(lambda: value(two, team) == b"shared", "the other cluster's consumer")
        one.at.unwire(team.name)
        one.wait_for(
            lambda: one.at.events("dev.lockstep.secret.retracted", team.target.replace("/", "/secrets/")), "it noticed"
        )
        swept = two.at.events("dev.lockstep.schedule.ticked", "sweep/0")
        two.wait_for(
            lambda: two.at.events("dev.lockstep.schedule.ticked", "sweep/0") > swept + 2, "sweeps of the other"
        )
        two.wait_idle()
        assert two.at.events("dev.lockstep.secret.retracted") == 0, (
            "it neither withdraws nor carries out others' absences"
        )
        one.send("dev.lockstep.schedule.ticked", tick(), subject="schedules/sweep/0")
        one.wait_for(lambda: value(one, team) is None, "the retracted consumer")
        assert value(two, team) == b"shared"


def tick() -> dict[str, object]:
    at = datetime.now(UTC).isoformat()
    return {"schedule": {"name": "sweep"}, "at": at, "shard": 0, "shards": 1}
