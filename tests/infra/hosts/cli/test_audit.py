import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from infra.broker.chain import GENESIS, Entry, verify
from infra.hosts.cli.failures import Exit
from tests.infra.hosts.cli.commands import answered, lockstep, prepared, settled
from tests.instance import Running

pytestmark = pytest.mark.e2e


def anchored(up: Running) -> dict[str, object]:
    """Wait for the broker to be idle, anchor, and have it verified."""
    up.wait_idle()
    found: dict[str, object] = answered("audit", "verify", "--anchor-now", root=up.root)
    return found


def problems(up: Running) -> str:
    result = lockstep("audit", "verify", "-o", "json", root=up.root)
    assert result.exit_code == Exit.FINDINGS, result.output
    found = json.loads(result.stdout)
    assert not found["intact"]
    return "\n".join(f"{one['entry']}: {one['what']}" for one in found["problems"])


def tamper(root: Path, *statements: str) -> None:
    """What somebody with the file can do: the triggers that keep honest programs from it are in the file too."""
    with closing(sqlite3.connect(root / "state" / "broker.db")) as sql:
        for statement in ("DROP TRIGGER ledger_no_update", "DROP TRIGGER ledger_no_delete", *statements):
            sql.execute(statement)
        sql.commit()


def test_the_ledger_is_verified_anchored_and_its_tail_named(up: Running) -> None:
    up.wait_idle()
    fresh = answered("audit", "verify", root=up.root)
    assert (fresh["intact"], fresh["complete"], fresh["authority"]) == (True, True, None)
    assert (fresh["unanchored"]["first"], fresh["unanchored"]["last"]) == (1, fresh["entries"])
    found = anchored(up)
    assert (found["intact"], found["unanchored"]) == (True, None)
    assert found["authority"]["entries"] == found["entries"]  # type: ignore[index]  # JSON
    assert answered("emit", "schedule.ticked", "--subject", "schedules/sweep/0", root=up.root)["status"] == 202
    up.wait_idle()
    tail = answered("audit", "verify", root=up.root)["unanchored"]
    assert (tail["first"], tail["since"] is not None) == (found["entries"] + 1, True)  # type: ignore[operator]  # JSON
    text = lockstep("audit", "verify", root=up.root)
    assert text.exit_code == 0
    assert f"unanchored tail: entries {tail['first']} to " in text.stdout
    assert "cannot show:" in text.stdout
    assert "record step's credential" in text.stdout


def test_entries_are_shown_filtered_and_exported(up: Running) -> None:
    up.wait_idle()
    everything = answered("audit", "show", "--all", root=up.root)["items"]
    assert [entry["n"] for entry in everything] == list(range(1, len(everything) + 1))
    assert [entry["n"] for entry in answered("audit", "show", "--last", "2", root=up.root)["items"]] == [
        len(everything) - 1, len(everything),
    ]  # fmt: skip
    about = answered("audit", "show", "--subject", "namespaces/temporal", root=up.root)["items"]
    assert {entry["subject"] for entry in about} == {"namespaces/temporal/secrets/pg"}
    named = answered("audit", "show", "--subject", "temporal/pg", root=up.root)["items"]
    assert {entry["subject"] for entry in named} == {
        "namespaces/temporal/secrets/pg", "manifests/ExternalSecret/temporal/pg"
    }  # fmt: skip
    assert "none is about nobody/knows" in lockstep("audit", "show", "--subject", "nobody/knows", root=up.root).stderr
    correlation = about[0]["correlation"]
    chain = answered("audit", "show", "--correlation", correlation, root=up.root)["items"]
    assert about[0] in chain
    assert {entry["correlation"] for entry in chain} == {correlation}
    assert answered("audit", "show", "--since", "2100-01-01", root=up.root)["items"] == []
    assert len(answered("audit", "show", "--since", "1h", "--last", "9999", root=up.root)["items"]) == len(everything)
    assert "secret.materialized" in lockstep("audit", "show", "-o", "wide", root=up.root).stdout
    assert lockstep("audit", "show", "--since", "yesterday", root=up.root).exit_code == Exit.USAGE


