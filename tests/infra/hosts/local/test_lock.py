"""One instance per ROOT."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from infra.hosts.local.lock import AlreadyRunningError, InstanceLock

HOLD = """
import sys
from pathlib import Path
from infra.hosts.local.lock import InstanceLock
lock = InstanceLock(Path(sys.argv[1]))
lock.acquire()
lock.describe(ingress="http://127.0.0.1:1/")
print("held", flush=True)
sys.stdin.read()
"""


def test_the_second_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    first, second = InstanceLock(tmp_path), InstanceLock(tmp_path)
    first.acquire()
    with pytest.raises(AlreadyRunningError, match=rf"in use by process {os.getpid()}; stop that one, or give another"):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


def test_the_refused_one_takes_nothing_away(tmp_path: Path) -> None:
    first, second = InstanceLock(tmp_path), InstanceLock(tmp_path)
    first.acquire()
    first.describe(ingress="http://127.0.0.1:1/")
    with pytest.raises(AlreadyRunningError):
        second.acquire()
    second.release()
    assert first.read() == {"pid": os.getpid(), "ingress": "http://127.0.0.1:1/"}
    first.release()
    assert first.read() is None
    first.release()


def test_a_killed_one_holds_nothing_and_is_not_named(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])},
    )  # fmt: skip
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunningError, match=f"process {child.pid};"):
            InstanceLock(tmp_path).acquire()
        child.send_signal(signal.SIGKILL)
        child.wait(20)
    mine, late = InstanceLock(tmp_path), InstanceLock(tmp_path)
    mine.acquire()
    with pytest.raises(AlreadyRunningError, match=f"process {os.getpid()};"):
        late.acquire()  # although instance.json still speaks of the killed one
    mine.release()


@pytest.mark.parametrize("content", ["", "[]", "no json", '{"pid": 1}'])
def test_a_spoilt_description_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "instance.json").write_text(content)
    assert InstanceLock(tmp_path).read() == (json.loads(content) if content.startswith("{") else None)
