"""Leaks end to end: webhooks and commands in, findings and refusals out, at a real OpenBao; and no value anywhere."""

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.hosts.cli.failures import CommandError
from tests.e2e.conftest import QUICK
from tests.instance import Installation, Running, external_secret, push_secret, store
from tests.unix_http import Response

TOKEN, PASSWORD = "reporters-own-token", "reporters-own-password"
PATH = "platform-data/redis/orders"
FULL = f"secret/{PATH}"
OLD, NEW = b"canary-Zq81-first-value", b"canary-Zq81-second-value"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def leaking(embedded: Installation) -> Iterator[Running]:
    reporters = [
        {"name": "prometheus", "tokenSHA256": digest(TOKEN), "may": "rotate"},
        {"name": "scanner", "username": "scan", "passwordSHA256": digest(PASSWORD)},
    ]
    quick = {**QUICK, "rotation": {"intervalSeconds": 0.5}}
    embedded.configure(**quick, reporters=reporters)
    embedded.wire(
        "orders",
        store(),
        push_secret("cache", "cache/credentials", PATH),
        external_secret("orders/cache", PATH),
    )
    with embedded.running() as up:
        up.at.put("cache", "credentials", {"password": OLD})
        up.wait_for(lambda: up.at.values("orders", "cache") == {"password": OLD}, "the first value")
        yield up


def alert(number: int = 0, status: str = "firing", **labels: str) -> dict[str, Any]:
    return {
        "status": status, "labels": {"alertname": "SecretInLog", **labels}, "annotations": {},
        "startsAt": datetime.now(UTC).isoformat(), "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "",
        "fingerprint": f"{number:016x}",
    }  # fmt: skip


def webhook(*alerts: Mapping[str, Any]) -> bytes:
    return json.dumps({"version": "4", "groupKey": "{}", "status": "firing", "alerts": alerts}).encode()


def post(up: Running, body: bytes, authorization: str = f"Bearer {TOKEN}", method: str = "POST") -> Response:
    headers = {"authorization": authorization} if authorization else {}
    return up.request(method, "/alertmanager", body=body, headers=headers)


