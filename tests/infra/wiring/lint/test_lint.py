"""Every rule has a wiring that breaks it and one that does not."""

from pathlib import Path

import pytest

from infra.wiring.lint import fails, lint, lint_contents
from infra.wiring.rules import RULES
from tests.infra.wiring.lint.cases import CASES, GOOD
from tests.infra.wiring.samples import STORE, external, push, rotation_target, secret, together, workload

FILES_RULE = "LS004"  # is about files, not texts
# What the wiring does not know: types of targets, the access policy (tests/infra/hosts/test_target_facts.py).
BESIDE = {"LS104", "LS105", "LS106", "LS108", "LS110"}


def _ids(text: str) -> set[str]:
    return {finding.rule.id for finding in lint_contents({"wiring/a.yaml": text.encode()})}


def test_every_rule_has_its_case() -> None:
    assert {rule.id for rule in RULES} == set(CASES) | {FILES_RULE} | BESIDE


def test_rules_have_ids_and_names_of_their_own() -> None:
    assert len({rule.id for rule in RULES}) == len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", sorted(CASES))
def test_a_rule_finds_what_breaks_it(rule: str) -> None:
    assert rule in _ids(CASES[rule][0])


@pytest.mark.parametrize("rule", sorted(CASES))
def test_a_rule_leaves_alone_what_keeps_it(rule: str) -> None:
    assert rule not in _ids(CASES[rule][1])


def test_the_steps_that_rotate_read_what_a_target_names_as_its_admin() -> None:
    admin = push("admin", path="platform-data/postgres/admin")
    assert "LS035" in _ids(together(GOOD, admin))
    assert "LS035" not in _ids(together(GOOD, admin, rotation_target()))


def test_a_correct_wiring_has_no_findings() -> None:
    assert lint_contents({"a.yaml": GOOD.encode()}) == []


def test_a_finding_names_file_line_and_what_to_do() -> None:
    text = together(STORE, push(path="platform-data/postgres/Temporal"), external())
    found = [each for each in lint_contents({"wiring/a.yaml": text.encode()}) if each.rule.id == "LS052"]
    line = next(n for n, each in enumerate(text.splitlines(), 1) if "remoteKey" in each)
    assert {(each.file, each.line) for each in found} == {("wiring/a.yaml", line)}
    assert found[0].mend
    assert "PushSecret platform-data/temporal" in found[0].message


def test_no_finding_shows_a_value() -> None:
    text = together(
        secret("a", "b", "{password: Y2FuYXJ5LXZhbHVl}"),
        secret("a", "c", "{password: Y2FuYXJ5LXZhbHVl}"),
        workload(env="[{name: VAULT_TOKEN, value: canary-value}]"),
    )
    findings = lint_contents({"a.yaml": text.encode()})
    assert fails(findings)
    assert not any("canary" in str(each) or "Y2FuYXJ5" in str(each) for each in findings)


def test_a_sealed_source_is_taken_for_made_by_people() -> None:
    sealed = secret("temporal.credentials", "platform-data", "{}").replace("v1", "bitnami.com/v1alpha1")
    sealed = sealed.replace("kind: Secret", "kind: SealedSecret")
    assert "LS072" in _ids(together(GOOD, sealed))


def test_a_source_from_a_cloud_store_is_taken_for_external() -> None:
    aws = STORE.replace("vault-backend", "aws").replace("vault: {path: secret, version: v2}", "aws: {}")
    cloud = external(
        "cloud", "platform-data", store="{name: aws, kind: ClusterSecretStore}", target="{name: temporal.credentials}"
    )
    assert "LS071" in _ids(together(GOOD, aws, cloud))


