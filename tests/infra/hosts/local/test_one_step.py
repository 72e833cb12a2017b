"""One step as a process of its own, beside a broker elsewhere."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from events.cloudevent import CloudEvent
from events.envelope import issue, read
from events.http_binding import decode, encode_binary
from events.references import PathRef, SecretRef
from events.secret import SecretChanged, SecretPublished
from infra.hosts.cli.failures import Exit
from infra.stores.vault.authority import VaultAuthority
from tests.infra.hosts.exposition import parsed
from tests.infra.hosts.served import Served
from tests.infra.stores import directory_producers as producers
from tests.infra.wiring.samples import STORE, external, push, together
from tests.instance import wait_for
from tests.openbao import OpenBao

EVERYTHING = 'path "*" {\n  capabilities = ["create", "read", "update", "patch", "delete", "list", "sudo"]\n}\n'
SOURCE = SecretRef(namespace="platform-data", name="temporal.credentials")
_LOCKSTEP = str(Path(sys.executable).with_name("lockstep"))


def _environment(**more: str) -> dict[str, str]:
    keep = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**keep, "PYTHONPATH": str(Path(__file__).parents[4]), "PYTHONWARNINGS": "error", **more}


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"LOCKSTEP_STEP": "record", "BAO_ADDR": "http://127.0.0.1:9"}, "`record` runs within `up`"),
        ({"LOCKSTEP_STEP": "publish"}, "set VAULT_ADDR or BAO_ADDR"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, environment: Mapping[str, str], says: str) -> None:
    found = subprocess.run(
        [_LOCKSTEP, "serve", "--root", str(tmp_path), "--listen", "127.0.0.1:0"],
        env=_environment(HOME=str(tmp_path), **environment), capture_output=True, check=False, timeout=30,
    )  # fmt: skip
    assert (found.returncode, says in found.stderr.decode()) == (Exit.USAGE, True)


@dataclass
class Process:
    """The running step."""

    child: "subprocess.Popen[bytes]"
    output: Path
    port: int = 0

    def post(self, event: CloudEvent) -> tuple[int, dict[str, str], bytes]:
        headers, body = encode_binary(event)
        answer = Served.ask(self, "POST", "/", body, dict(headers))  # type: ignore[arg-type]  # it needs `connect` alone
        return answer.status, dict(answer.headers), answer.body

    connect = Served.connect


@contextmanager
def serving(root: Path, **environment: str) -> Iterator[Process]:
    output = root.with_name("output")
    with output.open("wb") as stream:
        child = subprocess.Popen(
            [_LOCKSTEP, "serve", "--root", str(root), "--listen", "127.0.0.1:0"],
            env=_environment(HOME=str(root), **environment), stdout=stream, stderr=stream, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    process = Process(child, output)
    try:
        ready = re.compile(r"^lockstep step \w+ ready on port (\d+)$", re.MULTILINE)
        wait_for(lambda: ready.search(output.read_text()) or child.poll() is not None, "the ready line")
        found = ready.search(output.read_text())
        assert found, output.read_text()
        process.port = int(found[1])
        yield process
    finally:
        child.kill()
        child.wait(20)


@pytest.mark.e2e
def test_publish_over_http(openbao: OpenBao, tmp_path: Path) -> None:
    path = openbao.path("temporal")
    root = tmp_path / "root"
    (root / "wiring").mkdir(parents=True)
    (root / "wiring" / "all.yaml").write_text(together(STORE, push(path=path.path), external(path=path.path)))
    producers.swap(root, SOURCE, {"username": b"u", "password": b"canary-4711"})
    token = openbao.token(EVERYTHING).reveal().decode()
    address = openbao.settings.address
    with serving(root, LOCKSTEP_STEP="publish", BAO_ADDR=address, BAO_TOKEN=token) as process:
        status, headers, body = process.post(_changed())
        assert status == 200, body
        published = read(decode(list(headers.items()), body)).event
        assert isinstance(published, SecretPublished)
        assert (published.path, published.outcome) == (path, "written")
        assert _stored(openbao, path) == {"username": b"u", "password": b"canary-4711"}
        assert Served.ask(process, "GET", "/health/readiness").status == 200  # type: ignore[arg-type]  # as above
        parsed(Served.ask(process, "GET", "/metrics").body.decode())  # type: ignore[arg-type]  # as above

        # a store manifest that names another server than the one that is spoken to may not act
        elsewhere = STORE.replace("vault: {", "vault: {server: 'https://elsewhere.example', ")
        (root / ".new").write_text(together(elsewhere, push(path=path.path)))
        (root / ".new").replace(root / "wiring" / "all.yaml")
        wait_for(lambda: process.post(_changed())[0] == 204, "the store to be refused")
        producers.swap(root, SOURCE, {"username": b"u", "password": b"two"})
        assert process.post(_changed())[0] == 204
        assert _stored(openbao, path) == {"username": b"u", "password": b"canary-4711"}

        # an access policy that cannot be read keeps the last one and is said
        (root / "access.yaml").write_text("a: [1")
        wait_for(lambda: "access.yaml" in process.output.read_text(), "the policy's problem to be said")
        process.child.send_signal(signal.SIGTERM)
        assert process.child.wait(20) == 0
    said = process.output.read_text()
    assert "canary" not in said
    assert "Traceback" not in said


def _changed() -> CloudEvent:
    return issue(SecretChanged(secret=SOURCE, seen="s"), source="/tests", now=datetime.now(UTC))


def _stored(openbao: OpenBao, path: PathRef) -> dict[str, bytes] | None:
    found = VaultAuthority(openbao.engine()).read(path)
    return {key: value.reveal() for key, value in found.data.items()} if found and found.data is not None else None