def lockstep(up: Running, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    program = str(Path(sys.executable).with_name("lockstep"))
    command = [program, *arguments, "--root", str(up.root)]
    return subprocess.run(command, input=given, capture_output=True, check=False, timeout=120)


def listed(up: Running) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = up.control.ask("leaks")["leaks"]
    return found


def fingerprint(up: Running, value: bytes) -> str:
    done = lockstep(up, "fingerprint", given=value + b"\n")
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


# --- the webhook ------------------------------------------------------------------------------------------------------


def test_an_alert_becomes_a_confirmed_leak(leaking: Running) -> None:
    assert post(leaking, webhook(alert(lockstep_path=FULL, lockstep_key="password"))).status == 200
    leaking.wait_for(lambda: [one["state"] for one in listed(leaking)] == ["confirmed"], "a confirmed leak")
    (one,) = listed(leaking)
    shown = leaking.control.ask("leaks/show", leak=one["id"][:8])
    assert shown["reporters"] == ["reporter:prometheus"]
    assert shown["exposures"] == [{"path": FULL, "key": "password", "version": 1, "standing": "owner"}]
    assert shown["consumers"] == ["orders/cache"]


def test_who_may_report(leaking: Running) -> None:
    body = webhook(alert(lockstep_path=FULL))
    basic = base64.b64encode(f"scan:{PASSWORD}".encode()).decode()
    wrong = base64.b64encode(b"scan:wrong").decode()
    answers = {
        "": 401, "Bearer wrong": 401, f"Basic {wrong}": 401, "Basic !!!": 401, f"Bearer {PASSWORD}": 401,
        f"Basic {basic}": 200, f"Bearer {TOKEN}": 200,
    }  # fmt: skip
    for authorization, status in answers.items():
        answer = post(leaking, body, authorization)
        assert answer.status == status, authorization
        assert TOKEN not in answer.text
    both = {"reporter:prometheus", "reporter:scanner"}
    leaking.wait_for(lambda: [set(one["reporters"]) for one in listed(leaking)] == [both], "one finding of both")


def test_every_report_is_answered_alike(leaking: Running) -> None:
    """Whether it names a secret of ours, or anything at all, cannot be told from the answer."""
    known = post(leaking, webhook(alert(1, lockstep_path=FULL)))
    unknown = post(leaking, webhook(alert(2, lockstep_path="secret/nowhere")))
    value = post(leaking, webhook(alert(3, lockstep_fingerprint=f"v1.{'ab' * 32}")))
    nothing = post(leaking, webhook(alert(4)))
    assert len({(one.status, one.text, tuple(sorted(one.headers))) for one in (known, unknown, value, nothing)}) == 1


@pytest.mark.parametrize(
    ("body", "method", "status"),
    [
        (b"{", "POST", 400), (webhook(alert())[:-9], "POST", 400), (b"", "GET", 405),
        (b" " * (25 * 1024 * 1024), "POST", 413), (b"[]", "POST", 400), (webhook({"status": "firing"}), "POST", 400),
    ],
    ids=["truncated", "cut", "get", "huge", "array", "incomplete"],
)  # fmt: skip
def test_what_is_no_webhook_is_refused_for_good(leaking: Running, body: bytes, method: str, status: int) -> None:
    assert post(leaking, body, method=method).status == status
    assert listed(leaking) == []


def test_one_bad_alert_and_none_is_stored(leaking: Running) -> None:
    before = leaking.at.newest()
    bad = {**alert(2), "startsAt": "yesterday"}
    assert post(leaking, webhook(alert(1, lockstep_path=FULL), bad)).status == 400
    leaking.wait_idle()
    assert leaking.at.events("dev.lockstep.leak.reported") == 0
    assert leaking.at.newest() >= before


def test_a_replayed_webhook_changes_nothing(leaking: Running) -> None:
    body = webhook(alert(lockstep_path=FULL))
    for _ in range(3):
        assert post(leaking, body).status == 200
    leaking.wait_idle()
    (one,) = listed(leaking)
    assert [each["what"] for each in leaking.control.ask("leaks/show", leak=one["id"])["timeline"]] == [
        "reported", "confirmed",
    ]  # fmt: skip


@pytest.mark.slow
def test_ten_thousand_alerts_are_all_stored(leaking: Running) -> None:
    many = [alert(number, lockstep_path=f"secret/nowhere/n{number}") for number in range(10_000)]
    assert post(leaking, webhook(*many)).status == 200
    assert leaking.at.events("dev.lockstep.leak.reported") == 10_000
    answer = post(leaking, webhook(*(alert(20_000 + number) for number in range(15_000))))
    assert answer.status == 503  # it comes again: Alertmanager gives up on everything else
    assert answer.headers["retry-after"]
    assert leaking.at.events("dev.lockstep.leak.reported") == 10_000


def test_nobody_reports_in_anothers_name(leaking: Running) -> None:
    data = {
        "leak": "0" * 32, "reporter": "reporter:prometheus", "noticed": "2026-01-01T00:00:00Z",
        "expires": "2999-01-01T00:00:00Z", "reason": "x",
    }  # fmt: skip
    answer = leaking.operate("dev.lockstep.leak.reported", data, subject=f"leaks/{'0' * 32}")
    assert answer.status == 403, answer.text
    assert leaking.send("dev.lockstep.leak.reported", data, subject=f"leaks/{'0' * 32}").status == 401


# --- values: fingerprints, searches, scanners -------------------------------------------------------------------------


def test_a_value_is_known_by_its_fingerprint_and_never_published_again(leaking: Running) -> None:
    leaking.at.put("cache", "credentials", {"password": NEW})
    leaking.wait_for(lambda: leaking.version(FULL) == 2, "the second value")
    made = fingerprint(leaking, OLD)
    assert post(leaking, webhook(alert(lockstep_fingerprint=made))).status == 200
    leaking.wait_for(lambda: [one["state"] for one in listed(leaking)] == ["confirmed"], "a confirmed leak")
    (one,) = listed(leaking)
    assert leaking.control.ask("leaks/show", leak=one["id"])["match"] == "fingerprint"
    done = lockstep(leaking, "leak", "attest", one["id"][:10], "--reason", "redis was told")
    assert done.returncode == 0, done.stderr
    leaking.wait_for(lambda: [each["state"] for each in listed(leaking)] == ["contained"], "its containment")
    leaking.at.put("cache", "credentials", {"password": OLD})  # somebody restores an old copy
    leaking.wait_for(lambda: leaking.at.events("dev.lockstep.secret.conflicted", PATH) > 0, "a refusal")
    leaking.wait_idle()
    assert leaking.at.values("orders", "cache") == {"password": NEW}
    assert leaking.version(FULL) == 2


def test_a_search_finds_files_and_history(leaking: Running, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "settings.env").write_bytes(b"HOST=x\nREDIS_URL=redis://app:" + OLD + b"@cache:6379/0\n")
    (work / "encoded.yaml").write_bytes(b"data:\n  password: " + base64.b64encode(OLD) + b"\n")
    (work / "binary").write_bytes(b"\x00\x01" + OLD + b"\x00")
    (work / "harmless").write_bytes(b"nothing to see here, move along, 1234567890\n")
    before = sorted((path, path.stat().st_mtime_ns) for path in work.rglob("*"))
    done = lockstep(leaking, "scan", str(work), "-o", "json")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)["found"]
    assert {Path(one["place"]).name for one in found} == {"settings.env:2", "encoded.yaml:2", "binary:1"}
    assert {(one["path"], one["key"], one["version"], one["current"]) for one in found} == {(FULL, "password", 1, True)}
    assert OLD not in done.stdout + done.stderr
    assert sorted((path, path.stat().st_mtime_ns) for path in work.rglob("*")) == before

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "init.defaultBranch=main"]
        subprocess.run(["git", *identity, "-C", str(work), *arguments], check=True, capture_output=True)

    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    for name in ("settings.env", "encoded.yaml", "binary"):
        (work / name).unlink()
    git("add", ".")
    git("commit", "-m", "remove the secrets")
    assert lockstep(leaking, "scan", str(work)).returncode == 0
    done = lockstep(leaking, "scan", "--git", str(work), "--report", "-o", "json")
    assert done.returncode == 1, done.stderr
    assert done.stdout, done.stderr.decode()
    assert len(json.loads(done.stdout)["found"]) == 3
    assert OLD not in done.stdout + done.stderr
    # Names of files are whoever's who made them: they neither speak to a terminal, nor keep a finding from being told.
    odd = tmp_path / "odd"
    odd.mkdir()
    (odd / os.fsdecode(b"first\x1b[2J\xff\n.env")).write_bytes(OLD)
    (odd / "link\x1b]0;hello\x07").symlink_to("/nowhere")
    done = lockstep(leaking, "scan", str(odd), "--report")
    assert done.returncode == 1, done.stderr
    assert b"reported: " in done.stderr
    assert b"\x1b" not in done.stdout + done.stderr


