"""The audit stream of a real OpenBao: its file, rotated under it, and its socket, read and not read."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from events.references import PathRef
from functions._failures import Conflict, Unavailable
from functions._values import SecretValue
from infra.hosts.openbao import server
from infra.hosts.openbao.configuration import render
from infra.sources.vault_audit.listener import AuditListener
from infra.sources.vault_audit.source import AuditSource
from infra.sources.vault_audit.tail import FileTail
from infra.stores.vault.authority import VaultAuthority
from tests.infra.sources.vault_audit.test_source import Around
from tests.instance import wait_for
from tests.openbao import OpenBao

pytestmark = pytest.mark.e2e
CANARY = "canary-8d21"


class Bench:
    """A server, what is told of its audit stream, and somebody who writes there."""

    def __init__(self, bao: OpenBao, around: Around) -> None:
        self.bao, self.around = bao, around
        self.engine = bao.engine()
        self.authority = VaultAuthority(self.engine)

    def write(self, name: str, value: str = CANARY) -> PathRef:
        path = PathRef(mount="secret", path=f"auth/{name}")
        head = self.authority.head(path)
        self.authority.write(path, {"token": SecretValue.of(value)}, head.version if head else None)
        return path

    def call(self, method: str, path: str, body: dict[str, object]) -> None:
        self.bao.admin().call(method, path, body=body, kind="test")

    def told(self) -> list[str]:
        return [event.path.path.removeprefix("auth/") for event in self.around.told]


@pytest.fixture
def around() -> Around:
    return Around()


@pytest.fixture
def running() -> Iterator[Callable[[AuditSource], AuditSource]]:
    """Starts a source; stopped at the end."""
    made: list[AuditSource] = []

    def one(source: AuditSource) -> AuditSource:
        made.append(source)
        source.start()
        return source

    yield one
    for source in made:
        source.stop()


Run = Callable[[AuditSource], AuditSource]
StartOpenBao = Callable[..., OpenBao]


def test_a_file_that_is_rotated_in_the_midst_of_writes(
    start_openbao: StartOpenBao, tmp_path: Path, around: Around, running: Run
) -> None:
    bench = Bench(start_openbao(tmp_path / "root"), around)
    log = bench.bao.embedded.audit_file
    source = running(AuditSource(around.surroundings(), tail=FileTail(log), interval=0.005, pause=0.0))
    names = [f"n{number}" for number in range(60)]
    rotated = threading.Event()

    def rotate() -> None:
        """As logrotate does: rename, make anew, then tell the server, which writes to the old one until then."""
        for number in range(1, 6):
            wait_for(lambda n=number: len(around.told) >= n * 10, "some writes")  # type: ignore[misc]  # bound now
            log.rename(log.with_name(f"audit.log.{number}"))
            log.touch(0o600)
            os.kill(bench.bao.embedded.status().pid, signal.SIGHUP)
            wait_for(lambda: log.stat().st_size > 0, "the server to go over")
        rotated.set()

    rotating = threading.Thread(target=rotate)
    rotating.start()
    for name in names:
        bench.write(name)
    while not rotated.is_set():  # the server only goes over with its next line
        bench.authority.list("secret", "")
    rotating.join()
    wait_for(lambda: len(around.told) >= len(names), "all of them")
    assert bench.told() == names
    assert (source.gaps, around.sweeps, source.counts["unreadable"]) == (0, 0, 0)
    assert CANARY not in repr(around.told) + repr(around.notices)


@pytest.mark.parametrize(
    ("operation", "tells"),
    [
        (lambda b, path: b.engine.delete(path.mount, path.path, (1,)), 1),
        (lambda b, path: b.call("POST", f"secret/undelete/{path.path}", {"versions": [1]}), 1),
        (lambda b, path: b.call("PUT", f"secret/destroy/{path.path}", {"versions": [1]}), 1),
        (lambda b, path: b.engine.delete_metadata(path.mount, path.path), 1),
        (lambda b, path: b.authority.read(path), 0),
        (lambda b, path: b.authority.head(path), 0),
        (lambda b, path: b.write("n", "other"), 1),
        (lambda b, path: b.call("POST", f"secret/metadata/{path.path}", {"max_versions": 9}), 0),
    ],
    ids=["delete", "undelete", "destroy", "forget", "read", "head", "write", "settings"],
)  # fmt: skip
def test_which_operations_tell(
    openbao: OpenBao, around: Around, running: Run, operation: Callable[[Bench, PathRef], object], tells: int
) -> None:
    bench = Bench(openbao, around)
    path = bench.write("n")
    log = openbao.embedded.audit_file
    running(AuditSource(around.surroundings(), tail=FileTail(log), interval=0.005, pause=0.0))
    operation(bench, path)
    bench.write("end")
    wait_for(lambda: "end" in bench.told(), "the last write")
    assert bench.told() == ["n"] * tells + ["end"]
    for name in ("n", "end"):
        openbao.engine().delete_metadata("secret", f"auth/{name}")


def test_a_refused_write_tells_nothing(openbao: OpenBao, around: Around, running: Run) -> None:
    bench = Bench(openbao, around)
    bench.write("n")
    running(AuditSource(around.surroundings(), tail=FileTail(openbao.embedded.audit_file), interval=0.005, pause=0.0))
    for body in ({"data": {"a": "1"}, "options": {"cas": 0}}, {"data": {"a": "1"}, "options": {"cas": 99}}):
        with pytest.raises(Conflict):
            openbao.admin().call("POST", "secret/data/auth/n", body=body, kind="test")
    stranger = openbao.with_token(openbao.token('path "other/*" {\n  capabilities = ["read"]\n}\n'))
    with pytest.raises(Unavailable):
        stranger.call("POST", "secret/data/auth/n", body={"data": {"a": "1"}}, kind="test")
    bench.write("end")
    wait_for(lambda: around.told, "the last write")
    assert bench.told() == ["end"]
    for name in ("n", "end"):
        openbao.engine().delete_metadata("secret", f"auth/{name}")


# --- the socket device ------------------------------------------------------------------------------------------------


Declare = Callable[[str, str], None]


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch) -> Declare:
    """Declares a socket device beside the file device, as an operator does, for servers that start afterwards."""

    def one(kind: str, address: str) -> None:
        monkeypatch.setattr(server, "render", lambda *arguments: render(*arguments) + _device(kind, address))

    return one


def _device(kind: str, address: str) -> str:
    return f"""
