"""Speaking to the running instance of a ROOT through its Unix socket."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any

from infra.hosts.cli.failures import CommandError, Exit
from infra.hosts.unix_sockets import reachable

SOCKET = "lockstep.sock"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("lockstep", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with reachable(self._path) as short:
            self.sock.connect(short)


class ControlClient:
    """Requests to the control API of ROOT, and events to its ingress."""

    def __init__(self, root: Path, timeout: float = 60.0) -> None:
        self._root = root
        self._path = root.absolute() / "state" / SOCKET
        self._timeout = timeout

    def ask(self, name: str, /, **arguments: Any) -> Any:
        """A question that changes nothing. Raises CommandError."""
        return self._request("GET", name, arguments)

    def tell(self, name: str, /, **arguments: Any) -> Any:
        """An intervention. Raises CommandError."""
        return self._request("POST", name, arguments)

    def _request(self, method: str, name: str, arguments: dict[str, Any]) -> Any:
        body = json.dumps({key: value for key, value in arguments.items() if value is not None})
        status, raw = self.send(method, f"/control/v1/{name}", {"content-type": "application/json"}, body.encode())
        try:
            answer = json.loads(raw)
        except ValueError:
            raise CommandError("the running Lockstep answered something else than JSON", Exit.UNREACHABLE) from None
        if status != 200:
            raise CommandError(str(answer.get("error", f"status {status}")), EXITS.get(status, Exit.REFUSED))
        return answer

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """One raw request: status and body. Raises CommandError where nothing listens."""
        connection = _UnixConnection(self._path, self._timeout)
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (FileNotFoundError, ConnectionRefusedError):
            if not self._root.is_dir():
                raise CommandError(
                    f"there is no directory {self._root}; give the ROOT that `lockstep up` was started with "
                    "(--root, or LOCKSTEP_ROOT)",
                    Exit.UNREACHABLE,
                ) from None
            raise CommandError(
                f"Lockstep does not run on {self._root}; start it with `lockstep up --root {self._root}`",
                Exit.UNREACHABLE,
            ) from None
        except PermissionError:
            raise CommandError(
                f"{self._path} belongs to another user; run this as the one who runs Lockstep", Exit.REFUSED
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise CommandError(
                f"the running Lockstep did not answer ({type(error).__name__}); see its output", Exit.UNREACHABLE
            ) from None
        finally:
            connection.close()


EXITS = {400: Exit.USAGE, 404: Exit.NOT_FOUND, 503: Exit.UNREACHABLE}