def test_a_search_finds_what_changed_a_moment_ago(leaking: Running, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"password=" + NEW + b"\n")
    (tmp_path / "clean").write_bytes(b"password=another-one-of-nobody\n")
    long_ago = "2026-01-01T00:00:00+00:00"
    before = leaking.control.ask("fingerprint/index", since=long_ago, order=0, count=True)
    assert (before["done"], before["underWay"], before["known"], before["behind"]) == (False, False, 0, [FULL])
    assert lockstep(leaking, "scan", str(tmp_path / "log")).returncode == 0  # the index is made for it
    after = leaking.control.ask("fingerprint/index", since=long_ago, order=0, count=True)
    assert (after["done"], after["known"], after["behind"]) == (True, 1, [])
    with pytest.raises(CommandError, match="`since`"):
        leaking.control.ask("fingerprint/index", since="yesterday", order=0)
    leaking.at.put("cache", "credentials", {"password": NEW})
    leaking.wait_for(lambda: leaking.version(FULL) == 2, "the second value")
    done = lockstep(leaking, "scan", str(tmp_path / "log"), "-o", "json")
    assert done.returncode == 1, done.stderr
    assert [(one["path"], one["version"]) for one in json.loads(done.stdout)["found"]] == [(FULL, 2)]
    clean = lockstep(leaking, "scan", str(tmp_path / "clean"))
    assert clean.returncode == 0, clean.stderr
    assert b"2 known values, 0 found" in clean.stderr
    assert leaking.at.dead_letters() == []
    assert listed(leaking) == []


def test_a_search_that_knows_nothing_finds_nothing_and_says_so(embedded: Installation, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"password=" + NEW + b"\n")
    embedded.configure(**QUICK)
    with embedded.running() as up:
        done = lockstep(up, "scan", str(tmp_path / "log"))
        assert done.returncode == 5, done.stderr
        assert b"no value is known here" in done.stderr