audit "socket" "lockstep" {{
  options {{
    address = "{address}"
    socket_type = "{kind}"
    write_timeout = "200ms"
  }}
}}
"""


@dataclass
class Listening:
    """A server that writes to our socket, what is told of it, and the socket's address."""

    bench: Bench
    source: AuditSource
    kind: str
    address: object


@pytest.fixture(params=["tcp", "unix"])
def listening(
    request: pytest.FixtureRequest, start_openbao: StartOpenBao, tmp_path: Path, around: Around, declare: Declare
) -> Iterator[Listening]:
    bound = _bound(request.param, tmp_path)
    address = bound.getsockname()
    declare(request.param, address if request.param == "unix" else f"127.0.0.1:{address[1]}")
    source = AuditSource(around.surroundings(), listener=AuditListener(bound), interval=0.005, pause=0.0)
    source.start()
    try:
        yield Listening(Bench(start_openbao(tmp_path / "root"), around), source, request.param, address)
    finally:
        if source.alive():
            source.stop()


def test_a_socket_device_and_its_reader_restarted(
    listening: Listening, around: Around, running: Run, tmp_path: Path
) -> None:
    bench = listening.bench
    for name in ("one", "two"):
        bench.write(name)
    wait_for(lambda: bench.told() == ["one", "two"], "both writes")
    listening.source.stop()
    for name in ("while", "down"):
        bench.write(name)  # the file device still takes them, so the server answers
    swept = around.sweeps
    assert swept == 1, "the sweep that a connection begins with"
    again = AuditListener(_bound(listening.kind, tmp_path, listening.address))
    running(AuditSource(around.surroundings(), listener=again, interval=0.005, pause=0.0))

    def comes_back() -> bool:
        bench.write("after")
        return "after" in bench.told()

    wait_for(comes_back, "the device to connect again")
    wait_for(lambda: around.sweeps > swept, "the sweep for what was written meanwhile")
    assert {"while", "down"}.isdisjoint(bench.told())
    assert CANARY not in repr(around.told)


def test_a_reader_that_stalls_does_not_stop_the_authority(
    start_openbao: StartOpenBao, tmp_path: Path, around: Around, declare: Declare
) -> None:
    """Somebody accepts and reads nothing, as a process that is stopped does; the file device is what keeps it going."""
    bound = _bound("unix", tmp_path)
    bound.listen(16)
    declare("unix", bound.getsockname())
    bench = Bench(start_openbao(tmp_path / "root"), around)
    connection, _ = bound.accept()
    value = {f"key-{number}": "x" for number in range(400)}  # lines of 40 kB: the kernel keeps 200 kB of them
    for number in range(1, 13):
        bench.engine.write("secret", "auth/big", value, number - 1)
    head = bench.authority.head(PathRef(mount="secret", path="auth/big"))
    assert head is not None
    assert head.version.number == 12
    written = bench.bao.embedded.audit_file.read_bytes().count(b'"secret/data/auth/big"')
    assert written >= 24, "the file has every request and every response"
    connection.close()
    bound.close()


def _bound(kind: str, folder: Path, address: object = None) -> socket.socket:
    if kind == "unix":
        (folder / "s").unlink(missing_ok=True)
        made = socket.socket(socket.AF_UNIX)
        made.bind(str(folder / "s"))
    else:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address or ("127.0.0.1", 0))  # type: ignore[arg-type]  # what getsockname said
    return made
