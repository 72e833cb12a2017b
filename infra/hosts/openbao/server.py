"""Supervises the embedded server: starts it, waits until it serves, restarts it when it crashes, stops it."""

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra.hosts.openbao import process
from infra.hosts.openbao.configuration import Ports, render
from infra.hosts.openbao.failures import ServerFailedError, StateInUseError
from infra.hosts.openbao.private_files import private_directory, read_json, write_private, write_private_json
from infra.hosts.openbao.seal import SealKey
from infra.stores.vault.health import health
from infra.stores.vault.http import HttpClient
from infra.stores.vault.settings import VaultSettings

START_PATIENCE = 30.0  # seconds; usual are 0.3, and 3 the first time
STOP_PATIENCE = 10.0
_STALE_PATIENCE = 5.0
_POLL = 0.02
_FIRST_PAUSE, _LONGEST_PAUSE, _STEADY = 0.2, 30.0, 60.0  # seconds between restarts; a steady run starts them anew
LOG_BYTES = 32 * 1024 * 1024  # a log larger than this is set aside, and replaces the one set aside before
LOG_CHECK = 60.0  # seconds between looks at the audit log
_ATTEMPTS = 3  # against ports that others take while we choose them

OnCrash = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """`crashes` counts since the host started; `last_crash` says how the newest one ended."""

    running: bool
    pid: int
    crashes: int
    last_crash: str


