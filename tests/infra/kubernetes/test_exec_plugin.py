"""Credentials from a command: kept until they expire, renewed when refused, never shown."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from functions._failures import Unavailable
from infra.kubernetes.exec_plugin import VERSIONS, ExecCommand, ExecPlugin

CANARY = "canary-91be"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time


def script(path: Path, body: str) -> ExecCommand:
    """A command that counts its runs in `<path>.runs`."""
    path.write_text(f"#!/bin/sh\necho run >> {path}.runs\n{body}\n")
    path.chmod(0o755)
    return ExecCommand((str(path),), {"PATH": "/usr/bin:/bin"})


def runs(command: ExecCommand) -> int:
    return len(Path(f"{command.name}.runs").read_text().splitlines())


def credential(status: dict[str, Any], version: str = VERSIONS[0]) -> str:
    return json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": status})


def printing(text: str) -> str:
    return f"cat <<'END'\n{text}\nEND"


def test_a_token_is_kept_until_it_expires(tmp_path: Path) -> None:
    expires = (NOW + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    command = script(tmp_path / "login", printing(credential({"token": CANARY, "expirationTimestamp": expires})))
    clock = Clock()
    plugin = ExecPlugin(command, clock)
    token = plugin.token()
    assert token is not None
    assert token.reveal() == CANARY.encode()
    assert plugin.token() == token
    assert plugin.certificate() is None
    assert runs(command) == 1
    clock.time += timedelta(hours=1)
    plugin.token()
    assert runs(command) == 2
    assert CANARY not in repr(plugin)


def test_a_refused_token_is_fetched_anew_once_for_all_who_hold_it(tmp_path: Path) -> None:
    document = credential({"token": "token-N"}).replace("N", "'\"$n\"'")
    command = script(tmp_path / "login", f"n=$(wc -l < \"$0.runs\")\necho '{document}'")
    plugin = ExecPlugin(command)
    first = plugin.token()
    assert plugin.renew(first)
    assert plugin.renew(first)  # another thread, refused with the same token: it is renewed already
    assert runs(command) == 2
    assert plugin.token() != first


def test_a_certificate_may_come_from_it_too(tmp_path: Path) -> None:
    status = {"clientCertificateData": "chain", "clientKeyData": CANARY}
    plugin = ExecPlugin(script(tmp_path / "login", printing(credential(status))))
    certificate = plugin.certificate()
    assert certificate is not None
    assert (certificate.chain, certificate.key.reveal(), plugin.token()) == (b"chain", CANARY.encode(), None)
    assert plugin.certificate() is certificate


@pytest.mark.parametrize(
    "body",
    [
        f"echo {CANARY} >&2; echo {CANARY}; exit 3",
        printing(CANARY),
        printing(f'["{CANARY}"]'),
        printing(credential({"expirationTimestamp": CANARY, "token": CANARY})),
        printing(credential({"expirationTimestamp": "2026-01-01T00:00:00", "token": CANARY})),
        printing(credential({"token": CANARY}, "client.authentication.k8s.io/v1beta1")),
        printing(credential({"clientCertificateData": CANARY})),
        printing(credential({"token": [CANARY]})),
        printing('{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1"}'),
    ],
)
def test_what_goes_wrong_is_told_without_what_it_printed(tmp_path: Path, body: str) -> None:
    plugin = ExecPlugin(script(tmp_path / "login", body))
    with pytest.raises(Unavailable, match=r"exec plugin .*login.*run it by hand") as failed:
        plugin.token()
    assert CANARY not in str(failed.value)


def test_a_missing_command_tells_its_install_hint(tmp_path: Path) -> None:
    command = ExecCommand((str(tmp_path / "absent"),), {}, install_hint="get it\nfrom  there")
    with pytest.raises(Unavailable, match="is not installed: get it from there"):
        ExecPlugin(command).token()


def test_a_command_that_may_not_be_run_says_so(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    with pytest.raises(Unavailable, match="cannot be run"):
        ExecPlugin(ExecCommand((str(tmp_path / "text"),), {})).token()
