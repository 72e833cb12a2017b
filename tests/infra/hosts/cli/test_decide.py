import json
from pathlib import Path

import pytest
import yaml

from infra.hosts.cli.failures import Exit
from tests.infra.hosts.cli.commands import lockstep

ASKED = (
    "decide", "--from", "platform-data", "--to", "temporal", "--datasource", "postgres",
    "--source-secret", "temporal.pg", "--key", "username", "--key", "PGPASSWORD=password",
)  # fmt: skip


def test_yes_with_manifests() -> None:
    result = lockstep(*ASKED)
    assert result.exit_code == 0
    assert result.stdout.startswith("yes: ")
    assert "5a.4.2" in result.stdout
    assert "kind: PushSecret" in result.stdout


def test_only_the_manifests_can_be_piped_to_a_file_that_lints(tmp_path: Path) -> None:
    result = lockstep(*ASKED, "-o", "yaml")
    assert [body["kind"] for body in yaml.safe_load_all(result.stdout)] == [
        "PushSecret", "ExternalSecret", "ClusterSecretStore",
    ]  # fmt: skip
    assert result.stderr.startswith("yes: ")
    (tmp_path / "wiring.yaml").write_text(result.stdout)
    assert lockstep("lint", str(tmp_path), "--strict").exit_code == 0


@pytest.mark.parametrize(
    ("flags", "alternative"),
    [
        (("--origin", "human"), "Encrypted Git"),
        (("--origin", "external"), "5.3"),
        (("--phase", "bootstrap"), "5.2"),
    ],
)
def test_no_with_the_alternative(flags: tuple[str, ...], alternative: str) -> None:
    result = lockstep(*ASKED, *flags)
    assert result.exit_code == Exit.FINDINGS
    assert result.stdout.startswith("no: ")
    assert alternative in result.stdout
    piped = lockstep(*ASKED, *flags, "-o", "yaml")
    assert (piped.exit_code, piped.stdout) == (Exit.FINDINGS, "")


def test_optional_passes() -> None:
    static = lockstep(
        "decide", "--from", "platform-data", "--to", "apps", "--kind", "configuration", "--static", "-o", "json"
    )
    assert (static.exit_code, json.loads(static.stdout)["use"]) == (0, "optional")


def test_missing_flags_are_named() -> None:
    asked = ("decide", "--from", "platform-data", "--to", "temporal")
    assert "--source-secret" in lockstep(*asked).stdout
    assert json.loads(lockstep(*asked, "-o", "json").stdout)["missing"] == ["--datasource", "--source-secret", "--key"]
    assert lockstep(*asked, "-o", "yaml").exit_code == Exit.USAGE


def test_names_that_break_the_conventions() -> None:
    result = lockstep("decide", "--from", "platform-data", "--to", "Not A Namespace")
    assert result.exit_code == Exit.USAGE
    assert "namespace" in result.stderr
