from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.hosts.cli.failures import Exit
from tests.infra.deploy.manifests import kit
from tests.infra.hosts.cli.commands import lockstep
from tests.instance import external_secret, push_secret, store

IMAGE = f"registry.example.com/lockstep@sha256:{'a' * 64}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    kit.written(tmp_path / "root" / "wiring", kit.teams("cli"))
    (tmp_path / "root" / "lockstep.yaml").write_text(
        "apiVersion: lockstep.dev/v1alpha1\nkind: Configuration\ncluster: blue\nauthority: {claimsMount: our-claims}\n"
    )
    return tmp_path / "root"


def printed(*arguments: str) -> list[Any]:
    result = lockstep("manifests", *arguments)
    assert result.exit_code == 0, result.output
    return list(yaml.safe_load_all(result.stdout))


def test_standard_output_is_what_kubectl_takes(root: Path) -> None:
    documents = printed("--root", str(root), "--image", IMAGE)
    assert all(one["apiVersion"] and one["kind"] and one["metadata"]["name"] for one in documents)
    steps = [one for one in documents if one["apiVersion"] == "serving.knative.dev/v1"]
    assert {one["spec"]["template"]["spec"]["containers"][0]["image"] for one in steps} == {IMAGE}
    assert not {"ServiceMonitor", "Kustomization", "ApiServerSource"} & {one["kind"] for one in documents}


def test_a_folder_holds_all_of_it_and_names_what_to_apply(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = lockstep("manifests", "--target", "kubernetes", "-o", str(out), root=root)
    assert result.exit_code == 0, result.output
    listed = yaml.safe_load((out / "kustomization.yaml").read_text())["resources"]
    assert listed == sorted(path.name for path in out.glob("*.yaml") if path.name != "kustomization.yaml")
    assert (out / "authority" / "apply-order.json").exists()
    assert "our-claims/data/claims/" in (out / "authority/policies/lockstep-publish.hcl").read_text()
    settings = yaml.safe_load((out / "30-settings.yaml").read_text())
    assert "cluster: blue" in settings["data"]["lockstep.yaml"]


def test_the_access_policy_comes_along_once_it_is_one(root: Path) -> None:
    (root / "access.yaml").write_text(
        "apiVersion: lockstep.dev/v1alpha1\nkind: AccessPolicy\nspec: {namespaces: {cli-two: {read: ['secret/**']}}}\n"
    )
    maps = {one["metadata"]["name"] for one in printed("--root", str(root)) if one["kind"] == "ConfigMap"}
    assert maps == {"lockstep-settings", "access.yaml"}
    (root / "access.yaml").write_text("apiVersion: v1\n")
    result = lockstep("manifests", "--root", str(root))
    assert result.exit_code == Exit.USAGE
    assert "access.yaml:1" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "either --root ROOT or --wiring DIR"),
        (("--wiring", ".", "--image", "lockstep:latest"), "has no digest"),
        (("--wiring", ".", "--authority", "http://openbao"), "is not https"),
        (("--wiring", "nowhere-at-all"), "does not exist"),
        (("--wiring", ".", "--broker", "Carrier"), "is not one of"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: tuple[str, ...], says: str) -> None:
    result = lockstep("manifests", *arguments)
    assert result.exit_code == Exit.USAGE
    assert says in result.stderr


def test_a_wiring_that_cannot_be_read_as_a_whole_is_refused(tmp_path: Path) -> None:
    """Permissions for a part of it would take away those of the rest."""
    kit.written(tmp_path, kit.teams("cli"))
    (tmp_path / "broken.yaml").write_text("kind: [")
    result = lockstep("manifests", "--wiring", str(tmp_path))
    assert result.exit_code == Exit.REFUSED
    assert "broken.yaml" in result.stderr
    assert not result.stdout


