"""No value leaves the Secrets of the cluster and the authority's own encrypted storage: not what worked, not what
failed; searched for in files, answers, conditions, annotations and events of the API server."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cluster.estate import Estate, Team
from tests.e2e.test_canary import COMMANDS, Canary, found

_KEPT = ("local.db", "broker.db", "audit.log", "server.log")
_KINDS = (
    "/apis/external-secrets.io/v1alpha1/pushsecrets", "/apis/external-secrets.io/v1/externalsecrets",
    "/apis/external-secrets.io/v1/clustersecretstores", "/api/v1/configmaps", "/api/v1/events",
    "/apis/events.k8s.io/v1/events",
)  # fmt: skip


class Values:
    """Canaries, made as they are needed."""

    def __init__(self) -> None:
        self.made: list[Canary] = []

    def __call__(self, name: str, wrap: Callable[[bytes], bytes] = lambda core: core) -> bytes:
        self.made.append(Canary(name, wrap))
        return self.made[-1].value

    def within(self, said: Mapping[str, bytes]) -> dict[str, set[str]]:
        return {name: hits for name, text in said.items() if (hits := found(self.made, text))}


@pytest.mark.slow
def test_no_value_is_anywhere_but_in_the_secrets(estate: Estate, teams: Callable[..., Team]) -> None:
    canary = Values()
    plain, failing = worked(estate, teams(), canary), failed(estate, teams, canary)
    estate.up.kill()
    estate.up.restart()
    estate.wait_for(lambda: estate.up.in_step(plain.full_path), "in step")
    said = told(estate, (plain, *failing))
    secrets = estate.admin.get("/api/v1/secrets")["items"]
    said |= {f"metadata of {one['metadata']['name']}": json.dumps(one["metadata"]).encode() for one in secrets}
    said |= files(estate.at.root)
    assert canary.within(said) == {}
    held = json.dumps([one.get("data") for one in secrets]).encode()
    assert canary.within({"Secrets": held})["Secrets"] >= {"newest"}, "the search finds what is there"


def worked(estate: Estate, team: Team, canary: Values) -> Team:
    url = {"data": {"URL": "postgresql://app:{{ .password | urlquery }}@db/app"}}
    team.pull["spec"]["target"]["template"] = {"mergePolicy": "Merge", **url}
    estate.put(team.source, {"password": canary("first")})
    estate.apply(*team.manifests)
    for name in ("second", "newest"):
        value = canary(name)
        estate.put(team.source, {"password": value})
        estate.wait_for(lambda v=value: v in (estate.values(team.target) or {}).get("URL", b""), "the change")  # type: ignore[misc]
    estate.put(team.target, {"URL": canary("drift")})
    estate.wait_for(lambda: value in (estate.values(team.target) or {}).get("URL", b""), "the drift undone")
    return team


def failed(estate: Estate, teams: Callable[..., Team], canary: Values) -> list[Team]:
    """Flows that end in a condition, each with a value in hand."""
    shaped: list[tuple[str, dict[str, Any], Callable[[bytes], bytes]]] = [
        ("no JSON", {"template": {"data": {"a": "{{ .password | fromJson }}"}}}, lambda core: core),
        ("no text", {}, lambda core: b"\xff\xfe\x00" + core),
        ("immutable", {"immutable": True}, lambda core: core),
        ("a type that changes", {"template": {"type": "kubernetes.io/tls"}}, lambda core: core),
    ]
    made = []
    for name, target, wrap in shaped:
        team = teams()
        made.append(team)
        team.pull["spec"]["target"] |= target
        estate.put(team.source, {"password": canary(name, wrap)})
        estate.apply(*team.manifests)
        if name == "immutable":
            estate.wait_for(lambda t=team: estate.secret(t.target), "the immutable target")  # type: ignore[misc]
            estate.put(team.source, {"password": canary("beside an immutable target")})
    foreign = teams()
    estate.put(foreign.target, {"password": canary("somebody else's")})
    estate.put(foreign.source, {"password": canary("for somebody else's")})
    estate.apply(*foreign.manifests)
    for team in (*made, foreign):
        estate.wait_for(
            lambda t=team: "False" in (estate.condition(t.pull)[0], estate.condition(t.push)[0]),  # type: ignore[misc]
            f"the failure of {team.name} in a condition",
        )
    return [*made, foreign]


def told(estate: Estate, teams: tuple[Team, ...]) -> dict[str, bytes]:
    """All that anybody can ask for."""
    said: dict[str, bytes] = {}
    for command in COMMANDS:
        done = estate.run(*command)
        said[" ".join(command)] = (done.stdout + done.stderr).encode()
    for team in teams:
        asked = json.dumps({"name": team.full_path}).encode()
        said[f"explain {team.name}"] = estate.up.ask("GET", "/control/v1/explain", body=asked).body
    said["metrics"] = estate.up.request("GET", "/metrics").body
    said["output"] = estate.up.output_file.read_bytes()
    for path in _KINDS:
        said[path] = json.dumps(estate.admin.get(path)).encode()
    return said


def files(root: Path) -> dict[str, bytes]:
    """What the installation wrote, its OpenBao's storage included."""
    read = {
        str(file.relative_to(root)): file.read_bytes()
        for file in root.rglob("*")
        if file.is_file() and not file.is_symlink()
    }
    names = {Path(name).name for name in read}
    assert names >= set(_KEPT), names
    return read
