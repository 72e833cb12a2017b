import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from events.envelope import issue
from events.http_binding import encode_structured
from events.orders import PublishRequested
from events.references import PathRef, Version
from events.secret import SecretPublished
from infra.hosts.cli.failures import Exit
from tests.infra.hosts.cli.commands import CANARY, PATH, SOURCE, answered, lockstep
from tests.instance import Running

SUBJECT = f"namespaces/platform-data/secrets/{SOURCE}"
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
VERSION = {"number": 1, "created": "2026-01-31T12:00:00Z"}


@pytest.mark.e2e
def test_a_hint_is_accepted_and_delivered(up: Running) -> None:
    accepted = answered("emit", "secret.changed", "--subject", SUBJECT, root=up.root)
    assert (accepted["status"], accepted["type"]) == (202, "dev.lockstep.secret.changed")
    up.wait_idle()
    assert up.at.query("SELECT subject, principal FROM event WHERE id = ?", accepted["id"])[-1][0] == SUBJECT
    entry = answered("audit", "show", "--correlation", accepted["id"], root=up.root)["items"][0]
    assert entry["principal"].startswith("operator:")


@pytest.mark.e2e
def test_an_order_is_carried_out(up: Running) -> None:
    before = up.at.events("dev.lockstep.secret.published", PATH)
    asked = lockstep("emit", "publish.requested", "--subject", f"paths/secret/{PATH}", "--reason", "test", root=up.root)
    assert asked.exit_code == 0, asked.output
    assert asked.stdout.startswith("accepted dev.lockstep.publish.requested")
    up.wait_for(lambda: up.at.events("dev.lockstep.secret.published", PATH) > before, "the path told again")


@pytest.mark.e2e
def test_a_forged_fact_is_refused_with_what_to_do(up: Running) -> None:
    data = {"path": {"mount": "secret", "path": PATH}, "version": VERSION, "keys": ["password"], "outcome": "written"}
    result = lockstep("emit", "secret.published", "--data", json.dumps(data), root=up.root)
    assert result.exit_code == Exit.REFUSED
    assert "refused (403)" in result.stderr
    assert "only publish and promote and sweep may say it" in result.stderr


@pytest.mark.e2e
def test_a_forged_fact_sent_raw_is_refused(up: Running, tmp_path: Path) -> None:
    fact = SecretPublished(
        path=PathRef(mount="secret", path=PATH), version=Version(number=99, created=NOW), keys=("password",),
        outcome="written",
    )  # fmt: skip
    file = tmp_path / "event.json"
    file.write_bytes(encode_structured(issue(fact, source="/lockstep/local/steps/publish", now=NOW))[1])
    result = lockstep("emit", "--raw", str(file), root=up.root)
    assert result.exit_code == Exit.REFUSED
    assert up.at.query("SELECT count(*) FROM event WHERE principal LIKE 'operator:%' AND type LIKE '%published'") == [
        (0,)
    ]


@pytest.mark.e2e
def test_an_expired_order_is_refused(up: Running) -> None:
    data = json.dumps({"expires": "2020-01-01T00:00:00Z"})
    result = lockstep("emit", "publish.requested", "--subject", f"paths/secret/{PATH}", "--data", data, root=up.root)
    assert result.exit_code == Exit.REFUSED
    assert "expired" in result.stderr


@pytest.mark.e2e
def test_an_order_sent_raw(up: Running) -> None:
    order = PublishRequested(
        path=PathRef(mount="secret", path=PATH), expires=datetime.now(UTC) + timedelta(minutes=1), reason="test"
    )
    body = encode_structured(issue(order, source="/tests", now=datetime.now(UTC)))[1]
    assert lockstep("emit", "--raw", "-", root=up.root, stdin=body).exit_code == 0


@pytest.mark.e2e
def test_a_type_that_nobody_knows_is_taken_raw_as_from_anybody(up: Running) -> None:
    body = json.dumps({"specversion": "1.0", "id": "1", "source": "/x", "type": "com.example.thing"})
    result = lockstep("emit", "--raw", "-", root=up.root, stdin=body)
    assert result.exit_code == Exit.OK


@pytest.mark.parametrize("flags", [(), ("--dry-run",)])
def test_an_unknown_type_of_ours_is_not_sent(tmp_path: Path, flags: tuple[str, ...]) -> None:
    body = json.dumps({"specversion": "1.0", "id": "1", "source": "/x", "type": "dev.lockstep.secret.exploded"})
    result = lockstep("emit", "--raw", "-", *flags, root=tmp_path, stdin=body)
    assert (result.exit_code, "secret.exploded: unknown type of ours" in result.stderr) == (Exit.USAGE, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "give a TYPE"),
        (("secret.changed", "--raw", "-"), "give a TYPE"),
        (("--raw", "-", "--subject", SUBJECT), "as it is"),
        (("secret.chnged",), "did you mean secret.changed"),
        (("secret.changed",), "secret: Field required"),
        (("secret.changed", "--data", "[]"), "JSON object"),
        (("secret.changed", "--data", "{"), "JSON"),
        (("secret.changed", "--subject", SUBJECT, "--data", json.dumps({"password": CANARY})), "Extra inputs"),
        (("--raw", "-"), "not an event in structured mode"),
    ],
)
def test_what_is_no_valid_event_goes_nowhere(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    result = lockstep("emit", *arguments, root=tmp_path, stdin=f'{{"password": "{CANARY}"}}')
    assert (result.exit_code, says in result.stderr) == (Exit.USAGE, True), result.stderr


def test_a_dry_run_prints_the_event(tmp_path: Path) -> None:
    result = lockstep("emit", "secret.changed", "--subject", SUBJECT, "--dry-run", root=tmp_path)
    assert json.loads(result.stdout)["data"]["secret"] == {"namespace": "platform-data", "name": SOURCE}


def test_files_that_are_not_there_and_nobody_who_listens(tmp_path: Path) -> None:
    assert lockstep("emit", "secret.changed", "--data", "@/none", root=tmp_path).exit_code == Exit.NOT_FOUND
    result = lockstep("emit", "secret.changed", "--subject", SUBJECT, root=tmp_path)
    assert (result.exit_code, "lockstep up" in result.stderr) == (Exit.UNREACHABLE, True)