def test_an_export_is_verified_by_whoever_has_it(up: Running) -> None:
    lines = lockstep("audit", "show", "--all", "-o", "jsonl", root=up.root).stdout.splitlines()
    entries = [entry_of(json.loads(line)) for line in lines]
    assert verify(entries).intact
    assert verify(entries).head == len(lines)
    assert entries[0].previous == GENESIS


def entry_of(line: dict[str, object]) -> Entry:
    names = (
        "n",
        "micros",
        "kind",
        "id",
        "source",
        "type",
        "subject",
        "correlation",
        "causation",
        "principal",
        "detail",
    )
    hashes = (bytes.fromhex(str(line[name])) for name in ("digest", "previous", "hash"))
    return Entry(*(line[name] for name in names), *hashes)  # type: ignore[arg-type]  # JSON


def test_a_byte_changed_in_the_file_is_found(root: Path) -> None:
    with prepared(root).running() as up:
        settled(up)
        anchored(up)
        up.stop()
        file = root / "state" / "broker.db"
        content = file.read_bytes()
        assert content.count(b"source:directory") >= 1
        file.write_bytes(content.replace(b"source:directory", b"source:directorz"))
        up.restart()
        assert "was changed after it was written" in problems(up)
        text = lockstep("audit", "verify", root=up.root)
        assert text.stdout.endswith("NOT VERIFIED\n")


def test_a_cut_tail_is_found_and_never_anchored_again(root: Path) -> None:
    with prepared(root).running() as up:
        settled(up)
        entries = anchored(up)["entries"]
        up.stop()
        tamper(root, "DELETE FROM ledger WHERE n > 3", "DELETE FROM anchor")
        up.restart()
        up.wait_idle()
        assert "cut or replaced" in problems(up) or "rewritten" in problems(up)
        refused = lockstep("audit", "verify", "--anchor-now", root=up.root)
        assert refused.exit_code == Exit.FINDINGS
        assert "not anchored: " in refused.stderr
        assert (
            f"the authority anchored {entries} entries" in refused.stdout or f"entry {entries} is not" in refused.stdout
        )


def test_a_replaced_ledger_is_found_even_where_it_has_grown_longer(root: Path) -> None:
    with prepared(root).running() as up:
        settled(up)
        entries = anchored(up)["entries"]
        assert isinstance(entries, int)
        up.stop()
        (root / "state" / "broker.db").unlink()
        up.restart()
        for _ in range(entries + 1):
            assert answered("emit", "schedule.ticked", "--subject", "schedules/other/0", root=root)["status"] == 202
        up.wait_idle()
        assert f"{entries}: entry {entries} is not the one that the authority anchored" in problems(up)
        refused = lockstep("audit", "verify", "--anchor-now", root=root)
        assert (refused.exit_code, "not anchored" in refused.stderr) == (Exit.FINDINGS, True)
        (root / "state" / "ledger.id").unlink()
        assert "the ledger was replaced, the state set up anew" in problems(up)


def test_a_forged_anchor_is_found(root: Path) -> None:
    with prepared(root).running() as up:
        settled(up)
        anchored(up)
        up.stop()
        tamper(
            root,
            "INSERT INTO anchor SELECT 2, hash, (SELECT signature FROM anchor LIMIT 1), 1, 1, at"
            " FROM ledger WHERE n = 2",
        )
        up.restart()
        assert "2: the recorded anchor of entry 2 was not signed by the authority's key" in problems(up)


def test_without_the_authority_only_the_chain_is_vouched_for(tmp_path: Path) -> None:
    at = prepared(tmp_path / "root")
    at.environment.update(VAULT_ADDR="http://127.0.0.1:1", VAULT_TOKEN="none")
    with at.running() as up:
        up.wait_for(lambda: at.events("dev.lockstep.wiring.changed"), "an event")
        result = lockstep("audit", "verify", "-o", "json", root=up.root)
        found = json.loads(result.stdout)
        assert (result.exit_code, found["intact"], found["complete"]) == (Exit.UNREACHABLE, True, False)
        assert lockstep("audit", "verify", "--anchor-now", root=up.root).exit_code == Exit.UNREACHABLE
        checked = lockstep("check", root=up.root)
        assert checked.exit_code == Exit.FINDINGS
        assert "fail   authority" in checked.stdout
        assert "not checked: the authority does not serve" in checked.stdout
