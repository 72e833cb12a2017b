"""kill -9 at any moment: whatever was acknowledged is delivered, replies included, and the ledger holds."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from infra.broker.broker import Broker
from tests.infra.broker.crash_child import TRIGGERS, Appending
from tests.infra.broker.kit import ANYTHING, DEADLINE

ROOT = Path(__file__).parents[3]


def run_and_kill(directory: Path, first: int, acknowledgements: int) -> set[str]:
    """Ids that were acknowledged before the process died."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.infra.broker.crash_child", str(directory), str(first)],
        cwd=ROOT, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert child.stdout is not None
    acknowledged = [child.stdout.readline() for _ in range(acknowledgements)]
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read().splitlines(keepends=True)
    child.stdout.close()
    assert child.wait(DEADLINE) == -signal.SIGKILL
    return {line.decode().strip() for line in acknowledged + rest if line.endswith(b"\n")}


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_acknowledged_is_lost(tmp_path: Path, seed: int) -> None:
    moments = random.Random(seed)
    acknowledged: set[str] = set()
    for run in range(4):
        acknowledged |= run_and_kill(tmp_path, run * 100_000, moments.randint(1, 150))
    one, two = Appending(tmp_path / "one", "t.two"), Appending(tmp_path / "two")
    broker = Broker(tmp_path / "broker.db", TRIGGERS, {"one": one, "two": two}, ANYTHING, backoff_cap=0.005)
    broker.start()
    assert broker.wait_idle(DEADLINE)
    verification = broker.ledger.verify_chain()
    accepted = [entry.id for entry in broker.ledger.entries()]
    dead = broker.dead_letters.count()
    assert broker.health().pending == 0
    assert broker.drain(DEADLINE)
    one.close()
    two.close()

    first = {line.split()[0] for line in (tmp_path / "one").read_text().splitlines()}
    second = {line.split()[0] for line in (tmp_path / "two").read_text().splitlines()}
    assert acknowledged
    assert acknowledged <= first, "every acknowledged event was delivered"
    assert {f"r{id_}" for id_ in acknowledged} <= second, "and so was the reply to it"
    assert second == {f"r{id_}" for id_ in first if id_ in set(accepted)}
    assert dead == 0
    assert verification.intact
    assert len(accepted) == len(set(accepted)), "one ledger entry per event"
    assert acknowledged <= set(accepted)
