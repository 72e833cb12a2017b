"""Waiting for a server's end, with the kernel's help and without."""

import os
import subprocess
import sys
import time

import pytest

from infra.hosts.openbao import process

_LONG = 60.0


@pytest.fixture(params=["with pidfd", "without"], autouse=True)
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: int) -> int:
        raise OSError("Function not implemented")

    if request.param == "without":
        monkeypatch.setattr(os, "pidfd_open", refused, raising=False)


def started(program: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-I", "-S", "-c", program], stdin=subprocess.PIPE)


def test_its_status_is_told_when_it_ends() -> None:
    with started("import sys; sys.stdin.read(); sys.exit(3)") as running:
        assert process.ended(running, 0.05) is None
        assert running.stdin is not None
        running.stdin.close()
        began = time.monotonic()
        assert process.ended(running, _LONG) == 3
        assert time.monotonic() - began < _LONG / 2
        assert process.ended(running, _LONG) == 3, "once more, though it is waited for by now"


def test_a_signal_ends_it_too() -> None:
    with started("import sys; sys.stdin.read()") as running:
        running.kill()
        assert process.ended(running, _LONG) == -9


def test_nothing_stays_open() -> None:
    with started("import sys; sys.stdin.read()") as running:
        before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
        for _ in range(5):
            process.ended(running, 0.0)
        assert not before or len(os.listdir("/proc/self/fd")) == before
        running.kill()
