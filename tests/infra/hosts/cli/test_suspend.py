import pytest

from infra.hosts.cli.failures import Exit
from tests.infra.hosts.cli.commands import CANARY, PATH, SOURCE, answered, lockstep, settled
from tests.infra.hosts.cli.documents import check
from tests.instance import Running

pytestmark = pytest.mark.e2e
FULL = f"secret/{PATH}"


@pytest.mark.parametrize(
    ("scope", "moves"),
    [
        ("*", False), ("platform-data", False), ("platform-data/push", False), (FULL, False), ("temporal", False),
        ("temporal/pg", False), ("elsewhere", True), ("secret/other/path", True),
    ],
)  # fmt: skip
def test_nothing_is_written_while_the_scope_is_suspended(up: Running, scope: str, moves: bool) -> None:
    settled(up)
    before = up.at.values("temporal", "pg")
    told = lockstep("suspend", scope, "--reason", "a test", root=up.root)
    assert (told.exit_code, "covers nothing" in told.stderr) == (0, moves)
    up.at.put("platform-data", SOURCE, {"password": f"{CANARY}-{scope}".encode()})
    up.wait_for(
        lambda: up.secret(FULL)["wrong"] or up.secret(FULL)["consumers"][0]["wrong"] or moves, "the change seen"
    )
    up.wait_idle()
    if not moves:
        assert up.at.values("temporal", "pg") == before
    listed = answered("suspend", "--list", root=up.root)
    check("status", listed)
    assert [(one["scope"], one["reason"]) for one in listed["suspensions"]] == [(scope, "a test")]
    assert scope in lockstep("suspend", "--list", root=up.root).stdout
    released = answered("resume", scope, root=up.root)
    check("resume", released)
    assert bool(released["orders"]) is not moves
    assert lockstep("wait", "--all", root=up.root).exit_code == 0
    up.wait_for(lambda: up.at.values("temporal", "pg") != before, "the change")


def test_it_is_on_record(up: Running) -> None:
    check("suspend", answered("suspend", "temporal", "--reason", "for the record", root=up.root))
    assert lockstep("resume", "temporal", root=up.root).exit_code == 0
    lines = [
        one for one in answered("events", "--subject", "scopes/temporal", root=up.root)["events"]
        if one["type"] == "suspension.changed"
    ]  # fmt: skip
    assert [one["principal"] for one in lines[-2:]] == ["source:operators", "source:operators"]
    entries = [row[0] for row in up.at.query("SELECT type FROM ledger")]
    assert entries.count("dev.lockstep.suspension.changed") >= 2


def test_resuming_what_is_not_suspended(up: Running) -> None:
    result = lockstep("resume", "temporal", root=up.root)
    assert (result.exit_code, "suspend --list" in result.stderr) == (Exit.NOT_FOUND, True)


@pytest.mark.parametrize("scope", ["bad scope", "../up", "/abs", "a//b", "x" * 2000])
def test_scopes_that_are_none(up: Running, scope: str) -> None:
    assert lockstep("suspend", scope, "--reason", "r", root=up.root).exit_code == Exit.USAGE
    assert up.status()["suspensions"] == []


@pytest.mark.parametrize("arguments", [("suspend",), ("suspend", "temporal"), ("suspend", "--reason", "r")])
def test_wrong_usage(up: Running, arguments: tuple[str, ...]) -> None:
    assert lockstep(*arguments, root=up.root).exit_code == Exit.USAGE


def test_reasons_that_could_not_be_shown_are_refused(up: Running) -> None:
    for reason in ("two\nlines", "\x1b[31mred", "x" * 600):
        assert lockstep("suspend", "temporal", "--reason", reason, root=up.root).exit_code == Exit.USAGE
    assert up.status()["suspensions"] == []
