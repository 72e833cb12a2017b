"""No value is anywhere but in the Secrets themselves and, encrypted, in the authority: canaries, and a search.

Every flow is run with recognisable values, those that fail above all: bad templates, missing keys, bytes that no
authority holds, refused types, foreign owners, too much data, a kill. Then everything that was written or said is
searched for them in every form that a log or an encoder gives a value.
"""

import base64
import json
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.e2e.conftest import Team
from tests.instance import Installation, Running, external_secret, push_secret

RUN = f"cAnArY{secrets.token_hex(12)}".encode()  # begins every canary of this run


class Canary:
    """A value that nothing else holds. Its core is found in whatever form surrounds it."""

    def __init__(self, name: str, wrap: Callable[[bytes], bytes] = lambda core: core) -> None:
        self.name = name
        self.core = RUN + secrets.token_hex(8).encode()
        self.value = wrap(self.core)

    def __repr__(self) -> str:
        return f"<canary {self.name}>"


@lru_cache
def forms(core: bytes) -> tuple[bytes, ...]:
    """Plain (as JSON and URLs leave letters and digits), hex, base 32 and 64 at every alignment, escaped, listed."""
    based = [base64.b64encode(b"x" * pad + core + b"x" * 3)[8:-8] for pad in range(3)]
    based += [base64.b32encode(b"x" * pad + core + b"x" * 5)[8:-16] for pad in range(5)]
    texts = ["".join(f"%{byte:02{case}}" for byte in core) for case in "xX"]
    texts += ["".join(f"\\u{byte:04x}" for byte in core), "".join(f"\\x{byte:02x}" for byte in core)]
    texts += [core.hex(), core.hex().upper(), json.dumps(list(core))[1:-1], ",".join(map(str, core))]
    return (core, core[::-1], core.upper(), core.lower(), *based, *(text.encode() for text in texts))


def test_every_form_is_recognised() -> None:
    canary = Canary("probe", lambda core: b'\xff"\\' + core + "ü€".encode())
    value = canary.value
    for made in (
        value, base64.b64encode(value), base64.urlsafe_b64encode(value), value.hex().encode(), repr(value).encode(),
        quote(value).encode(), json.dumps(value.decode("latin-1")).encode(), base64.b32encode(value),
        json.dumps({"v": base64.b64encode(value).decode()}).encode(),
    ):  # fmt: skip
        assert found([canary], made) == {canary.name}
    assert found([canary], b"nothing to see") == set()


def found(canaries: list[Canary], raw: bytes) -> set[str]:
    """The names of the canaries in it."""
    if not any(form in raw for form in forms(RUN)):
        return set()
    return {canary.name for canary in canaries if any(form in raw for form in forms(canary.core))} or {"part of one"}


@contextmanager
def watched_processes(canaries: list[Canary], seen: set[str]) -> Iterator[None]:
    """Read the arguments and the environment of every process, all the time."""
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            for folder in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    with suppress(OSError):
                        seen.update(f"{name}: {one}" for one in found(canaries, (folder / name).read_bytes()))
            time.sleep(0.05)  # a pace, not a synchronisation

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def lockstep(up: Running, *arguments: str) -> bytes:
    """All that a command prints."""
    command = [up.at.program[0], *arguments]
    environment = {**os.environ, "LOCKSTEP_ROOT": str(up.root)}
    done = subprocess.run(command, check=False, capture_output=True, timeout=60, env=environment)
    return done.stdout + done.stderr


COMMANDS = (
    ("status", "-o", "wide"), ("status", "-o", "json"), ("events", "--since", "0", "--limit", "1000", "-o", "json"),
    ("diff", "-o", "json"), ("dead-letters", "list", "-o", "json"), ("dead-letters", "show", "1", "-o", "json"),
    ("dead-letters", "show", "2"), ("audit", "show", "--all", "-o", "jsonl"), ("audit", "verify", "-o", "json"),
    ("check", "-o", "json"), ("steps",), ("version",),
)  # fmt: skip


