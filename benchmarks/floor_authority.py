"""The authority as the floors speak to it: one kept-alive connection, and a count of calls."""

import http.client
import json
from typing import Any


class FloorAuthority:
    """Requests with one token; whatever goes wrong ends the script."""

    def __init__(self, host: str, port: int, token: str) -> None:
        self._headers = {"X-Vault-Request": "true", "X-Vault-Token": token}
        self._connection = http.client.HTTPConnection(host, port)
        self.calls = 0

    def close(self) -> None:
        self._connection.close()

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Status and answer of one request below `/v1/`."""
        self.calls += 1
        self._connection.request(method, f"/v1/{path}", json.dumps(body) if body else None, self._headers)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())

    def read(self, path: str) -> tuple[int, dict[str, str]]:
        """The newest version of a path of the mount `secret`, and its values; 0 and nothing where there is none."""
        status, answer = self.ask("GET", f"secret/data/{path}")
        if status != 200:
            return 0, {}
        return answer["data"]["metadata"]["version"], answer["data"]["data"]

    def write(self, path: str, values: dict[str, str], newest: int) -> None:
        """Compare-and-set of a path of the mount `secret`."""
        body = {"options": {"cas": newest}, "data": values}
        status, answer = self.ask("POST", f"secret/data/{path}", body)
        if status != 200:
            raise SystemExit(f"the write was refused: {status} {answer}")