def test_a_hostile_manifest_gets_no_permission_and_is_named(tmp_path: Path) -> None:
    """It asks for the claims: the store names the mount that they are in."""
    hostile = push_secret("hostile", "evil/source", "claims/x")
    hostile["spec"]["secretStoreRefs"][0]["name"] = "claims"
    folder = kit.written(tmp_path / "wiring", [*kit.teams("cli"), store("claims", "lockstep"), hostile])
    out = tmp_path / "out"
    result = lockstep("manifests", "--wiring", str(folder), "-o", str(out))
    assert result.exit_code == 0, result.output
    assert "PushSecret evil/hostile may not act and gets no permission" in result.stderr
    assert "evil" not in (out / "11-permissions.yaml").read_text()
    for policy in (out / "authority" / "policies").iterdir():
        assert "claims/x" not in policy.read_text()


def test_a_source_by_label_is_remarked(tmp_path: Path) -> None:
    push = push_secret("p", "team/s", "team/a")
    push["spec"]["selector"] = {"secret": {"selector": {"matchLabels": {"app": "x"}}}}
    result = lockstep("manifests", "--wiring", str(kit.written(tmp_path, [store(), push])))
    assert result.exit_code == 0
    assert "remark: team: a PushSecret selects its source by label" in result.stderr


def test_what_was_wired_before_may_still_be_retracted(tmp_path: Path) -> None:
    before = [store(), push_secret("p", "team/s", "team/a"), external_secret("app/gone", "team/a")]
    now = [store(), push_secret("q", "team/s", "team/b"), external_secret("app/kept", "team/b")]
    out = tmp_path / "out"
    folders = {"--wiring": kit.written(tmp_path / "now", now), "--former": kit.written(tmp_path / "before", before)}
    arguments = [text for option, folder in folders.items() for text in (option, str(folder))]
    assert lockstep("manifests", *arguments, "-o", str(out)).exit_code == 0
    retract = (out / "authority/policies/lockstep-retract.hcl").read_text()
    assert 'path "secret/delete/team/a"' in retract
    roles = list(yaml.safe_load_all((out / "11-permissions.yaml").read_text()))
    (role,) = [
        one
        for one in roles
        if (one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"])
        == ("Role", "app", "lockstep-retract")
    ]
    assert {"gone", "kept"} == {name for rule in role["rules"] for name in rule["resourceNames"]}


@pytest.mark.parametrize("target", ["knative", "kubernetes"])
def test_the_audit_socket_of_the_configuration_is_reached_by_the_authoritys_pods(root: Path, target: str) -> None:
    with (root / "lockstep.yaml").open("a") as settings:
        settings.write('audit: {socket: "0.0.0.0:9700"}\n')
    documents = printed("--target", target, "--root", str(root), "--audit-pods", "app=bao")
    found = [one for one in documents if one["metadata"]["name"] == "audit"]
    assert [one["kind"] for one in found] == ["Service", "NetworkPolicy"]
    (source,) = found[1]["spec"]["ingress"][0]["from"]
    assert source["podSelector"] == {"matchLabels": {"app": "bao"}}
    assert lockstep("manifests", "--root", str(root), "--audit-pods", "bao").exit_code == Exit.USAGE


@pytest.mark.parametrize("socket", ["unix:/run/lockstep/audit.sock", "127.0.0.1:9700", "localhost:9700", "[::1]:9700"])
def test_an_audit_socket_of_one_machine_opens_nothing(root: Path, socket: str) -> None:
    with (root / "lockstep.yaml").open("a") as settings:
        settings.write(f'audit: {{socket: "{socket}"}}\n')
    assert "audit" not in {one["metadata"]["name"] for one in printed("--root", str(root))}


def test_a_folder_that_is_named_beats_the_root_of_the_environment(root: Path, tmp_path: Path) -> None:
    folder = kit.written(tmp_path / "other", kit.teams("other"))
    for environment in (root, tmp_path / "nowhere"):
        result = lockstep("manifests", "--wiring", str(folder), root=environment)
        assert result.exit_code == 0, result.output
        assert "cluster: blue" not in result.stdout
    both = lockstep("manifests", "--wiring", str(folder), "--root", str(root))
    assert (both.exit_code, "either --root" in both.stderr) == (Exit.USAGE, True)
    nowhere = lockstep("manifests", root=tmp_path / "nowhere")
    assert (nowhere.exit_code, "there is no directory" in nowhere.stderr) == (Exit.USAGE, True)
