"""Manifests that are wrong: named with file and line; the rest keeps working; nothing is retracted."""

import os
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Team
from tests.instance import Document, Installation, Running, external_secret, push_secret, store


def wire(up: Running, team: Team) -> None:
    up.at.wire(team.name, push_secret("postgres", team.source, team.path), external_secret(team.target, team.path))


def change(up: Running, team: Team, value: bytes) -> None:
    """A change arrives."""
    up.at.put(team.producer, "credentials", {"password": value})
    up.wait_for(lambda: up.at.values(team.consumer, "postgres") == {"password": value}, f"{value!r} at the consumer")
    up.wait_for(lambda: up.in_step(team.full_path), "in step")


def finding(up: Running, file: str) -> str:
    found = [one for one in up.status()["wiring"]["findings"] if one["file"].endswith(f"/{file}")]
    return "\n".join(f"{one['file']}:{one['line']}: {one['rule']} {one['message']}" for one in found)


_GROWING = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in pairwise("abcdefghi")
)
MALFORMED: dict[str, tuple[bytes, str]] = {
    "not YAML": (b"one: 1\ntwo: [unclosed\nthree: 3\n", "is not YAML"),
    "a tab": (b"one: 1\ntwo:\n\tthree: 3\n", "is not YAML"),
    "control characters": (b"one: 1\ntwo: 2\nthree: \x01\n", "character that YAML does not allow"),
    "an unknown kind": (
        b"---\n---\napiVersion: external-secrets.io/v1\nkind: PullSecret\nmetadata: {name: a, namespace: b}\n",
        "PullSecret",
    ),
    "a misspelt field": (
        b"apiVersion: external-secrets.io/v1alpha1\nkind: PushSecret\nmetadata: {name: a, namespace: b}\n"
        b"spec: {secretStoreRef: []}\n",
        "secretStoreRef",
    ),
    "bytes that are no text": (b"kind: \xff\xfe\n", "UTF-8"),
    "aliases that grow without bound": (_GROWING.encode(), ""),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_spoilt_file_is_named_and_all_else_goes_on(shared: Running, team: Team, name: str) -> None:
    content, message = MALFORMED[name]
    wire(shared, team)
    change(shared, team, b"before")
    spoilt = shared.root / "wiring" / f"{team.name}-spoilt.yaml"
    try:
        spoilt.write_bytes(content)
        shared.wait_for(lambda: message in finding(shared, spoilt.name) != "", "the file to be named")
        assert f"{spoilt.name}:" in finding(shared, spoilt.name)
        assert not shared.status()["inStep"]
        change(shared, team, b"meanwhile")
    finally:
        spoilt.unlink()
    shared.wait_for(lambda: not finding(shared, spoilt.name), "the mended wiring")
    change(shared, team, b"after")


def test_the_line_is_told(shared: Running, team: Team) -> None:
    spoilt = shared.root / "wiring" / f"{team.name}-spoilt.yaml"
    try:
        spoilt.write_text("# one\n# two\na: 1\n---\nb: [\n---\nc: 3\n")
        shared.wait_for(lambda: finding(shared, spoilt.name), "the finding")
        (line,) = {int(one.split(":")[1]) for one in finding(shared, spoilt.name).splitlines() if "is not YAML" in one}
        assert line in (5, 6)
    finally:
        spoilt.unlink()


def test_a_manifest_that_becomes_malformed_retracts_nothing(shared: Running, team: Team) -> None:
    shared.at.wire(
        team.name,
        push_secret("postgres", team.source, team.path, deletionPolicy="Delete"),
        external_secret(team.target, team.path),
    )
    change(shared, team, b"before")
    file = shared.root / "wiring" / f"{team.name}.yaml"
    whole = file.read_text()
    file.write_text(whole.replace("kind: PushSecret", "kind: [PushSecret"))
    shared.wait_for(lambda: finding(shared, file.name), "the finding")
    assert not shared.status()["wiring"]["complete"]
    swept = shared.at.events("dev.lockstep.schedule.ticked")
    shared.wait_for(lambda: shared.at.events("dev.lockstep.schedule.ticked") >= swept + 3, "three sweeps")
    shared.wait_idle()
    assert shared.at.values(team.consumer, "postgres") == {"password": b"before"}
    change(shared, team, b"still followed as it was last written")
    assert shared.at.events("dev.lockstep.secret.retracted", team.path) == 0
    shared.at.lay(file, whole)
    shared.wait_for(lambda: not finding(shared, file.name), "the mended file")
    change(shared, team, b"after")


def spec(team: Team, **changes: Any) -> Document:
    made = push_secret("postgres", team.source, team.path)
    return {**made, "spec": {**made["spec"], **changes}}


def entry(team: Team, key: str = "password", path: str = "", property_: str = "password") -> list[Document]:
    remote = {"remoteKey": path or team.path, **({"property": property_} if property_ else {})}
    return [{"match": {**({"secretKey": key} if key else {}), "remoteRef": remote}}]


REFUSED: dict[str, Callable[[Team], Document]] = {
    "dataTo, which pushes whatever matches": lambda t: spec(t, dataTo=[{"storeRef": {"name": "vault-backend"}}]),
    "a whole Secret, without a key": lambda t: spec(t, data=entry(t, key="")),
    "no data at all": lambda t: spec(t, data=[]),
    "a path with ..": lambda t: spec(t, data=entry(t, path="platform-data/../sys")),
    "a path with a leading slash": lambda t: spec(t, data=entry(t, path="/platform-data/postgres/x")),
    "a path with a wildcard": lambda t: spec(t, data=entry(t, path="platform-data/postgres/*")),
    "a path with control characters": lambda t: spec(t, data=entry(t, path="platform-data/postgres/a\nb")),
    "a SecretStore": lambda t: spec(t, secretStoreRefs=[{"name": "vault-backend", "kind": "SecretStore"}]),
    "a store that is not there": lambda t: spec(t, secretStoreRefs=[{"name": "other", "kind": "ClusterSecretStore"}]),
    "an empty selector": lambda t: spec(t, selector={"secret": {"selector": {}}}),
    "a generator": lambda t: spec(t, selector={"generatorRef": {"kind": "Password", "name": "p"}}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_push_secret_that_may_not_act(shared: Running, teams: Callable[[], Team], name: str) -> None:
    bad, good = teams(), teams()
    wire(shared, good)
    shared.at.put(bad.producer, "credentials", {"password": b"never published"})
    shared.at.wire(bad.name, REFUSED[name](bad), external_secret(bad.target, bad.path))
    try:
        manifest = f"PushSecret {bad.producer}/postgres"
        file = f"{bad.name}.yaml"
        shared.wait_for(lambda: shared.problem(manifest) + finding(shared, file), "the manifest to be named")
        assert f"{file}:" in shared.problem(manifest) + finding(shared, file)
        change(shared, good, b"meanwhile")
        shared.wait_idle()
        assert shared.at.values(bad.consumer, "postgres") is None
        assert shared.version(bad.full_path) == 0
        wire(shared, bad)
        change(shared, bad, b"mended")
    finally:
        shared.at.unwire(bad.name)


def test_a_missing_key_is_told_and_mended_by_the_next_change(shared: Running, team: Team) -> None:
    keys = ("username", "password")
    shared.at.wire(
        team.name, push_secret("postgres", team.source, team.path, keys), external_secret(team.target, team.path)
    )
    shared.at.put(team.producer, "credentials", {"username": b"temporal"})
    shared.wait_for(lambda: shared.at.dead_letters("'password'"), "a dead letter that names the key")
    assert not shared.in_step(team.full_path)
    assert shared.at.values(team.consumer, "postgres") is None
    whole = {"username": b"temporal", "password": b"hunter2"}
    shared.at.put(team.producer, "credentials", whole)
    shared.wait_for(lambda: shared.at.values(team.consumer, "postgres") == whole, "the whole Secret")
    shared.wait_for(lambda: shared.in_step(team.full_path), "in step")


def test_two_push_secrets_claiming_one_path(shared: Running, teams: Callable[[], Team]) -> None:
    """Whoever claimed it goes on; the other is refused with the owner's name, and holds nothing up."""
    first, second = teams(), teams()
    wire(shared, first)
    change(shared, first, b"first")
    rival = push_secret("rival", second.source, first.path)
    shared.at.put(second.producer, "credentials", {"password": b"rival"})
    shared.at.wire(second.name, rival)
    shared.wait_for(lambda: shared.problem(f"PushSecret {second.producer}/rival"), "the rival to be named")
    owner = f"PushSecret {first.producer}/postgres"
    assert f"belongs to {owner}" in shared.problem(f"PushSecret {second.producer}/rival")
    assert not shared.problem(owner)
    shared.wait_for(lambda: shared.at.events("dev.lockstep.secret.conflicted", first.path), "the refusal to be told")
    change(shared, first, b"second")
    shared.at.put(second.producer, "credentials", {"password": b"rival again"})
    swept = shared.at.events("dev.lockstep.schedule.ticked")
    shared.wait_for(lambda: shared.at.events("dev.lockstep.schedule.ticked") >= swept + 2, "two sweeps")
    shared.wait_idle()
    assert shared.at.values(first.consumer, "postgres") == {"password": b"second"}
    assert shared.version(first.full_path) == 2
    shared.at.unwire(second.name)
    shared.wait_for(lambda: not shared.problem(f"PushSecret {second.producer}/rival"), "the rival to go")
    change(shared, first, b"third")


def test_two_external_secrets_making_one_target(shared: Running, teams: Callable[[], Team]) -> None:
    first, second = teams(), teams()
    wire(shared, first)
    wire(shared, second)
    change(shared, first, b"first")
    change(shared, second, b"other")
    rival = dict(external_secret(f"{first.consumer}/rival", second.path, target={"name": "postgres"}))
    shared.at.wire(f"{first.name}-rival", rival)
    shared.wait_for(lambda: shared.problem(f"ExternalSecret {first.consumer}/rival"), "the rival to be named")
    shared.wait_idle()
    assert shared.at.values(first.consumer, "postgres") == {"password": b"first"}
    shared.at.unwire(f"{first.name}-rival")
    change(shared, first, b"second")


def test_a_circle_of_wiring_does_not_turn(shared: Running, teams: Callable[[], Team]) -> None:
    one, two = teams(), teams()
    derived = {"lockstep.dev/derived": "true"}

    def annotated(document: Document) -> Document:
        return {**document, "metadata": {**document["metadata"], "annotations": derived}}

    shared.at.wire(
        one.name,
        annotated(push_secret("around", one.target, one.path)),
        external_secret(two.target, one.path),
        annotated(push_secret("back", two.target, two.path)),
        external_secret(one.target, two.path),
    )
    try:
        for manifest in (f"PushSecret {one.consumer}/around", f"PushSecret {two.consumer}/back"):
            shared.wait_for(lambda m=manifest: "circle" in shared.problem(m), "the circle to be named")  # type: ignore[misc]
        shared.at.put(one.consumer, "postgres", {"password": b"around and around"})
        shared.wait_idle()
        assert shared.version(one.full_path) == shared.version(two.full_path) == 0
        assert shared.at.values(two.consumer, "postgres") is None
    finally:
        shared.at.unwire(one.name)


def test_a_checkout_that_is_swapped_by_a_link(embedded: Installation, team: Team) -> None:
    """As git-sync and a mounted ConfigMap do: `wiring` holds a link to the checkout, and the link is exchanged."""
    wiring = embedded.root / "wiring"
    checkout(wiring / ".v1", store(), push_secret("postgres", team.source, team.path))
    (wiring / "store.yaml").unlink()
    (wiring / "current").symlink_to(".v1")
    with embedded.running() as up:
        up.at.put(team.producer, "credentials", {"password": b"one"})
        up.wait_for(lambda: up.version(team.full_path) == 1, "published")
        checkout(
            wiring / ".v2",
            store(), push_secret("postgres", team.source, team.path), external_secret(team.target, team.path),
        )  # fmt: skip
        swap(wiring, ".v2")
        up.wait_for(lambda: up.at.values(team.consumer, "postgres") == {"password": b"one"}, "the new consumer")
        checkout(wiring / ".v3", store(), push_secret("postgres", team.source, team.path))
        swap(wiring, ".v3")
        up.wait_for(lambda: up.at.values(team.consumer, "postgres") is None, "the retracted consumer")
        change_only(up, team, b"two", 2)


def checkout(folder: Path, *documents: Document) -> None:
    installation = Installation(folder.parent / f"{folder.name}.tmp")
    installation.wire("all", *documents)
    shutil.move(installation.root / "wiring", folder)
    shutil.rmtree(installation.root)


def swap(wiring: Path, to: str) -> None:
    (wiring / ".swap").symlink_to(to)
    os.replace(wiring / ".swap", wiring / "current")


def change_only(up: Running, team: Team, value: bytes, version: int) -> None:
    up.at.put(team.producer, "credentials", {"password": value})
    up.wait_for(lambda: up.version(team.full_path) == version, f"version {version}")


def test_an_empty_wiring_retracts_nothing(embedded: Installation, team: Team) -> None:
    embedded.wire(
        team.name,
        push_secret("postgres", team.source, team.path, deletionPolicy="Delete"),
        external_secret(team.target, team.path),
    )
    with embedded.running() as up:
        change(up, team, b"one")
        away = embedded.root / "wiring.away"
        (embedded.root / "wiring").rename(away)
        (embedded.root / "wiring").mkdir()
        up.wait_for(lambda: up.status()["wiring"]["pushSecrets"] == 0, "the empty wiring noticed")
        swept = up.at.events("dev.lockstep.schedule.ticked")
        up.wait_for(lambda: up.at.events("dev.lockstep.schedule.ticked") >= swept + 3, "three sweeps")
        up.wait_idle()
        assert up.at.values(team.consumer, "postgres") == {"password": b"one"}
        (embedded.root / "wiring").rmdir()
        away.rename(embedded.root / "wiring")
        up.wait_for(lambda: up.in_step(team.full_path), "wired again")
        change(up, team, b"two")
