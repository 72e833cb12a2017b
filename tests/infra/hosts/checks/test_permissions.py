from events.references import PathRef
from functions import STEPS
from infra.deploy.vault_policies import Mounts, WiredPaths, grants
from infra.hosts.checks.permissions import PROBE, expected_at, forbidden, probe

WIRED = WiredPaths(produced=frozenset({PathRef(mount="secret", path="a/b")}))


def test_a_pattern_is_asked_below_and_a_path_as_it_is() -> None:
    assert probe("lockstep/data/claims/*") == f"lockstep/data/claims/{PROBE}"
    assert probe("secret/metadata/") == "secret/metadata/"


def test_the_exact_rule_wins_then_the_longest_pattern() -> None:
    allowed = {"a/*": frozenset({"list"}), "a/b/*": frozenset({"read"}), "a/b/c": frozenset({"update"})}
    assert expected_at("a/b/c", allowed) == {"update"}
    assert expected_at("a/b/d", allowed) == {"read"}
    assert expected_at("a/x", allowed) == {"list"}
    assert expected_at("b", allowed) == frozenset()


def test_no_step_is_granted_administration_or_what_is_not_wired() -> None:
    own = {"lockstep/data/anchors/local_ledger", f"lockstep/data/claims/{PROBE}", f"lockstep/data/tombstones/{PROBE}"}
    for step in STEPS:
        allowed = grants(step, WIRED)
        granted = {path for path in forbidden(Mounts(), {"secret"}) if expected_at(path, allowed)}
        assert granted <= own, step.name
