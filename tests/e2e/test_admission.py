"""Who may say what: anonymous hints, tokens, operators, steps; everything else is refused and leaves no trace."""

import hashlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from events.catalogue import EVENTS
from events.event import Category
from tests.e2e.conftest import QUICK, Team, copied
from tests.instance import Installation, Running, event_headers, external_secret, push_secret, store

TOKEN = "a-token-of-the-reporter-0123456789"
SLOW_TOKEN = "a-token-of-the-chatterbox-0123456789"
VERSION = {"number": 7, "created": "2026-01-01T00:00:00Z"}


@pytest.fixture(scope="module")
def guarded(established: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An instance with named principals; below a directory that every user of the machine may enter."""
    del tmp_path_factory  # its directories are the user's own
    with tempfile.TemporaryDirectory(prefix="lockstep-guarded-") as folder:
        Path(folder).chmod(0o755)
        installation = copied(established, Path(folder) / "root")
        principals = [
            {
                "name": "reporter",
                "tokenSHA256": hashlib.sha256(TOKEN.encode()).hexdigest(),
                "types": ["dev.lockstep.publish.requested", "com.example.report"],
                "subjectPrefixes": ["paths/secret/platform-data/postgres"],
            },
            {
                "name": "chatterbox",
                "tokenSHA256": hashlib.sha256(SLOW_TOKEN.encode()).hexdigest(),
                "types": ["com.example.chat"],
                "eventsPerSecond": 0.2,
            },
        ]
        installation.configure(**QUICK, principals=principals)
        installation.wire("store", store())
        with installation.running() as up:
            yield up


def soon() -> str:
    return (datetime.now(UTC) + timedelta(minutes=5)).isoformat()


def wire(up: Running, team: Team) -> None:
    up.at.wire(team.name, push_secret("postgres", team.source, team.path), external_secret(team.target, team.path))
    up.at.put(team.producer, "credentials", {"password": b"one"})
    up.wait_for(lambda: up.at.values(team.consumer, "postgres") == {"password": b"one"}, "the first value")


def path_of(team: Team) -> dict[str, str]:
    return {"mount": "secret", "path": team.path}


def accepted(up: Running, principal: str = "anonymous") -> int:
    return int(up.at.query("SELECT count(*) FROM event WHERE principal = ?", principal)[0][0])


def order(team: Team, **changes: Any) -> dict[str, Any]:
    return {"path": path_of(team), "expires": soon(), "reason": "because", **changes}


FACTS = [event.TYPE for event in EVENTS if event.CATEGORY is Category.FACT]
ORDERS = [event.TYPE for event in EVENTS if event.CATEGORY is Category.ORDER]


@pytest.mark.parametrize("type_", [*FACTS, *ORDERS, "dev.lockstep.wiring.changed"])
def test_facts_and_orders_from_nobody_are_refused(guarded: Running, type_: str) -> None:
    before = accepted(guarded)  # by type it would count what the steps and the sweep say meanwhile
    answer = guarded.send(type_, {}, subject="paths/secret/platform-data/postgres/x")
    assert answer.status == 401, answer
    assert "credentials" in answer.text
    assert accepted(guarded) == before


def test_a_forged_fact_moves_no_consumer(guarded: Running, team: Team) -> None:
    wire(guarded, team)
    forged = {"path": path_of(team), "version": VERSION, "keys": ["password"], "outcome": "written"}
    for send in (guarded.send, guarded.operate):
        answer = send("dev.lockstep.secret.published", forged, subject=f"paths/{team.full_path}")
        assert answer.status in (401, 403), answer
    answer = guarded.send("dev.lockstep.secret.published", forged, subject=f"paths/{team.full_path}", token=TOKEN)
    assert answer.status == 403
    guarded.wait_idle()
    assert guarded.in_step(team.full_path)
    assert guarded.version(team.full_path) == 1


def test_hints_from_anybody_on_the_loopback_are_taken_and_harmless(guarded: Running, team: Team) -> None:
    wire(guarded, team)
    reference = {"namespace": team.producer, "name": "credentials"}
    for data in ({"secret": reference}, {"secret": reference, "seen": "lies"}):
        subject = f"namespaces/{team.producer}/secrets/credentials"
        assert guarded.send("dev.lockstep.secret.changed", data, subject=subject).status == 202
    drifted = {"secret": {"namespace": team.consumer, "name": "postgres"}}
    subject = f"namespaces/{team.consumer}/secrets/postgres"
    assert guarded.send("dev.lockstep.secret.drifted", drifted, subject=subject).status == 202
    assert guarded.send("com.example.unknown", {"any": "thing"}).status == 202
    guarded.wait_idle()
    assert guarded.at.values(team.consumer, "postgres") == {"password": b"one"}
    assert guarded.in_step(team.full_path)
    assert guarded.version(team.full_path) == 1


def test_the_sender_decides_neither_actor_nor_partition(guarded: Running, team: Team) -> None:
    answer = guarded.send(
        "com.example.report", {}, subject=team.name, lockstepactor="operator:0", partitionkey="other", id=team.name
    )
    assert answer.status == 202
    ((extensions, principal),) = guarded.at.query("SELECT extensions, principal FROM event WHERE id = ?", team.name)
    assert principal == "anonymous"
    assert json.loads(extensions)["lockstepactor"] == "anonymous"
    assert json.loads(extensions)["partitionkey"] == team.name


def test_a_token_may_send_its_types_about_its_subjects_only(guarded: Running, team: Team) -> None:
    wire(guarded, team)
    subject = f"paths/{team.full_path}"
    publish = "dev.lockstep.publish.requested"
    assert guarded.send(publish, order(team), subject=subject, token=TOKEN).status == 202
    assert guarded.send("com.example.report", {}, subject=subject, token=TOKEN).status == 202
    before = accepted(guarded, "token:reporter")
    refused = {
        "another type": guarded.send("dev.lockstep.materialize.requested", {}, subject=subject, token=TOKEN),
        "another subject": guarded.send(publish, order(team), subject="paths/secret/other/postgres", token=TOKEN),
        "a subject that only begins alike": guarded.send(
            publish, order(team), subject="paths/secret/platform-data/postgres-2/x", token=TOKEN
        ),
        "an expired order": guarded.send(
            publish, order(team, expires="2020-01-01T00:00:00Z"), subject=subject, token=TOKEN
        ),
        "an order that never expires": guarded.send(publish, {"path": path_of(team)}, subject=subject, token=TOKEN),
    }
    assert {name: answer.status for name, answer in refused.items()} == dict.fromkeys(refused, 403)
    assert guarded.send("com.example.report", {}, subject=subject, token="guessed").status == 401
    assert accepted(guarded, "token:reporter") == before
    assert not any(TOKEN in str(row) for row in guarded.at.query("SELECT * FROM event"))


def test_a_token_beyond_its_rate_is_told_when_to_come_again(guarded: Running) -> None:
    answers = [guarded.send("com.example.chat", {}, token=SLOW_TOKEN) for _ in range(40)]
    statuses = {answer.status for answer in answers}
    assert statuses == {202, 503}
    (shed, *_) = (answer for answer in answers if answer.status == 503)
    assert int(shed.headers["retry-after"]) >= 1


def test_the_operator_gives_orders_over_the_socket(guarded: Running, team: Team) -> None:
    wire(guarded, team)
    answer = guarded.operate("dev.lockstep.publish.requested", order(team), subject=f"paths/{team.full_path}")
    assert answer.status == 202, answer
    expired = order(team, expires="2020-01-01T00:00:00Z")
    answer = guarded.operate("dev.lockstep.publish.requested", expired, subject=f"paths/{team.full_path}")
    assert answer.status == 403, answer


def test_the_control_api_is_not_on_the_network(guarded: Running) -> None:
    assert guarded.request("GET", "/control/v1/status").status == 404
    assert guarded.ask("GET", "/control/v1/status").status == 200


def test_a_reply_of_an_undeclared_type_is_refused_whole_and_told(external: Installation, team: Team) -> None:
    lying = replace(external, program=(sys.executable, "-m", "tests.e2e.host"), options=("--liar",))
    with lying.running() as up:
        up.at.wire(team.name, push_secret("postgres", team.source, team.path), external_secret(team.target, team.path))
        up.at.put(team.producer, "credentials", {"password": b"one"})
        up.wait_for(lambda: "its reply was refused" in str(up.at.dead_letters(team.producer)), "the refusal to be told")
        up.wait_idle()
        facts = ("dev.lockstep.secret.materialized", "dev.lockstep.secret.published")
        told = up.at.query(
            "SELECT type, principal FROM event WHERE type IN (?, ?) AND principal = 'step:publish'", *facts
        )
        assert told == [], "neither the lie nor what came with it"
        assert up.metric("dead_letters") >= 1
    with external.running() as honest:  # mended: what was given up is found again
        honest.wait_for(lambda: honest.at.values(team.consumer, "postgres") == {"password": b"one"}, "the value")
        honest.wait_for(lambda: honest.in_step(team.full_path), "in step")


_AS_ANOTHER = """
import http.client, os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
c = http.client.HTTPConnection("lockstep"); c.sock = s
c.request(sys.argv[2], sys.argv[3], body=b"{}", headers={"ce-id": "1", "ce-source": "/s", "ce-specversion": "1.0",
    "ce-type": "dev.lockstep.publish.requested", "content-type": "application/json"})
print(c.getresponse().status)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_another_user_is_refused_by_the_files_and_by_the_kernels_word(guarded: Running) -> None:
    assert ask_as_another(guarded, "GET", "/control/v1/status") == "PermissionError"
    state = guarded.socket.parent
    try:
        state.chmod(0o711)  # as if the file modes had been loosened: the peer's credentials still count
        guarded.socket.chmod(0o666)
        for method, path in (("GET", "/control/v1/status"), ("POST", "/lockstep/default")):
            assert ask_as_another(guarded, method, path) == "403"
    finally:
        guarded.socket.chmod(0o600)
        state.chmod(0o700)
    assert guarded.ask("GET", "/control/v1/status").status == 200


def ask_as_another(up: Running, method: str, path: str) -> str:
    """What a request by the user `nobody` ends with: a status, or the error that it meets."""
    command = [sys.executable, "-I", "-c", _AS_ANOTHER, str(up.socket), method, path]
    found = subprocess.run(command, check=False, capture_output=True, text=True, cwd="/")
    return found.stdout.strip() or found.stderr.strip().splitlines()[-1].partition(":")[0]


MALFORMED = {
    "a type of ours that is not in the catalogue": (event_headers("dev.lockstep.secret.exploded", "", {}), b"{}", 400),
    "no type": ({"ce-id": "1", "ce-source": "/s", "ce-specversion": "1.0"}, b"{}", 400),
    "an empty id": ({**event_headers("t", "", {}), "ce-id": ""}, b"{}", 400),
    "a future version": ({**event_headers("t", "", {}), "ce-specversion": "2.0"}, b"{}", 400),
    "structured, not JSON": ({"content-type": "application/cloudevents+json"}, b"{", 400),
    "structured, nested deeply": ({"content-type": "application/cloudevents+json"}, b"[" * 100_000, 400),
    "a batch": ({"content-type": "application/cloudevents-batch+json"}, b"[]", 400),
    "too large": (event_headers("t", "", {}), b"x" * 300_000, 413),
    "a loop's last round": ({**event_headers("t", "", {}), "ce-knativebrokerttl": "0"}, b"{}", 400),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_events_are_refused(guarded: Running, name: str) -> None:
    headers, body, status = MALFORMED[name]
    before = accepted(guarded)
    assert guarded.request("POST", "/lockstep/default", headers=headers, body=body).status == status
    assert accepted(guarded) == before


def test_other_methods_and_brokers(guarded: Running) -> None:
    headers = event_headers("t", "", {})
    assert guarded.request("GET", "/lockstep/default").status == 405
    assert guarded.request("POST", "/lockstep/other", headers=headers, body=b"{}").status == 404
    assert guarded.request("POST", "/", headers=headers, body=b"{}").status == 404
    assert guarded.request("OPTIONS", "/lockstep/default").status in (200, 204)


def test_a_connection_that_breaks_off_stores_nothing(guarded: Running) -> None:
    before = accepted(guarded)
    host = guarded.url.removeprefix("http://").split("/")[0]
    connection = http.client.HTTPConnection(host)
    try:
        connection.putrequest("POST", "/lockstep/default")
        for name, value in {**event_headers("com.example.cut", "", {}), "content-length": "1000"}.items():
            connection.putheader(name, value)
        connection.endheaders(b"half")
    finally:
        connection.close()
    assert guarded.send("com.example.whole").status == 202
    assert accepted(guarded) == before + 1
