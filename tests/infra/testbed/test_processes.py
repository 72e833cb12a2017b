"""Servers end with whoever started them, as whom they were told to run."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from infra.testbed.processes import spawn, stop
from tests.infra.testbed.polling import eventually

# Tells what it was sent, who it is, and waits.
_SERVER = """\
import os, signal, sys, time
def told(number, frame):
    print("sent", number, flush=True)
    sys.exit()
signal.signal(signal.SIGQUIT, told)
print("user", os.getuid(), os.getgid(), os.getgroups(), flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells the server of its parent's end on Linux alone")
def test_a_server_is_told_in_its_own_way_when_its_parent_dies(tmp_path: Path) -> None:
    log = tmp_path / "log"
    parent = (
        "import signal, sys, os\nfrom pathlib import Path\nfrom infra.testbed.processes import spawn\n"
        f"spawn([sys.executable, '-c', {_SERVER!r}], Path({str(log)!r}), with_parent=signal.SIGQUIT)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE) as process:
        eventually(lambda: log.exists() and "user" in log.read_text())
        process.kill()
    eventually(lambda: f"sent {int(signal.SIGQUIT)}" in log.read_text())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may choose the user")
def test_root_runs_a_server_as_somebody_else(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = spawn(["/bin/sh", "-c", "id -u; id -g; id -G; exec sleep 600"], log, user=65534)
    try:
        eventually(lambda: log.read_text().split() == ["65534"] * 3)
    finally:
        stop(process)
