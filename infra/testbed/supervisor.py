"""The process that owns one cluster, and ends with the last process that uses it, however that ends.

Users hold a connection to its socket; the kernel closes it when they die. A request is a line of JSON, `{"do": ...}`,
and so is its answer: `{}` or `{"error": ...}`. The first line that a user gets, unasked, tells that the cluster is up.
"""

import json
import os
import selectors
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from infra.testbed import binaries
from infra.testbed.control_plane import ControlPlane
from infra.testbed.failures import TestbedError

_FIRST_USER = 30.0  # seconds that a cluster without any user lives
_LOOK = 1.0  # seconds between looks at the servers


class Supervisor:
    """Serves its users in one thread: requests are few, and the servers are tied to the thread that started them."""

    def __init__(self, plane: ControlPlane, listener: socket.socket) -> None:
        self._plane = plane
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._users: dict[socket.socket, bytes] = {}
        self._had_users = False
        self._stopping = False
        self._began = time.monotonic()
        self._actions: dict[str, Callable[[], object]] = {
            "restart": self._restart,
            "restart gracefully": lambda: self._restart(graceful=True),
            "stop apiserver": plane.stop_apiserver,
            "start apiserver": plane.start_apiserver,
            "pause": plane.pause,
            "resume": plane.resume,
            "stop": self.stop,
        }

    def run(self) -> None:
        """Serve until the last user is gone, a server ended, or one said stop."""
        self._selector.register(self._listener, selectors.EVENT_READ)
        while not self._stopping:
            for key, _ in self._selector.select(_LOOK):
                self._admit() if key.fileobj is self._listener else self._hear(key.fileobj)
            self._look()

    def stop(self) -> None:
        self._stopping = True

    def _restart(self, *, graceful: bool = False) -> None:
        self._plane.stop_apiserver(graceful=graceful)
        self._plane.start_apiserver()

    def _admit(self) -> None:
        user, _ = self._listener.accept()
        self._users[user] = b""
        self._had_users = True
        self._selector.register(user, selectors.EVENT_READ)
        self._say(user, {"server": self._plane.server, "pid": str(os.getpid())})

    def _hear(self, user: object) -> None:
        if not isinstance(user, socket.socket):
            return None
        try:
            heard = user.recv(4096)
        except OSError:
            heard = b""
        if not heard:
            return self._forget(user)
        *lines, self._users[user] = (self._users[user] + heard).split(b"\n")
        for line in lines:
            self._say(user, self._do(json.loads(line)["do"]))
        return None

    def _do(self, action: str) -> dict[str, str]:
        try:
            self._actions[action]()
        except TestbedError as failure:
            return {"error": str(failure)}
        return {}

    def _say(self, user: socket.socket, answer: dict[str, str]) -> None:
        try:
            user.sendall(json.dumps(answer).encode() + b"\n")
        except OSError:
            self._forget(user)

    def _forget(self, user: socket.socket) -> None:
        if self._users.pop(user, None) is not None:
            self._selector.unregister(user)
            user.close()

    def _look(self) -> None:
        idle = self._had_users or time.monotonic() - self._began > _FIRST_USER
        if self._plane.ended() or (not self._users and idle):
            self.stop()


def main() -> int:
    """`python -m infra.testbed.supervisor DIRECTORY DESCRIPTOR`: the listening socket is inherited."""
    if os.fork():
        return 0
    os.setpgid(0, 0)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # whoever starts it may wait for signals by blocking them
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))  # an exception: the servers are stopped below
    directory, listener = Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2]))
    plane = ControlPlane(binaries.find(), directory)
    try:
        told = _served(plane, listener)
        if told:  # before users lose their connection, and look here why
            sys.stderr.write(told + "\n")
            sys.stderr.flush()
    finally:
        plane.stop()
        listener.close()
    if told:  # the logs stay where they are
        return 1
    shutil.rmtree(directory, ignore_errors=True)
    return 0


def _served(plane: ControlPlane, listener: socket.socket) -> str:
    """Why it ended; "" where nobody needed it any more."""
    try:
        plane.start()
        Supervisor(plane, listener).run()
    except TestbedError as failure:
        return str(failure)
    return plane.ended()


if __name__ == "__main__":
    sys.exit(main())