def test_scanners_findings_are_fingerprinted_before_they_are_told(leaking: Running, tmp_path: Path) -> None:
    gitleaks = [
        {"RuleID": "generic-api-key", "File": "a.py", "StartLine": 3, "Commit": "c" * 40, "Secret": OLD.decode()},
        {"RuleID": "x\x1b[2J", "File": "b\n", "StartLine": 1, "Secret": "unknown-value-of-nobody-42"},
        {"RuleID": "short", "File": "c", "Secret": "abc"},
    ]
    (tmp_path / "gitleaks.json").write_text(json.dumps(gitleaks))
    hog = {"DetectorName": "Redis", "Raw": OLD.decode(), "SourceMetadata": {"Data": {"Git": {"file": "x", "line": 2}}}}
    (tmp_path / "hog.json").write_text(json.dumps(hog) + "\n")
    done = lockstep(leaking, "leak", "report", "--gitleaks", str(tmp_path / "gitleaks.json"), "-o", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (len(told["leaks"]), told["skipped"]) == (2, 1)
    again = lockstep(leaking, "leak", "report", "--trufflehog", str(tmp_path / "hog.json"), "-o", "json")
    assert set(json.loads(again.stdout)["leaks"]) < set(told["leaks"])  # one value is one finding

    def settled() -> bool:
        return {one["state"] for one in listed(leaking)} == {"confirmed", "dismissed"}

    leaking.wait_for(settled, "what became of them")
    assert lockstep(leaking, "leak", "list").returncode == 0
    shown = lockstep(leaking, "leak", "show", told["leaks"][0])
    assert b"secret: " in shown.stdout
    assert b"timeline:" in shown.stdout


def test_a_slip_of_the_operators_hand_is_no_report(leaking: Running) -> None:
    typo = f"{FULL[:-2]}sr"
    done = lockstep(leaking, "leak", "report", "--path", typo, "--place", "t")
    assert done.returncode == 4, done.stderr
    assert FULL in done.stderr.decode()
    assert leaking.at.events("dev.lockstep.leak.reported") == 0
    done = lockstep(leaking, "leak", "report", "--path", typo, "--force")
    assert done.returncode == 0, done.stderr
    assert b"lockstep leak show " in done.stderr
    leaking.wait_for(lambda: [one["dismissed"] for one in listed(leaking)] == ["unknown"], "what became of it")
    shown = lockstep(leaking, "leak", "show", listed(leaking)[0]["id"]).stdout.decode()
    assert f"  reported: {typo}\n" in shown
    assert f"dismissed: unknown: nothing that is wired is called {typo}" in shown


def test_making_fingerprints_is_on_record(leaking: Running) -> None:
    before = leaking.at.events("dev.lockstep.fingerprints.made")
    assert fingerprint(leaking, OLD) == fingerprint(leaking, OLD + b"\n") != fingerprint(leaking, NEW)
    assert leaking.at.events("dev.lockstep.fingerprints.made") == before + 3
    assert lockstep(leaking, "fingerprint", given=b"short").returncode == 5
    assert lockstep(leaking, "fingerprint").returncode == 2


def test_no_value_is_anywhere_but_in_stores(leaking: Running, tmp_path: Path) -> None:
    fingerprint(leaking, OLD)
    lockstep(leaking, "leak", "report", "--value-stdin", given=OLD)
    post(leaking, webhook(alert(lockstep_path=FULL, note=OLD.decode(), lockstep_place="x")))
    leaking.wait_for(lambda: {one["state"] for one in listed(leaking)} == {"confirmed"}, "two findings")
    leaking.wait_idle()
    leaking.stop()
    state = leaking.root / "state"
    for file in [*state.rglob("*"), leaking.output_file]:
        if file.is_file() and "raft" not in file.parts:
            assert OLD not in file.read_bytes(), file


def test_reports_beside_each_other_are_one(leaking: Running) -> None:
    body = webhook(alert(lockstep_path=FULL))
    with ThreadPoolExecutor(8) as pool:
        answers = {one.status for one in pool.map(lambda _: post(leaking, body), range(8))}
    assert answers <= {200, 503}
    leaking.wait_idle()
    assert len(listed(leaking)) == 1
    assert leaking.at.dead_letters() == []
