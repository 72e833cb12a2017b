"""The webhook beside a broker elsewhere: as a process, against whoever takes CloudEvents over HTTP."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import yaml

from infra.hosts.receiving import main, naming_from
from tests.infra.hosts.test_watch import Sink

ROOT = Path(__file__).parents[3]
TOKEN = "a-reporters-token"
DEADLINE = 60.0


@pytest.fixture
def sink() -> Iterator[Sink]:
    made = Sink()
    yield made
    made.close()


def alert(number: int, **labels: str) -> dict[str, Any]:
    return {
        "status": "firing", "labels": {"alertname": "SecretInLog", **labels}, "fingerprint": f"{number:016x}",
        "startsAt": datetime.now(UTC).isoformat(),
    }  # fmt: skip


def webhook(*alerts: dict[str, Any]) -> bytes:
    return json.dumps({"version": "4", "groupKey": "{}", "alerts": alerts}).encode()


def asked(port: int, target: str, body: bytes | None = None, token: str = TOKEN) -> int:
    request = Request(f"http://127.0.0.1:{port}{target}", data=body, headers={"authorization": f"Bearer {token}"})
    try:
        with urlopen(request, timeout=DEADLINE) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


@contextmanager
def receiving(sink: Sink, tmp_path: Path, **environ: str) -> Iterator[int]:
    reporter = {"name": "prometheus", "tokenSHA256": hashlib.sha256(TOKEN.encode()).hexdigest()}
    settings = tmp_path / "lockstep.yaml"
    settings.write_text(yaml.safe_dump({"reporters": [reporter]}))
    told = {
        **os.environ, "K_SINK": sink.address, "LISTEN_ADDRESS": "127.0.0.1:0", "LOCKSTEP_SETTINGS": str(settings),
        "LOCKSTEP_CLUSTER": "blue", **environ,
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "infra.hosts.receiving"], env=told, cwd=ROOT, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline().rpartition(" ")[2])
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, said
        assert TOKEN not in said
    finally:
        process.kill()
        process.communicate()


def test_alerts_become_reports_at_the_broker(sink: Sink, tmp_path: Path) -> None:
    with receiving(sink, tmp_path, LOCKSTEP_MOUNTS="team/secret, other/x") as port:
        assert asked(port, "/health/readiness") == 200
        assert asked(port, "/alertmanager", webhook(alert(1)), token="wrong") == 401
        assert asked(port, "/alertmanager", b"{") == 400
        assert sink.events == []
        body = webhook(alert(1, lockstep_path="secret/a/b"), alert(2, lockstep_path="team/secret/a/b", note="x"))
        assert asked(port, "/alertmanager", body) == 200
        assert asked(port, "/elsewhere") == 404
    assert {event.type for event in sink.events} == {"dev.lockstep.leak.reported"}
    data = [json.loads(event.data or b"") for event in sink.events]
    assert {one["reporter"] for one in data} == {"reporter:prometheus"}
    assert {(one["path"]["mount"], one["path"]["path"]) for one in data} == {("secret", "a/b"), ("team/secret", "a/b")}
    assert {event.source for event in sink.events} == {"/lockstep/blue/alertmanager"}


def test_where_one_is_not_taken_all_are_told_again_under_the_same_ids(sink: Sink, tmp_path: Path) -> None:
    body = webhook(*(alert(number) for number in range(40)))
    with receiving(sink, tmp_path) as port:
        sink.refuse = 1
        assert asked(port, "/alertmanager", body) == 503
        before = {event.id for event in sink.events}
        assert len(before) == 39
        assert asked(port, "/alertmanager", body) == 200
    assert len({event.id for event in sink.events}) == 40
    assert before < {event.id for event in sink.events}


def test_a_broker_that_is_away_has_alertmanager_come_again(sink: Sink, tmp_path: Path) -> None:
    with receiving(sink, tmp_path, K_SINK="http://127.0.0.1:9/") as port:
        assert asked(port, "/alertmanager", webhook(alert(1))) == 503


def test_settings_that_cannot_be_used(tmp_path: Path) -> None:
    assert main({"LOCKSTEP_SETTINGS": str(tmp_path / "none")}) == 2  # nobody to tell
    (tmp_path / "lockstep.yaml").write_text("reporters: many\n")
    assert main({"LOCKSTEP_SETTINGS": str(tmp_path / "lockstep.yaml"), "K_SINK": "http://127.0.0.1:9/"}) == 2


@pytest.mark.parametrize(
    ("text", "mount"),
    [("secret/a", "secret"), ("team/secret/a", "team/secret"), ("team/other", "team"), ("secret", None), ("/a", None)],
)
def test_paths_are_named_by_the_mounts_that_are_known(text: str, mount: str | None) -> None:
    found = naming_from({"LOCKSTEP_MOUNTS": "team/secret,team/secret/deeper"}).path_named(text)
    assert (found.mount if found else None) == mount
