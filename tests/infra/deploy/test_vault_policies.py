"""What a rendered policy says; tests/infra/hosts/openbao/test_policies.py asks a real server what it means."""

import re

import pytest

from events.references import PathRef
from functions import BY_NAME, STEPS
from functions._capability import Capability
from functions._step import Step
from infra.deploy.vault_policies import EXACT_PATHS, WiredPaths, render


def step(*needs: Capability) -> Step:
    return Step("any", "does\nsomething", (), (), frozenset(needs), lambda event, ports: iter(()))


def rules(text: str) -> dict[str, list[str]]:
    found = re.findall(r'path "([^"]+)" \{\n  capabilities = \[([^\]]*)\]', text)
    return {path: re.findall(r'"(\w+)"', capabilities) for path, capabilities in found}


def paths(*names: str, mount: str = "secret") -> frozenset[PathRef]:
    return frozenset(PathRef(mount=mount, path=name) for name in names)


def test_a_step_without_needs_gets_only_its_own_token() -> None:
    assert rules(render(step(), WiredPaths(paths("a"), paths("b"))).text) == {
        "auth/token/lookup-self": ["read"],
        "auth/token/renew-self": ["update"],
        "auth/token/revoke-self": ["update"],
        "sys/capabilities-self": ["update"],
    }


def test_values_are_bound_to_wired_paths() -> None:
    wired = WiredPaths(produced=paths("p"), consumed=paths("c", mount="team-a/kv"), retiring=paths("r"))
    found = rules(render(step(Capability.AUTHORITY_READ, Capability.AUTHORITY_WRITE), wired).text)
    assert found["secret/data/p"] == found["secret/data/r"] == ["create", "read", "update"]
    assert found["team-a/kv/data/c"] == ["read"]
    assert not [path for path in found if "*" in path or "metadata" in path or "delete" in path]


def test_equal_grants_are_equal_texts() -> None:
    first = WiredPaths(produced=paths("a", "b", "c"))
    second = WiredPaths(produced=paths("c", "a", "b"))
    assert [render(s, first).text for s in STEPS] == [render(s, second).text for s in STEPS]


def test_a_specific_rule_repeats_what_broader_ones_grant() -> None:
    wired = WiredPaths(produced=paths("apps/db"), searched=frozenset({("secret", "apps"), ("secret", "")}))
    needs = (Capability.AUTHORITY_LIST, Capability.AUTHORITY_READ, Capability.CLAIM_WRITE, Capability.AUTHORITY_WRITE)
    found = rules(render(step(*needs), wired).text)
    assert found["secret/data/apps/db"] == ["create", "read", "update"]
    assert found["secret/metadata/apps/db"] == ["create", "list", "patch"]
    assert found["secret/metadata/apps/"] == ["list"]
    assert found["secret/metadata/"] == ["list"]
    assert found["secret/data/*"] == ["read"]


@pytest.mark.parametrize(("count", "directories"), [(EXACT_PATHS, False), (EXACT_PATHS + 1, True), (5000, True)])
def test_many_paths_are_granted_by_directory_and_said_so(count: int, directories: bool) -> None:
    wired = WiredPaths(produced=paths(*(f"team-{number % 50}/app-{number}/db" for number in range(count)), "top"))
    policy = render(step(Capability.AUTHORITY_READ), WiredPaths(produced=wired.produced - paths("top")))
    assert bool(policy.notices) == directories
    policy = render(step(Capability.AUTHORITY_READ), wired)
    found = [path for path in rules(policy.text) if path.startswith("secret/data/")]
    assert len(found) <= EXACT_PATHS or not directories
    if count == 5000:
        assert sorted(found) == sorted([*(f"secret/data/team-{number}/*" for number in range(50)), "secret/data/top"])
        assert "5001 paths to be read" in policy.notices[0]


@pytest.mark.parametrize("each", STEPS, ids=lambda each: each.name)
def test_every_step_has_a_policy_of_its_name(each: Step) -> None:
    policy = render(each, WiredPaths(produced=paths("a")))
    assert policy.name == f"lockstep-{each.name}"
    assert "sudo" not in policy.text
    assert 'path "*"' not in policy.text


def test_admins_are_read_by_who_acts_as_one_alone() -> None:
    wired = WiredPaths(produced=paths("a"), rotated=paths("r"), admin=paths("admin"))
    who = {each.name for each in STEPS if "secret/data/admin" in rules(render(each, wired).text)}
    assert who == {"apply", "revoke"}


def test_engines_of_the_authority_are_granted_by_capability() -> None:
    engines = frozenset({(Capability.SYSTEM_APPLY, "database/rotate-role/orders", "update")})
    who = {
        each.name
        for each in STEPS
        if "database/rotate-role/orders" in rules(render(each, WiredPaths(engines=engines)).text)
    }
    assert who == {"apply"}


@pytest.mark.parametrize("name", ["create", "apply", "verify", "promote", "revoke"])
def test_whoever_rotates_is_let_at_no_prefix_that_consumers_search(name: str) -> None:
    found = rules(render(BY_NAME[name], WiredPaths(rotated=paths("a/one"), searched=frozenset({("secret", "b")}))).text)
    assert not [pattern for pattern in found if pattern.startswith("secret/") and "/b/" in pattern]


def test_staged_values_are_written_by_those_who_stage_and_removed_by_those_who_end_them() -> None:
    found = {each.name: rules(render(each, WiredPaths()).text) for each in STEPS}
    assert {name for name, each in found.items() if "create" in each.get("lockstep/data/pending/*", [])} == {
        "create", "apply",
    }  # fmt: skip
    assert {name for name, each in found.items() if each.get("lockstep/metadata/pending/*")} == {
        "create", "apply", "revoke",
    }  # fmt: skip
