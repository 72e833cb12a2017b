"""The three servers of one cluster, as the process that owns them sees them."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

from infra.testbed import commands, credentials, processes
from infra.testbed.api import Api
from infra.testbed.binaries import Binaries
from infra.testbed.commands import LOOPBACK, Layout, Ports
from infra.testbed.failures import ApiError, ClusterError

START_PATIENCE = 90.0  # seconds; usual are 4
STOP_PATIENCE = 10.0  # a graceful stop waits for open watches, up to a minute
_POLL = 0.02
_ATTEMPTS = 3  # against ports that others take while we choose them, and a machine that stalls while servers start
_API, _ETCD, _MANAGER = "kube-apiserver", "etcd", "kube-controller-manager"


class _EndedError(Exception):
    """A server ended before it was ready; with its last words."""


class _PortTakenError(_EndedError):
    """Somebody else was faster."""


class ControlPlane:
    """Use it in one thread that lives as long as the servers shall: the kernel kills them when it ends."""

    def __init__(self, binaries: Binaries, directory: Path) -> None:
        self._binaries = binaries
        self._layout = Layout(directory)
        self._ports = Ports(0, 0, 0)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def server(self) -> str:
        return f"https://{LOOPBACK}:{self._ports.api}"

    def start(self) -> None:
        """Start and wait until it answers and issues tokens. Raises ClusterError; then nothing is left running."""
        self._write_credentials()
        why = ""
        for _ in range(_ATTEMPTS):
            self._ports = commands.free_ports()
            try:
                self._start_all()
            except _EndedError as ended:
                why = str(ended)
                self.stop()
                shutil.rmtree(self._layout.directory / _ETCD, ignore_errors=True)
            except BaseException:
                self.stop()
                raise
            else:
                return
        raise ClusterError(f"the test cluster did not start in {_ATTEMPTS} attempts: {why}")

    def stop(self) -> None:
        """By force: nothing in it is to be kept."""
        for program in (_MANAGER, _API, _ETCD):
            self._end(program)

    def stop_apiserver(self, *, graceful: bool = False) -> None:
        """Gracefully it ends its watches in order, which takes seconds; otherwise connections break."""
        self._end(_API, STOP_PATIENCE if graceful else 0.0)

    def start_apiserver(self) -> None:
        """Start it again on the same port and wait until it is ready."""
        end = time.monotonic() + START_PATIENCE
        while True:
            self._spawn(_API, commands.kube_apiserver(self._binaries, self._layout, self._ports))
            try:
                return self._wait_for_apiserver()
            except _PortTakenError as failure:  # for a moment, by a connection going out
                if time.monotonic() > end:
                    raise ClusterError(f"another process took {self.server} while it was stopped") from failure
                time.sleep(_POLL)
            except _EndedError as failure:
                raise ClusterError(f"it did not start again: {failure}") from failure

    def pause(self) -> None:
        """Freeze the API server: connections stay open and nothing answers."""
        process = self._process(_API)
        process.send_signal(signal.SIGSTOP)
        # The signal takes each thread by itself: one that is still at work may answer until all have stopped.
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        self._process(_API).send_signal(signal.SIGCONT)

    def ended(self) -> str:
        """Which server ended by itself and what it said last; "" when all run that should."""
        for program, process in self._running.items():
            if process.poll() is not None:
                return self._reason(program)
        return ""

    # --- starting ---

    def _write_credentials(self) -> None:
        layout = self._layout
        credentials.write_private(layout.signing_key, credentials.signing_key())
        admin, manager = credentials.token(), credentials.token()
        credentials.write_private(layout.admin_token, admin)
        rows = (f'{admin},admin,admin,"system:masters"', f"{manager},system:{_MANAGER},manager")
        credentials.write_private(layout.tokens, "\n".join((*rows, "")))
        self._manager_token = manager

    def _start_all(self) -> None:
        self._spawn(_ETCD, commands.etcd(self._binaries, self._layout, self._ports))
        self._spawn(_API, commands.kube_apiserver(self._binaries, self._layout, self._ports))
        self._wait_for(self._layout.certificate.exists, "its certificate")
        self._wait_for_apiserver()
        ca = self._layout.ca.read_bytes()
        kubeconfig = credentials.kubeconfig(self.server, ca, token=self._manager_token)
        credentials.write_private(self._layout.manager_kubeconfig, kubeconfig)
        self._spawn(_MANAGER, commands.kube_controller_manager(self._binaries, self._layout))
        self._wait_for(self._controllers_work, "the controllers")

    def _wait_for_apiserver(self) -> None:
        self._wait_for(lambda: self._answers("/readyz"), "the API server")

    def _controllers_work(self) -> bool:
        default = "/api/v1/namespaces/default"
        return all(map(self._answers, (f"{default}/serviceaccounts/default", f"{default}/configmaps/kube-root-ca.crt")))

    def _answers(self, path: str) -> bool:
        try:
            self._trusted_api().get(path)
        except (OSError, HTTPException, ApiError, ValueError):  # also a certificate that is half written
            return False
        return True

    def _trusted_api(self) -> Api:
        if not self._layout.ca.exists():
            signer = credentials.issuer(self._layout.certificate.read_text())
            self._layout.ca.write_text(signer)
        return Api(self.server, self._layout.ca, self._layout.admin_token.read_text())

    def _wait_for(self, condition: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + START_PATIENCE
        while not condition():
            for program, process in self._running.items():
                if process.poll() is not None:
                    taken = "address already in use" in processes.tail(self._layout.log(program), 50)
                    raise (_PortTakenError if taken else _EndedError)(self._reason(program))
            if time.monotonic() > end:
                raise ClusterError(f"the test cluster did not start: {what} did not come in {START_PATIENCE:.0f} s")
            time.sleep(_POLL)

    # --- processes ---

    def _spawn(self, program: str, command: list[str]) -> None:
        log = self._layout.log(program)
        log.unlink(missing_ok=True)
        self._running[program] = processes.spawn(command, log)

    def _end(self, program: str, patience: float = 0.0) -> None:
        process = self._running.pop(program, None)
        if process is not None:
            processes.stop(process, patience)

    def _process(self, program: str) -> subprocess.Popen[bytes]:
        if program not in self._running:
            raise ClusterError(f"{program} is stopped")
        return self._running[program]

    def _reason(self, program: str) -> str:
        status = self._running[program].poll()
        return f"{program} ended with status {status}; it said last:\n{processes.tail(self._layout.log(program))}"
