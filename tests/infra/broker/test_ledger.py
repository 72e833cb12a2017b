"""The ledger: one entry per event, a chain that shows every change."""

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.broker.chain import GENESIS, Entry, entry_hash, verify
from infra.broker.intake import digest
from tests.infra.broker.kit import DEADLINE, OPERATOR, SOURCE, Scripted, event, running


def chain(length: int) -> list[Entry]:
    entries, previous = [], GENESIS
    for n in range(1, length + 1):
        entry = Entry(n, n, "accepted", f"e{n}", "/s", "t", None, "c", None, "source:x", None, bytes(32), previous, b"")
        previous = entry_hash(previous, entry.fields)
        entries.append(replace(entry, hash=previous))
    return entries


def test_an_intact_chain() -> None:
    found = verify(chain(10))
    assert (found.intact, found.entries, found.head) == (True, 10, 10)


@given(
    st.integers(0, 9),
    st.sampled_from(["kind", "id", "source", "type", "correlation", "principal", "subject", "detail"]),
)
def test_every_changed_field_is_found(index: int, field: str) -> None:
    entries = chain(10)
    changes: dict[str, Any] = {field: "forged"}
    entries[index] = replace(entries[index], **changes)
    found = verify(entries)
    assert (found.broken, found.problem) == (index + 1, f"entry {index + 1} was changed after it was written")


@given(st.integers(0, 8))
def test_a_missing_entry_is_found(index: int) -> None:
    entries = chain(10)
    del entries[index]
    found = verify(entries)
    assert not found.intact
    assert found.problem == f"entry {index + 1} is missing"


def test_a_rewritten_entry_breaks_what_follows() -> None:
    entries = chain(3)
    forged = replace(entries[1], principal="operator:0")
    entries[1] = replace(forged, hash=entry_hash(forged.previous, forged.fields))
    assert verify(entries).problem == "entry 3 does not follow entry 2"


def test_every_accepted_event_has_one_entry(tmp_path: Path) -> None:
    sub = Scripted()
    with running(tmp_path, {"sub": sub}) as broker:
        sent = event(1, correlationid="c", causationid="x")
        for _ in range(3):
            broker.accept(sent, SOURCE).result(DEADLINE)
        broker.accept(event(2), OPERATOR).result(DEADLINE)
        assert broker.wait_idle(DEADLINE)
        first, second = broker.ledger.entries()
        assert (first.kind, first.id, first.source, first.type, first.subject) == (
            "accepted",
            "1",
            "/test",
            "t.one",
            "s/1",
        )
        assert (first.correlation, first.causation, first.principal) == ("c", "x", "source:test")
        assert first.digest == digest(sub.seen[0])
        assert (second.principal, second.correlation) == ("operator:1000", "2")
        assert broker.ledger.head() == (2, second.hash)
        assert broker.ledger.verify_chain().intact
        assert [trace.event.repeated for trace in broker.timeline.traces()] == [False, True, True, False]
    assert sub.ids == ["1", "1", "1", "2"], "brokers never drop by id"


def test_it_goes_on_after_a_restart_and_reads_in_pages(tmp_path: Path) -> None:
    for run in range(3):
        with running(tmp_path, {"sub": Scripted()}) as broker:
            broker.accept_many([event(f"{run}-{n}") for n in range(800)], SOURCE).result(DEADLINE)
            found = broker.ledger.verify_chain()
            assert (found.intact, found.entries) == (True, 800 * (run + 1))
            assert [entry.n for entry in broker.ledger.entries(700, 1800)] == list(
                range(700, min(1800, found.head) + 1)
            )
            assert broker.wait_idle(DEADLINE)


def test_it_is_append_only_in_the_database_too(tmp_path: Path) -> None:
    with running(tmp_path, {"sub": Scripted()}) as broker:
        broker.accept(event(1), SOURCE).result(DEADLINE)
    with sqlite3.connect(tmp_path / "broker.db") as sql:
        for statement in ("UPDATE ledger SET principal = 'x'", "DELETE FROM ledger"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                sql.execute(statement)
    sql.close()


def test_anchors_show_a_chain_that_was_cut(tmp_path: Path) -> None:
    with running(tmp_path, {"sub": Scripted()}) as broker:
        for number in range(5):
            broker.accept(event(number), SOURCE).result(DEADLINE)
        head, hash_ = broker.ledger.head()
        broker.ledger.record_anchor(head, hash_, "vault:v1:sig", 1, 7, at=1).result(DEADLINE)
        (anchor,) = broker.ledger.anchors()
        assert (anchor.n, anchor.hash, anchor.signature, anchor.authority_version) == (5, hash_, "vault:v1:sig", 7)
        assert broker.ledger.verify_chain().intact
    with sqlite3.connect(tmp_path / "broker.db") as sql:
        sql.execute("DROP TRIGGER ledger_no_delete")
        sql.execute("DELETE FROM ledger WHERE n = 5")
    sql.close()
    with running(tmp_path, {"sub": Scripted()}) as broker:
        found = broker.ledger.verify_chain()
        assert (found.broken, found.intact) == (5, False)
        assert "cut or rewritten" in found.problem