class OpenBaoServer:
    """One server over one state directory, which a lock keeps to this process."""

    def __init__(self, state: Path, seal: SealKey, on_crash: OnCrash) -> None:
        self._state = private_directory(state)
        self._seal = seal
        self._on_crash = on_crash
        self._lock_descriptor: int | None = None
        self._ports: Ports | None = None
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._spawned = threading.Event()
        self._gave_up = threading.Event()
        self._serves = False
        self._crashes = 0
        self._last_crash = ""

    @property
    def settings(self) -> VaultSettings:
        """How to reach it. The port stays the same from start to start, unless somebody else took it."""
        if self._ports is None:
            raise ServerFailedError("the embedded OpenBao was not started yet")
        return VaultSettings(self._ports.address)

    @property
    def log(self) -> Path:
        return self._state / "server.log"

    def start(self, secret_id_file: Path | None = None) -> None:
        """Start and wait until it serves. With `secret_id_file` a fresh one also sets itself up.

        Raises StateInUseError or ServerFailedError; then nothing is left running.
        """
        self._lock()
        try:
            self._end_stale()
            self._start(secret_id_file)
        except BaseException:
            self.stop(patience=0)
            raise

    def stop(self, patience: float = STOP_PATIENCE) -> None:
        """Stop and let go of the state. Does nothing where nothing runs."""
        self._stopping.set()
        running = self._process
        if running is not None:
            process.stop(running, patience)
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._process = None
        (self._state / "server.json").unlink(missing_ok=True)
        if self._lock_descriptor is not None:
            os.close(self._lock_descriptor)
            self._lock_descriptor = None

    def status(self) -> ServerStatus:
        running = self._process
        alive = running is not None and running.poll() is None
        return ServerStatus(alive, running.pid if running and alive else 0, self._crashes, self._last_crash)

    # --- starting ---

    def _start(self, secret_id_file: Path | None) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            ports = self._ports = self._choose_ports(fresh=attempt > 1)
            configuration = render(self._state, ports, self._seal, secret_id_file)
            write_private(self._state / "server.hcl", configuration.encode())
            if self._launch():
                if secret_id_file is not None:  # what it was to set up is set up
                    write_private(self._state / "server.hcl", render(self._state, ports, self._seal, None).encode())
                write_private_json(self._state / "ports.json", {"api": ports.api, "cluster": ports.cluster})
                return
            if "address already in use" not in self._log_tail():
                break
        raise ServerFailedError(f"the embedded OpenBao did not start; {self._reason()}")

    def _lock(self) -> None:
        descriptor = os.open(self._state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise StateInUseError(
                f"another process runs the authority in {self._state}; stop it first, or use another root"
            ) from None
        self._lock_descriptor = descriptor

    def _end_stale(self) -> None:
        known = process.load_mark(self._state / "server.json")
        if known is not None:
            process.stop_stale(known, _STALE_PATIENCE)

    def _choose_ports(self, *, fresh: bool) -> Ports:
        known = read_json(self._state / "ports.json") or {}
        api, cluster = known.get("api"), known.get("cluster")
        if not fresh and isinstance(api, int) and isinstance(cluster, int) and _free(api) and _free(cluster):
            return Ports(api, cluster)
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            second.bind(("127.0.0.1", 0))
            return Ports(first.getsockname()[1], second.getsockname()[1])

    def _launch(self) -> bool:
        _set_aside(self.log)
        _set_aside(self._state / "audit.log")
        private_directory(self._state / "raft")
        self._stopping.clear()
        self._spawned.clear()
        self._gave_up.clear()
        self._serves = False
        # The kernel ties the server to the thread that starts it, so that one thread stays with it all its life.
        self._thread = threading.Thread(target=self._supervise, name="openbao", daemon=True)
        self._thread.start()
        self._serves = self._wait_until_it_serves()
        if not self._serves:
            self._stopping.set()
            if self._process is not None:
                process.stop(self._process, 0)
            self._thread.join()
        return self._serves

    def _wait_until_it_serves(self) -> bool:
        http = HttpClient(self.settings)
        try:
            end = time.monotonic() + START_PATIENCE
            while time.monotonic() < end and not self._gave_up.is_set():
                said = health(http) if self._spawned.is_set() else None
                if said is not None and said.serves and not said.standby:
                    return True
                self._gave_up.wait(_POLL)
            return False
        finally:
            http.close()

    # --- supervising, in its own thread ---

    def _supervise(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            began = time.monotonic()
            if not self._run_once():
                return
            if time.monotonic() - began > _STEADY:
                pause = _FIRST_PAUSE
            self._stopping.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _run_once(self) -> bool:
        """Run the server to its end; whether it is to be started again."""
        try:
            running = process.spawn(self._state / "server.hcl", self.log)
        except (OSError, ServerFailedError) as error:
            return self._ended(f"it cannot be started: {error}")
        self._process = running
        process.save_mark(self._state / "server.json", process.mark(running.pid))
        self._spawned.set()
        if self._stopping.is_set():  # stop() came before it could see this process
            process.stop(running, 0)
        status = self._wait(running)
        return self._ended(f"signal {-status}" if status < 0 else f"status {status}")

    def _ended(self, how: str) -> bool:
        if self._stopping.is_set():
            return False
        self._last_crash = how
        if not self._serves:
            self._gave_up.set()  # it never served: start() reports it
            return False
        self._crashes += 1
        self._on_crash(f"the embedded OpenBao ended by itself ({how}); it is started again; see {self.log}")
        return True

    # --- logs ---

    def _wait(self, running: subprocess.Popen[bytes]) -> int:
        """Until the server ends; meanwhile its audit log is kept from growing without bounds."""
        while (status := process.ended(running, LOG_CHECK)) is None:
            if _set_aside(self._state / "audit.log"):
                running.send_signal(signal.SIGHUP)  # makes it open the file anew
        return status

    def _log_tail(self) -> str:
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - 4096))
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def _reason(self) -> str:
        lines = [line for line in self._log_tail().splitlines() if line.strip()]
        telling = [line for line in lines if "[ERROR]" in line or line.startswith(("Error", "error"))]
        said = (telling or lines or ["it said nothing"])[-1][:300]
        return f"{self._last_crash or 'it does not serve in time'}: {said} (see {self.log})"


def _set_aside(log: Path) -> bool:
    """Rename a log that has grown large; whether it had."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LOG_BYTES:
            log.replace(log.with_name(f"{log.name}.1"))
            return True
    return False


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
