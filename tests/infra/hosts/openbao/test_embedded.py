"""The embedded authority, as a host runs it: set up, restarted, crashed, killed, sealed, locked."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from events.references import PathRef
from functions._failures import StepFailure, Unavailable
from functions._values import SecretValue
from infra.hosts.openbao import embedded as embedded_module
from infra.hosts.openbao import process
from infra.hosts.openbao import server as server_module
from infra.hosts.openbao.embedded import EmbeddedOpenBao
from infra.hosts.openbao.failures import SealKeyError, ServerFailedError, StateInUseError
from infra.hosts.openbao.identities import Identities
from infra.hosts.openbao.warden import Warden
from infra.stores.vault.authority import VaultAuthority
from infra.stores.vault.health import health
from infra.stores.vault.http import HttpClient
from infra.stores.vault.kv import KvEngine
from tests.openbao import OpenBao, bare_step

pytestmark = pytest.mark.e2e

PATH = PathRef(mount="secret", path="team/app")
CANARY = "canary-9b1d6e"
Start = Callable[..., OpenBao]


def eventually(happened: Callable[[], bool], patience: float = 20.0) -> None:
    end = time.monotonic() + patience
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def test_set_up_restarted_and_silent(start_openbao: Start, tmp_path: Path) -> None:
    root = tmp_path / "root"
    bao = start_openbao(root, (bare_step("publish"),))
    assert bao.embedded.development_seal
    secret_ids = [bao.embedded.identity(name).secret_id.reveal().decode() for name in ("publish", "warden")]
    admin = bao.admin()
    _nobody_is_root(bao)
    written = VaultAuthority(KvEngine(admin)).write(PATH, {"password": SecretValue.of(CANARY)}, None)
    address, token = bao.settings.address, admin._keeper.value()  # to look for it in the logs
    bao.embedded.stop()
    bao.embedded.start()
    assert bao.settings.address == address
    stored = VaultAuthority(KvEngine(admin)).read(PATH)  # the same client: connections and token outlive a restart
    assert stored is not None
    assert stored.version == written
    bao.embedded.stop(patience=0)
    for path in (root / "state").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, f"others may read {path}"
        if path.is_file() and path.parent.name != "identities":
            content = path.read_bytes()
            for secret in (CANARY, token.reveal().decode(), *secret_ids):
                assert secret.encode() not in content, f"{path} tells a secret"
    audit = (root / "state" / "openbao" / "audit.log").read_text()
    assert '"path":"secret/data/team/app"' in audit


def _nobody_is_root(bao: OpenBao) -> None:
    admin = bao.admin()
    accessors = admin.call("LIST", "auth/token/accessors", kind="test").body["data"]["keys"]
    for accessor in accessors:
        token = admin.call("POST", "auth/token/lookup-accessor", body={"accessor": accessor}, kind="test")
        assert "root" not in token.body["data"]["policies"]


def test_a_seal_key_elsewhere(start_openbao: Start, tmp_path: Path) -> None:
    root, key = tmp_path / "root", tmp_path / "credentials" / "key"
    bao = start_openbao(root, seal=key)
    assert not bao.embedded.development_seal
    bao.embedded.stop(patience=0)
    assert key.read_bytes() not in b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())
    kept = key.read_bytes()
    key.unlink()
    with pytest.raises(SealKeyError, match="--seal-key"):
        EmbeddedOpenBao(root, (), key).start()
    key.write_bytes(b"another key of thirty-two bytes!")
    key.chmod(0o600)
    with pytest.raises(SealKeyError, match="is not the seal key"):
        EmbeddedOpenBao(root, (), key).start()
    key.write_bytes(kept)
    start_openbao(root, seal=key)


def test_two_on_one_root(start_openbao: Start, openbao_root: Path) -> None:
    bao = start_openbao(openbao_root)
    second = EmbeddedOpenBao(openbao_root, ())
    with pytest.raises(StateInUseError, match="another process"):
        second.start()
    second.stop()
    assert bao.embedded.status().running


def test_a_crash_is_told_and_mended(openbao_root: Path) -> None:
    told: list[str] = []
    bao = OpenBao(EmbeddedOpenBao(openbao_root, (), on_crash=told.append))
    bao.embedded.start()
    try:
        authority = VaultAuthority(bao.engine())
        authority.write(PATH, {"a": SecretValue.of("1")}, None)
        first = bao.embedded.status().pid
        os.kill(first, signal.SIGKILL)
        eventually(lambda: bao.embedded.status().crashes == 1)
        eventually(lambda: _answers(authority))
        assert bao.embedded.status().pid not in (0, first)
        assert bao.embedded.status().last_crash == "signal 9"
        assert "started again" in told[0]
    finally:
        bao.embedded.stop(patience=0)


def _answers(authority: VaultAuthority) -> bool:
    try:
        return authority.read(PATH) is not None
    except Unavailable:
        return False


_HOST = """
import sys, time
from pathlib import Path
from infra.hosts.openbao.embedded import EmbeddedOpenBao
embedded = EmbeddedOpenBao(Path(sys.argv[1]), ())
embedded.start()
print(embedded.status().pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start ends it")
def test_no_server_survives_a_killed_host(start_openbao: Start, openbao_root: Path) -> None:
    command = [sys.executable, "-c", _HOST, str(openbao_root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()) as host:
        assert host.stdout is not None
        pid = int(host.stdout.readline())
        host.kill()
    eventually(lambda: process.started_at(pid) == "")
    assert start_openbao(openbao_root).embedded.status().running


def test_a_stale_server_is_ended_and_a_stranger_is_not(start_openbao: Start, openbao_root: Path) -> None:
    bao = start_openbao(openbao_root)
    mark = openbao_root / "state" / "openbao" / "server.json"
    for known in (True, False):
        bao.embedded.stop(patience=0)
        with subprocess.Popen(["sleep", "600"]) as other:
            eventually(lambda pid=other.pid: process.started_at(pid) != "")  # type: ignore[misc]  # bound now
            found = process.mark(other.pid)
            process.save_mark(mark, found if known else process.ProcessMark(found.pid, "1"))
            if known:
                bao.embedded.start()
                assert other.wait(10) == -signal.SIGTERM
            else:
                bao.embedded.start()
                assert other.poll() is None
                other.kill()


def test_a_port_that_others_took(start_openbao: Start, openbao_root: Path) -> None:
    bao = start_openbao(openbao_root)
    VaultAuthority(bao.engine()).write(PATH, {"a": SecretValue.of("1")}, None)
    bao.close()
    before = json.loads((openbao_root / "state" / "openbao" / "ports.json").read_text())
    bao.embedded.stop(patience=0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", before["api"]))
        taken.listen()
        bao.embedded.start()
        assert not bao.settings.address.endswith(f":{before['api']}")
        assert VaultAuthority(bao.engine()).read(PATH) is not None


def test_sealed_and_stopped(start_openbao: Start, openbao_root: Path) -> None:
    bao = start_openbao(openbao_root)
    authority, http = VaultAuthority(bao.engine()), HttpClient(bao.settings)
    authority.write(PATH, {"a": SecretValue.of("1")}, None)
    assert health(http).serves
    bao.admin().call("POST", "sys/seal", body={}, kind="test")
    with pytest.raises(Unavailable, match="unseal"):
        authority.read(PATH)
    assert (health(http).sealed, health(http).serves) == (True, False)
    bao.embedded.stop(patience=0)
    with pytest.raises(Unavailable, match="cannot reach"):
        authority.read(PATH)
    assert not health(http).reachable
    bao.embedded.start()
    assert authority.read(PATH) is not None
    http.close()


# --- crashes while it is set up ---


class Died(BaseException):
    """The host died here."""


@pytest.mark.parametrize("point", ["identity", "serving", "admitted", "marked"])
def test_a_host_that_died_while_setting_up(
    start_openbao: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    def die(*args: object, **kwargs: object) -> None:
        raise Died

    where: tuple[type, str] = {
        "identity": (Identities, "ensure"),
        "serving": (EmbeddedOpenBao, "_log_in"),
        "admitted": (Warden, "_admit_secret_id"),
        "marked": (EmbeddedOpenBao, "_mark_established"),
    }[point]
    with monkeypatch.context() as patch:
        patch.setattr(*where, die)
        with pytest.raises(Died):
            EmbeddedOpenBao(tmp_path / "root", (bare_step("publish"),)).start()
    bao = start_openbao(tmp_path / "root", (bare_step("publish"),))
    with pytest.raises(StepFailure, match="permission denied"):  # it is known, and has no policy yet
        bao.client("publish").call("GET", "secret/data/x", kind="read")
    assert not (tmp_path / "root" / "state" / "openbao" / "warden.secret-id").exists()


def test_a_server_that_died_while_it_initialized_itself(
    start_openbao: Start, openbao_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_module, "SETUP_PATIENCE", 0.5)
    start_openbao(openbao_root).embedded.stop(patience=0)
    # As if the initialization had been cut off before the warden was known, and the mark of success not yet made.
    (openbao_root / "state" / "openbao" / "established.json").unlink()
    (openbao_root / "state" / "identities" / "lockstep-warden.json").unlink()
    bao = start_openbao(openbao_root, (bare_step("publish"),))
    assert (openbao_root / "state" / "openbao" / "raft.incomplete").is_dir()
    _nobody_is_root(bao)
    with pytest.raises(StepFailure, match="permission denied"):
        bao.client("publish").call("GET", "secret/data/x", kind="read")


def test_an_established_server_is_never_set_aside(start_openbao: Start, openbao_root: Path) -> None:
    start_openbao(openbao_root).embedded.stop(patience=0)
    (openbao_root / "state" / "identities" / "lockstep-warden.json").unlink()
    with pytest.raises(ServerFailedError, match="restore state/identities"):
        EmbeddedOpenBao(openbao_root, ()).start()
    assert not (openbao_root / "state" / "openbao" / "raft.incomplete").exists()


def test_broken_storage_is_reported_with_the_servers_words(start_openbao: Start, openbao_root: Path) -> None:
    start_openbao(openbao_root).embedded.stop(patience=0)
    (openbao_root / "state" / "openbao" / "raft" / "vault.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(ServerFailedError, match=r"server\.log"):
        EmbeddedOpenBao(openbao_root, ()).start()


def test_a_new_step_is_admitted_and_lost_credentials_are_made_anew(start_openbao: Start, openbao_root: Path) -> None:
    start_openbao(openbao_root, (bare_step("publish"),)).embedded.stop(patience=0)
    (openbao_root / "state" / "identities" / "lockstep-publish.json").unlink()
    bao = start_openbao(openbao_root, (bare_step("publish"), bare_step("rotate")))
    for name in ("publish", "rotate"):
        with pytest.raises(StepFailure, match="permission denied"):
            bao.client(name).call("GET", "secret/data/x", kind="read")


def test_what_is_not_started_says_so(tmp_path: Path) -> None:
    embedded = EmbeddedOpenBao(tmp_path / "root", ())
    for ask in (lambda: embedded.settings, lambda: embedded.warden, embedded.status):
        with pytest.raises(ServerFailedError, match="not started"):
            ask()
    embedded.stop()


def test_a_root_can_be_moved(start_openbao: Start, openbao_root: Path) -> None:
    bao = start_openbao(openbao_root)
    written = VaultAuthority(bao.engine()).write(PATH, {"a": SecretValue.of("1")}, None)
    bao.close()
    bao.embedded.stop(patience=0)
    moved = openbao_root.rename(openbao_root.with_name("moved"))
    stored = VaultAuthority(start_openbao(moved).engine()).read(PATH)
    assert stored is not None
    assert stored.version == written


def test_a_large_audit_log_is_set_aside(
    start_openbao: Start, openbao_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "LOG_CHECK", 0.02)
    bao = start_openbao(openbao_root)
    engine, audit = bao.engine(), openbao_root / "state" / "openbao" / "audit.log"
    engine.write("secret", "before", {}, 0)
    monkeypatch.setattr(server_module, "LOG_BYTES", audit.stat().st_size - 1)
    eventually(lambda: (audit.parent / "audit.log.1").exists() and audit.exists())
    monkeypatch.setattr(server_module, "LOG_BYTES", 1 << 40)
    eventually(lambda: _audited(engine, audit))
    assert '"path":"secret/data/before"' in (audit.parent / "audit.log.1").read_text()


def _audited(engine: KvEngine, audit: Path) -> bool:
    engine.read("secret", "after")
    return audit.exists() and '"path":"secret/data/after"' in audit.read_text()
