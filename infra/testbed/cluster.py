"""A running cluster as its users have it: where it is, who may enter, and what can be done to it.

The servers belong to a process of their own (infra.testbed.supervisor), which stops them when nobody is connected to
it any more: a user that is killed leaves nothing running, and several processes can share one cluster.
"""

import contextlib
import json
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

from infra.testbed import binaries, crds, credentials, processes
from infra.testbed.api import TIMEOUT, Api, Object
from infra.testbed.commands import Layout
from infra.testbed.failures import ApiError, ClusterError

_ANSWER_PATIENCE = 180.0  # seconds; a start and everything it waits for
_ACCOUNT_PATIENCE = 30.0  # usual are 0.02
_POLL = 0.01
_ROOT = Path(__file__).parents[2]
_SOCKET = "control.socket"


class Cluster:
    """A connection to a running cluster; the cluster ends when its last one is closed.

    `server` is its URL, `ca` the file with the certificate that vouches for it, `admin` may do everything;
    `supervisor` is the id of the process that owns it, and of its process group.
    """

    def __init__(self, directory: Path) -> None:
        """Use the cluster of this directory. Raises ClusterError where none runs there."""
        self.directory = directory
        self._layout = Layout(directory)
        self._turn = threading.Lock()
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.settimeout(_ANSWER_PATIENCE)
        self._answers = self._connection.makefile("rb")
        try:
            self._connection.connect(str(directory / _SOCKET))
            told = self._hear()
            self.server, self.supervisor = told["server"], int(told["pid"])
        except (OSError, ClusterError) as failure:
            self._answers.close()
            self._connection.close()
            raise ClusterError(f"no test cluster runs in {directory}: {self._last_words() or failure}") from failure

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def ca(self) -> Path:
        return self._layout.ca

    @property
    def admin_token(self) -> str:
        return self._layout.admin_token.read_text()

    @cached_property
    def admin(self) -> Api:
        return self.api(self.admin_token)

    def api(self, token: str, timeout: float = TIMEOUT) -> Api:
        """A client in the identity of a bearer token."""
        return Api(self.server, self.ca, token, timeout)

    def kubeconfig(self, path: Path, *, token: str | None = None, namespace: str = "default") -> Path:
        """Write a kubeconfig for a token (the administrator's by default) and return its path."""
        content = credentials.kubeconfig(
            self.server, self.ca.read_bytes(), token=token or self.admin_token, namespace=namespace
        )
        return credentials.write_private(path, content)

    def service_account_token(
        self, namespace: str, name: str, audiences: Sequence[str] = (), seconds: int = 3600
    ) -> str:
        """A token by TokenRequest, for the API server's own audience unless others are named; 600 s at least.

        Raises ApiError, with status 404 where there is no such account.
        """
        spec: Object = {"expirationSeconds": seconds, **({"audiences": list(audiences)} if audiences else {})}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        return str(self.admin.post(path, body)["status"]["token"])

    def create_namespace(self, prefix: str = "test", labels: Mapping[str, str] | None = None) -> str:
        """A namespace that no one else uses, ready for Pods; its name."""
        name = f"{prefix}-{uuid.uuid4().hex[:10]}"
        self.admin.post("/api/v1/namespaces", {"metadata": {"name": name, "labels": dict(labels or {})}})
        self._wait_for_account(f"/api/v1/namespaces/{name}/serviceaccounts/default")
        return name

    def delete_namespace(self, name: str) -> None:
        """Ask for its end; nobody waits for it."""
        self.admin.delete(f"/api/v1/namespaces/{name}")

    def install(self, definitions: Iterable[Object]) -> None:
        """Install custom resource definitions (infra.testbed.crds.find) and wait until they are served."""
        crds.install(self.admin, definitions)

    # --- faults ---

    def restart_apiserver(self, *, graceful: bool = False) -> None:
        """End the API server (connections break, or end in order) and wait until it serves again at the same place."""
        self._do("restart gracefully" if graceful else "restart")

    def stop_apiserver(self) -> None:
        """From now on connections are refused."""
        self._do("stop apiserver")

    def start_apiserver(self) -> None:
        self._do("start apiserver")

    def pause(self) -> None:
        """Freeze the API server: connections stay open and nothing answers. `resume` wakes it."""
        self._do("pause")

    def resume(self) -> None:
        self._do("resume")

    # --- ending ---

    def close(self) -> None:
        """Leave it; the last one to leave stops it."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)  # also where a child process inherited the descriptor
        self._answers.close()
        self._connection.close()

    def check(self) -> None:
        """Raises ClusterError, with what it said last, when it has ended."""
        readable, _, _ = select.select([self._connection], [], [], 0)
        if readable:  # nothing is ever said unasked: this is the end
            self._hear()

    def stop(self) -> None:
        """Stop it for everybody, and wait until its servers are gone."""
        with contextlib.suppress(OSError, ClusterError):
            self._do("stop")
            self._answers.read()  # the end of the connection is the end of the supervisor
        self.close()

    def _wait_for_account(self, path: str) -> None:
        """Until a controller has made it: before, every Pod is refused."""
        end = time.monotonic() + _ACCOUNT_PATIENCE
        while True:
            try:
                self.admin.get(path)
            except ApiError as failure:
                if failure.status != 404 or time.monotonic() > end:
                    raise
                time.sleep(_POLL)
            else:
                return

    def _do(self, action: str) -> None:
        with self._turn:
            try:
                self._connection.sendall(json.dumps({"do": action}).encode() + b"\n")
            except OSError as failure:
                raise ClusterError(f"the test cluster has ended: {self._last_words() or failure}") from failure
            answer = self._hear()
        if "error" in answer:
            raise ClusterError(answer["error"])

    def _hear(self) -> dict[str, str]:
        line = self._answers.readline()
        if not line:
            raise ClusterError(f"the test cluster has ended: {self._last_words()}")
        answer: dict[str, str] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        return processes.tail(self.directory / "supervisor.log", 12)


def launch() -> Cluster:
    """Start a cluster of your own and wait until it is ready, some 4 s. Raises NoBinariesError or ClusterError."""
    binaries.find()  # says what is missing before anything is started
    directory = Path(tempfile.mkdtemp(prefix="lockstep-testbed-"))  # short: a socket's path has 107 characters at most
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(directory / _SOCKET))
            listener.listen()
            _supervise(directory, listener)
        return Cluster(directory)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise


@contextlib.contextmanager
def running() -> Iterator[Cluster]:
    """A cluster of your own for as long as the block lasts."""
    cluster = launch()
    try:
        yield cluster
    finally:
        cluster.stop()


def _supervise(directory: Path, listener: socket.socket) -> None:
    """Start the supervisor in a session of its own: Ctrl-C is for its user, whose end it notices. It leaves its parent
    at once, which returns here: it may outlive this process, and is nobody's child to wait for."""
    descriptor = listener.fileno()
    with (directory / "supervisor.log").open("wb") as log:
        subprocess.run(  # noqa: S603 - our own module, no shell
            [sys.executable, "-m", "infra.testbed.supervisor", str(directory), str(descriptor)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(descriptor,),
            start_new_session=True,
            cwd=_ROOT,
            check=True,
        )
