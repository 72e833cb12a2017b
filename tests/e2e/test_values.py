"""What a Secret may hold, and what lies in the directories of producers: odd, large, hostile."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Team
from tests.instance import Running, external_secret, push_secret

NUL_FREE_BINARY = bytes(range(1, 256))


def wire(up: Running, team: Team, keys: tuple[str, ...] = ("password",), **spec: Any) -> None:
    up.at.wire(
        team.name,
        push_secret("postgres", team.source, team.path, keys),
        external_secret(team.target, team.path, **spec),
    )


def arrives(up: Running, team: Team, expected: dict[str, bytes]) -> None:
    up.wait_for(lambda: up.at.values(team.consumer, "postgres") == expected, "the values at the consumer")
    up.wait_for(lambda: up.in_step(team.full_path), "in step")


TEXTS = {
    "empty": b"",
    "a line end": b"\n",
    "white space that must stay": b"  password \r\n",
    "NUL": b"a\x00b",
    "emoji and combining characters": "pa\u0301sswörd 🔑\u202e".encode(),
    "JSON": b'{"password": "x", "n": 12345678901234567890.10}',
    "YAML that tempts": b"!!python/object/apply:os.system ['true']",
    "a template that is data": b"{{ .password }}${HOME}$(id)",
    "a number that is text": b"007",
    "quotes and backslashes": b'"\'\\\\\\"',
    "one MiB": os.urandom(512 * 1024).hex().encode(),
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_arrives_as_it_is(shared: Running, team: Team, name: str) -> None:
    wire(shared, team)
    shared.at.put(team.producer, "credentials", {"password": TEXTS[name]})
    arrives(shared, team, {"password": TEXTS[name]})


def test_more_than_a_secret_may_hold_is_refused_by_name(shared: Running, team: Team) -> None:
    wire(shared, team)
    shared.at.put(team.producer, "credentials", {"password": b"x" * (1024 * 1024 + 1)})
    shared.wait_for(lambda: shared.at.dead_letters(f"{team.producer}/credentials"), "a dead letter")
    letters = shared.at.dead_letters(f"{team.producer}/credentials")  # a change may be told of while it is published
    assert all("1 MiB" in letter[3] for letter in letters)
    assert shared.version(team.full_path) == 0
    shared.at.put(team.producer, "credentials", {"password": b"x" * 1024})
    arrives(shared, team, {"password": b"x" * 1024})


@pytest.mark.parametrize("value", [b"\xff\xfe\x00binary", NUL_FREE_BINARY], ids=["utf-16", "all bytes"])
def test_bytes_that_the_authority_cannot_hold_are_refused_unchanged_never_mangled(
    shared: Running, team: Team, value: bytes
) -> None:
    wire(shared, team, ("username", "password"))
    shared.at.put(team.producer, "credentials", {"username": b"fine", "password": value})
    shared.wait_for(lambda: shared.at.dead_letters(team.producer), "a dead letter")
    letter = shared.at.dead_letters(team.producer)[0]
    assert "'password'" in letter[3] or "password" in letter[3]
    assert shared.version(team.full_path) == 0, "not the other keys alone either"
    assert not shared.in_step(team.full_path)
    whole = {"username": b"fine", "password": b"text"}
    shared.at.put(team.producer, "credentials", whole)
    arrives(shared, team, whole)


def test_binary_travels_encoded_and_is_decoded_at_the_consumer(shared: Running, team: Team) -> None:
    import base64

    shared.at.wire(
        team.name,
        push_secret(
            "keystore",
            team.source,
            team.path,
            ("keystore",),
            template={"data": {"keystore": "{{ .raw | b64enc }}"}},
        ),
        external_secret(
            team.target,
            team.path,
            data=[
                {
                    "secretKey": "keystore",
                    "remoteRef": {"key": team.path, "property": "keystore", "decodingStrategy": "Base64"},
                }
            ],
            dataFrom=[],
        ),
    )
    shared.at.put(team.producer, "credentials", {"raw": NUL_FREE_BINARY})
    arrives(shared, team, {"keystore": NUL_FREE_BINARY})
    assert base64.b64encode(NUL_FREE_BINARY) not in shared.output().encode()


KEYS = ("tls.crt", ".dockerconfigjson", "a..b", "UPPER_case-1.2", "x" * 253)


def test_dotted_and_long_keys(shared: Running, team: Team) -> None:
    wire(shared, team, KEYS)
    data = {key: f"of {key[:20]}".encode() for key in KEYS}
    shared.at.put(team.producer, "credentials", data)
    arrives(shared, team, data)


def test_a_unicode_property_at_the_authority_reaches_no_file_name(shared: Running, team: Team) -> None:
    """The path holds a property that is no key of a Secret: the manifest may convert it, or it is refused."""
    entries = [{"match": {"secretKey": "password", "remoteRef": {"remoteKey": team.path, "property": "pässwörd/../x"}}}]
    push = push_secret("postgres", team.source, team.path)
    push = {**push, "spec": {**push["spec"], "data": entries}}
    shared.at.wire(team.name, push, external_secret(team.target, team.path))
    shared.at.put(team.producer, "credentials", {"password": b"odd"})
    shared.wait_for(
        lambda: shared.at.dead_letters(team.consumer) or shared.at.values(team.consumer, "postgres"), "an outcome"
    )
    shared.wait_idle()
    folder = shared.root / "namespaces" / team.consumer / "postgres"
    names = [entry.name for entry in folder.iterdir()] if folder.exists() else []
    assert all(name.isascii() for name in names)
    assert not (shared.root / "namespaces" / team.consumer / "x").exists()


HOSTILE: dict[str, Callable[[Path, Path], None]] = {
    "a symlink to another namespace's secret": lambda folder, other: (folder / "password").symlink_to(other),
    "an absolute symlink": lambda folder, other: (folder / "password").symlink_to("/etc/hostname"),
    "a fifo": lambda folder, other: os.mkfifo(folder / "password"),
    "a directory": lambda folder, other: (folder / "password").mkdir(),
    "a hard link to another's file": lambda folder, other: (folder / "password").hardlink_to(other),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_lies_in_a_producers_directory_is_never_followed(
    shared: Running, teams: Callable[[], Team], name: str
) -> None:
    victim, attacker = teams(), teams()
    secret = shared.root / "namespaces" / victim.producer / "credentials"
    secret.mkdir(parents=True)
    (secret / "password").write_bytes(b"the victim's")
    wire(shared, attacker)
    folder = shared.root / "namespaces" / attacker.producer / "credentials"
    folder.mkdir(parents=True)
    HOSTILE[name](folder, secret / "password")
    shared.wait_for(lambda: shared.at.dead_letters(f"{attacker.producer}/credentials"), "a dead letter")
    assert shared.version(attacker.full_path) == 0
    assert shared.at.values(attacker.consumer, "postgres") is None
    assert not shared.in_step(attacker.full_path)


def test_a_data_link_that_leads_out_is_never_followed(shared: Running, teams: Callable[[], Team]) -> None:
    victim, attacker = teams(), teams()
    secret = shared.root / "namespaces" / victim.producer / "credentials"
    secret.mkdir(parents=True)
    (secret / "password").write_bytes(b"the victim's")
    wire(shared, attacker)
    for leads in (f"../../{victim.producer}/credentials", str(secret)):
        folder = shared.root / "namespaces" / attacker.producer / "credentials"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "..data").unlink(missing_ok=True)
        (folder / "..data").symlink_to(leads)
        if not (folder / "password").is_symlink():
            (folder / "password").symlink_to("..data/password")
        shared.wait_for(lambda: shared.at.dead_letters(f"{attacker.producer}/credentials"), "a dead letter")
    shared.wait_idle()
    assert shared.version(attacker.full_path) == 0
    assert shared.at.values(attacker.consumer, "postgres") is None


def test_a_namespace_that_is_a_symlink_is_not_entered(shared: Running, teams: Callable[[], Team]) -> None:
    victim, attacker = teams(), teams()
    shared.at.put(victim.producer, "credentials", {"password": b"the victim's"})
    wire(shared, attacker)
    (shared.root / "namespaces" / attacker.producer).symlink_to(victim.producer)
    # Something after it in the same watch tells that it was seen.
    shared.at.wire(
        victim.name, push_secret("postgres", victim.source, victim.path), external_secret(victim.target, victim.path)
    )
    arrives(shared, victim, {"password": b"the victim's"})
    shared.wait_idle()
    assert shared.version(attacker.full_path) == 0
    assert shared.at.values(attacker.consumer, "postgres") is None


def test_a_consumers_directory_that_is_a_symlink_is_not_written_through(shared: Running, team: Team) -> None:
    outside = shared.root.parent / f"outside-{team.name}"
    outside.mkdir()
    (shared.root / "namespaces" / team.consumer).mkdir()
    (shared.root / "namespaces" / team.consumer / "postgres").symlink_to(outside)
    wire(shared, team)
    shared.at.put(team.producer, "credentials", {"password": b"stays inside"})
    shared.wait_for(lambda: shared.at.dead_letters(f"{team.consumer}/postgres"), "a dead letter")
    assert list(outside.iterdir()) == []
    assert not shared.in_step(team.full_path)
    (shared.root / "namespaces" / team.consumer / "postgres").unlink()
    arrives(shared, team, {"password": b"stays inside"})


def test_names_that_are_no_secrets_are_ignored(shared: Running, team: Team) -> None:
    wire(shared, team)
    folder = shared.root / "namespaces" / team.producer
    folder.mkdir()
    for name in ("..", ".hidden", "UPPER", "spaced name", "-dash", "ünïcode", "x" * 254, "a\nb"):
        if name != "..":
            (folder / name).mkdir()
            (folder / name / "password").write_bytes(b"noise")
    (shared.root / "namespaces" / f"{team.name}\x1b[31m").mkdir()
    shared.at.put(team.producer, "credentials", {"password": b"signal"})
    arrives(shared, team, {"password": b"signal"})
    assert "\x1b" not in shared.output()


def test_a_namespace_of_a_stranger_stops_nobody_else(shared: Running, teams: Callable[[], Team]) -> None:
    stranger, team = teams(), teams()
    folder = shared.root / "namespaces" / stranger.producer
    folder.mkdir()
    os.chown(folder, 54321, 54321)
    wire(shared, stranger)
    wire(shared, team)
    for value in (b"one", b"two"):
        shared.at.put(team.producer, "credentials", {"password": value})
        arrives(shared, team, {"password": value})
    shared.at.put(stranger.producer, "credentials", {"password": b"not believed"})
    shared.wait_for(lambda: any(stranger.producer in notice for notice in shared.status()["notices"]), "a notice")
    assert shared.version(stranger.full_path) == 0
    for path in (folder, *folder.rglob("*")):
        os.chown(path, os.geteuid(), os.getegid(), follow_symlinks=False)
    arrives(shared, stranger, {"password": b"not believed"})


def test_one_source_that_is_refused_stops_no_sweep(shared: Running, teams: Callable[[], Team]) -> None:
    refused, drifting = teams(), teams()
    folder = shared.root / "namespaces" / refused.producer / "credentials"
    folder.mkdir(parents=True)
    (folder / "password").symlink_to("/etc/hostname")
    wire(shared, refused)
    wire(shared, drifting)
    shared.at.put(drifting.producer, "credentials", {"password": b"one"})
    arrives(shared, drifting, {"password": b"one"})
    swept = shared.at.events("dev.lockstep.schedule.ticked", "sweep/0")
    shared.wait_for(lambda: shared.at.events("dev.lockstep.schedule.ticked", "sweep/0") > swept + 1, "sweeps")
    shared.wait_idle()
    assert [letter for letter in shared.at.dead_letters() if letter[0] == "sweep"] == []