@pytest.mark.parametrize(
    ("case", "rule"),
    [
        (workload(volumes="[{name: v, csi: {driver: secrets-store.csi.k8s.io}}]"), "LS086"),
        (workload(env="[{name: PASSWORD, value: 'vault:secret/data/x#y'}]"), "LS084"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {BAO_ADDR: 'http://bao:8200'}\n", "LS085"),
        (push().replace("kind: PushSecret", "kind: ClusterPushSecret"), "LS088"),
        (STORE.replace("ClusterSecretStore", "SecretStore"), "LS010"),
        ("apiVersion: generators.external-secrets.io/v1alpha1\nkind: Password\nmetadata: {name: p}\n", "LS022"),
        (
            push(data="[{match: {secretKey: '*', remoteRef: {remoteKey: platform-data/a/b, property: password}}}]"),
            "LS021",
        ),
        (push(source="{selector: {}}"), "LS021"),
        (
            "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: x}\n"
            "spec: {rules: [{generate: {kind: Secret, clone: {name: a}}}]}\n",
            "LS081",
        ),
        ("apiVersion: secretgen.carvel.dev/v1alpha1\nkind: SecretExport\nmetadata: {name: x}\n", "LS081"),
        (
            external(target="{template: {metadata: {annotations: {replicator.v1.mittwald.de/replicate-to: x}}}}"),
            "LS063",
        ),
    ],
)
def test_other_ways_to_break_a_rule(case: str, rule: str) -> None:
    assert rule in _ids(case)


def test_files_and_folders_are_read_and_foreign_links_refused(tmp_path: Path) -> None:
    folder = tmp_path / "wiring"
    folder.mkdir()
    (folder / "good.yaml").write_text(GOOD)
    (tmp_path / "secret.yaml").write_text("a: 1")
    (folder / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    findings = lint([folder])
    assert [(each.rule.id, each.file) for each in findings] == [("LS004", str(folder / "link.yaml"))]
    assert lint([folder / "good.yaml"]) == []


def test_a_path_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    assert [each.rule.id for each in lint([tmp_path / "none.yaml"])] == ["LS004"]


def test_notices_fail_no_check() -> None:
    findings = lint_contents({"a.yaml": CASES["LS028"][0].encode()})
    assert {each.severity for each in findings} == {"notice"}
    assert not fails(findings)


def _across(*documents: str) -> dict[str, set[tuple[int, str]]]:
    """Rules and lines found in a.yaml, b.yaml, ... that hold one document each, and their messages' other place."""
    contents = {f"{chr(ord('a') + n)}.yaml": text.encode() for n, text in enumerate(documents)}
    found: dict[str, set[tuple[int, str]]] = {}
    for each in lint_contents(contents):
        if each.rule.id in ("LS027", "LS031"):
            other = each.message.rpartition("(")[2].rstrip(")")
            found.setdefault(f"{each.rule.id} {each.file}", set()).add((each.line, other))
    return found


@pytest.mark.parametrize("policy", ["Owner", "Orphan", "Merge", "CreateOrMerge"])
def test_two_external_secrets_of_one_secret_in_two_files_name_each_other(policy: str) -> None:
    second = external("second", target=f"{{name: postgres-temporal, creationPolicy: {policy}}}")
    assert _across(STORE, push(), external(), second) == {
        "LS031 c.yaml": {(1, "d.yaml:1")},
        "LS031 d.yaml": {(1, "c.yaml:1")},
    }
    apart = external("second", target=f"{{name: another, creationPolicy: {policy}}}")
    assert _across(STORE, push(), external(), apart) == {}


@pytest.mark.parametrize("store", [STORE, "kind: ConfigMap\napiVersion: v1\nmetadata: {name: x, namespace: y}\n"])
def test_two_push_secrets_of_one_path_in_two_files_name_each_other_with_or_without_the_store(store: str) -> None:
    assert _across(store, push(), push("rival", "elsewhere")) == {
        "LS027 b.yaml": {(1, "c.yaml:1")},
        "LS027 c.yaml": {(1, "b.yaml:1")},
    }
    apart = push("rival", "elsewhere", path="platform-data/postgres/backstage")
    assert _across(store, push(), apart) == {}
    elsewhere = push("rival", stores="[{name: another-store, kind: ClusterSecretStore}]")
    assert _across(store, push(), elsewhere) == {}
