"""`lockstep up` as a process: one ready line, SIGTERM whenever it comes, refusals with a status."""

import http.client
import re
import shutil
import signal
import socket
import ssl
from contextlib import closing
from pathlib import Path

import pytest

from infra.hosts.cli.failures import Exit
from tests.infra.hosts.certificates import issued
from tests.instance import Installation, NotReadyError, Running, external_secret, push_secret, store, wait_for
from tests.openbao import OpenBao

pytestmark = pytest.mark.e2e


@pytest.fixture
def installation(root: Path) -> Installation:
    made = Installation(root)
    (root / "wiring" / "all.yaml").unlink()
    made.wire(
        "all", store(), push_secret("team", "team/source", "team/postgres/app"),
        external_secret("app/postgres", "team/postgres/app"),
    )  # fmt: skip
    return made


def _left(up: Running) -> list[str]:
    """What a stopped process should not leave."""
    state = up.root / "state"
    return [name for name in ("instance.json", "lockstep.sock", "openbao/server.json") if (state / name).exists()]


def test_a_root_where_nothing_is_wired_is_remarked_at_the_start(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "roott")
    with installation.running() as up:
        assert up.output().count(f"no manifests in {installation.root / 'wiring'} yet") == 1
        assert "no manifests" not in str(up.control.ask("status")), "it is true of the start alone"


def test_one_instance_until_it_is_told_to_stop(installation: Installation) -> None:
    with installation.running() as up:
        second = Running(installation)
        second.spawn()
        assert second.wait() == Exit.REFUSED
        assert f"in use by process {up.pid}; stop that one" in up.output()
        assert up.ready()
        for _ in range(10):
            if up.alive():
                up.signal(signal.SIGINT)  # more than one does not disturb the end
        assert up.wait() == 0
        assert len(re.findall("^lockstep ready", up.output(), re.MULTILINE)) == 1
        assert "Traceback" not in up.output()
        assert _left(up) == []


def test_sigterm_while_it_starts(installation: Installation) -> None:
    # Between any two instructions: it may be about to keep the socket that it just opened, which the collector closes.
    installation.environment["PYTHONWARNINGS"] = "error,ignore::ResourceWarning"
    up = Running(installation)
    try:
        up.spawn()
        wait_for((up.root / "state" / "openbao" / "server.json").exists, "the authority to be started")
        up.signal(signal.SIGTERM)
        assert up.wait() == 0
        assert "Traceback" not in up.output()
        assert _left(up) == []
    finally:
        up.end()


def test_sigterm_under_load_on_a_deep_root(installation: Installation, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.parent.mkdir()
    shutil.move(installation.root, deep)
    made = Installation(deep)
    with made.running() as up:
        for number in range(30):
            made.put("team", "source", {"password": f"{number}".encode()})
        assert up.control.send("GET", "/health/readiness", {}, b"")[0] == 200
        assert up.stop() == 0
        assert "Traceback" not in up.output()
        assert _left(up) == []
        up.restart()
        up.wait_for(lambda: made.values("app", "postgres") == {"password": b"29"}, "the last value")


def test_a_taken_port_is_refused(installation: Installation) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        installation.options = ("--listen", f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(NotReadyError, match=f"status {Exit.USAGE:d}.*give another address, or port 0"):
            Running(installation).start()


def test_tls_beyond_the_loopback(installation: Installation, openbao: OpenBao, tmp_path: Path) -> None:
    installation.options = ("--listen", "0.0.0.0:0")
    with pytest.raises(NotReadyError, match=f"status {Exit.USAGE:d}.*needs --tls-certificate"):
        Running(installation).start()
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("none")
    installation.options = ("--tls-certificate", str(garbage), "--tls-key", str(garbage))
    with pytest.raises(NotReadyError, match=f"status {Exit.USAGE:d}.*cannot be used"):
        Running(installation).start()
    made = issued(openbao, tmp_path)
    installation.options = (
        "--listen", "0.0.0.0:0", "--tls-certificate", str(made.server), "--tls-key", str(made.key)
    )  # fmt: skip
    up = Running(installation)
    try:
        up.spawn()
        ready = re.compile(r"ingress (https://0\.0\.0\.0:(\d+)/lockstep/default)")
        wait_for(lambda: ready.search(up.output()) or not up.alive(), "the ready line")
        found = ready.search(up.output())
        assert found, up.output()
        context = ssl.create_default_context(cafile=str(made.ca))
        with closing(
            http.client.HTTPSConnection("127.0.0.1", int(found[2]), timeout=20, context=context)
        ) as connection:
            connection.request("GET", "/health/liveness")
            assert connection.getresponse().status == 200
        up.signal(signal.SIGTERM)
        assert up.wait() == 0
    finally:
        up.end()