@pytest.mark.slow
def test_no_value_is_anywhere_but_in_the_secrets(
    embedded: Installation, teams: Callable[[], Team], tmp_path: Path
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    canaries: list[Canary] = []

    def canary(name: str, wrap: Callable[[bytes], bytes] = lambda core: core) -> bytes:
        canaries.append(Canary(name, wrap))
        return canaries[-1].value

    at, processes = replace(embedded, environment={"TMPDIR": str(temporary)}), set[str]()
    with watched_processes(canaries, processes), at.running() as up:
        plain, failing = main_flow(up, teams, canary), failing_flows(up, teams, canary)
        up.wait_for(lambda: up.at.unfinished() == 0, "an idle broker")
        up.wait_for(lambda: up.status()["ledger"]["anchored"] > 0, "an anchor")
        up.kill()
        up.restart()
        up.wait_for(lambda: up.in_step(plain.full_path), "in step")
        said = {" ".join(command): lockstep(up, *command) for command in COMMANDS}
        for team in (plain, *failing):
            asked = json.dumps({"name": team.full_path}).encode()
            said[f"explain {team.name}"] = up.ask("GET", "/control/v1/explain", body=asked).body
        said["metrics"] = up.request("GET", "/metrics").body
        said["readiness"] = up.request("GET", "/health/readiness").body
        assert up.stop() == 0
    said["output"] = up.output_file.read_bytes()

    assert len(up.at.dead_letters()) >= 5, "the failing flows failed"
    assert {name: found(canaries, text) for name, text in said.items() if found(canaries, text)} == {}
    assert processes == set()
    assert not [file for file in temporary.rglob("*") if file.is_file() and found(canaries, file.read_bytes())]
    outside, inside = search(up.root, canaries)
    assert outside == {}
    assert "first" not in inside, "a value that was replaced is gone"
    assert {"newest", "unicode"} <= inside, "the search finds what is there"


def search(root: Path, canaries: list[Canary]) -> tuple[dict[str, set[str]], set[str]]:
    """Canaries by file outside of the namespaces, and all that are within them."""
    outside: dict[str, set[str]] = {}
    inside: set[str] = set()
    names = {"broker.db", "local.db", "audit.log", "server.log", "raft.db", "vault.db"}
    seen = set()
    for file in root.rglob("*"):
        if not file.is_file() or file.is_symlink():
            continue
        hits = found(canaries, file.read_bytes()) | found(canaries, str(file).encode())
        seen.add(file.name)
        if file.is_relative_to(root / "namespaces"):
            inside |= hits
        elif hits:
            outside[str(file.relative_to(root))] = hits
    assert names & seen >= {"broker.db", "local.db", "audit.log", "server.log"}, seen
    assert {"raft.db", "vault.db"} & seen, "the authority's storage was searched too"
    return outside, inside


def main_flow(up: Running, teams: Callable[[], Team], canary: Callable[..., bytes]) -> Team:
    """Changes that arrive: credentials, a connection string, odd text, a path without producer of ours."""
    team = teams()
    url = {"data": {"URL": "postgresql://{{ .username }}:{{ .password | urlquery }}@db/{{ .note | b64enc }}"}}
    up.at.wire(
        team.name,
        push_secret("postgres", team.source, team.path, ("username", "password", "note"), deletionPolicy="Delete"),
        external_secret(team.target, team.path),
        external_secret(f"{team.consumer}/url", team.path, target={"name": "url", "template": url}),
    )
    odd = canary("unicode", lambda core: 'pä"ss\\wörd\n€/+ '.encode() + core)
    for name in ("first", "second", "newest"):
        data = {"username": canary(f"user of {name}"), "password": canary(name), "note": odd}
        up.at.put(team.producer, "credentials", data)
        up.wait_for(lambda d=data: up.at.values(team.consumer, "postgres") == d, f"the {name} value")  # type: ignore[misc]
        up.wait_for(lambda d=data: d["username"] in str(up.at.values(team.consumer, "url")).encode(), "the URL")  # type: ignore[misc]
    (up.root / "namespaces" / team.consumer / "postgres" / "..data" / "password").write_bytes(canary("drift by hand"))
    up.wait_for(lambda: up.at.values(team.consumer, "postgres") == data, "the drift undone")
    return team


Spec = dict[str, object]


def shaped(template: Spec) -> Spec:
    """An ExternalSecret's target with this template."""
    return {"target": {"name": "postgres", "template": template}}


def one_key(team: Team, **remote: str) -> Spec:
    """An ExternalSecret's data of one entry."""
    return {"data": [{"secretKey": "a", "remoteRef": {"key": team.path, **remote}}], "dataFrom": []}


@dataclass(frozen=True)
class Failing:
    """A flow that fails with a value in hand: what surrounds the canary, and what is wrong with the manifests."""

    name: str
    wrap: Callable[[bytes], bytes] = lambda core: core
    keys: tuple[str, ...] = ("password",)
    push: Spec = field(default_factory=dict)
    external: Callable[[Team], Spec] = lambda team: {}


FAILING = (
    Failing("no JSON in a template", external=lambda _: shaped({"data": {"a": "{{ .password | fromJson }}"}})),
    Failing("no index in a template", external=lambda _: shaped({"data": {"a": "{{ index .password 99999 }}"}})),
    Failing("no base64 in a push template", push={"template": {"data": {"password": "{{ .password | b64dec }}"}}}),
    Failing("no text", wrap=lambda core: b"\xff\xfe\x00" + core),
    Failing("too much", wrap=lambda core: core + b"x" * 1024 * 1024),
    Failing("beside a missing key", keys=("password", "username")),
    Failing(
        "no base64",
        wrap=lambda core: core + b"!",
        external=lambda team: one_key(team, property="password", decodingStrategy="Base64"),
    ),
    Failing("no property within", external=lambda team: one_key(team, property="password.deeper")),
    Failing(
        "no YAML",
        external=lambda _: shaped({"templateFrom": [{"target": "Data", "literal": "{{ .password }}: ["}]}),
    ),
)


def failing_flows(up: Running, teams: Callable[[], Team], canary: Callable[..., bytes]) -> list[Team]:
    """Everything that ends as a dead letter or an error, each with a canary in hand."""
    failing: list[Team] = []

    def fail(keys: tuple[str, ...] = ("password",), push: Spec | None = None, external: Spec | None = None) -> None:
        up.at.wire(
            failing[-1].name,
            push_secret("postgres", failing[-1].source, failing[-1].path, keys, **(push or {})),
            external_secret(failing[-1].target, failing[-1].path, **(external or {})),
        )

    for flow in FAILING:
        failing.append(teams())
        up.at.put(failing[-1].producer, "credentials", {"password": canary(flow.name, flow.wrap)})
        fail(flow.keys, flow.push, flow.external(failing[-1]))
    failing.append(teams())
    up.at.put(failing[-1].consumer, "postgres", {"password": canary("somebody else's Secret")})
    up.at.put(failing[-1].producer, "credentials", {"password": canary("for a Secret of somebody else")})
    fail()
    failing.append(teams())
    folder = up.root / "namespaces" / failing[-1].producer / "credentials"
    folder.mkdir(parents=True)
    (folder / "real").write_bytes(canary("behind a symlink"))
    (folder / "password").symlink_to("real")
    fail()
    for team in failing:
        up.wait_for(lambda t=team: up.secret(t.full_path) and not up.in_step(t.full_path), "the failure to be told")  # type: ignore[misc]
    return failing
