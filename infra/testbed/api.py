"""A small client of a Kubernetes API server, for what tests prepare and look at: standard library only."""

import http.client
import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from infra.testbed.failures import ApiError

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
_JSON = "application/json"
TIMEOUT = 30.0  # seconds
_LONGEST_MESSAGE = 500

Object = dict[str, Any]


class Api:
    """One identity at one API server. Every call is a connection of its own, so that threads may share it."""

    def __init__(self, server: str, ca: Path, token: str, timeout: float = TIMEOUT) -> None:
        self._address = urlsplit(server)
        self._trust = ssl.create_default_context(cafile=str(ca))
        self._token = token
        self._timeout = timeout

    def get(self, path: str, **query: str) -> Object:
        return self.call("GET", path, query=query)

    def post(self, path: str, body: Object) -> Object:
        return self.call("POST", path, body)

    def put(self, path: str, body: Object) -> Object:
        return self.call("PUT", path, body)

    def patch(self, path: str, body: Object) -> Object:
        """A JSON merge patch; `path` may end in /status."""
        return self.call("PATCH", path, body, content_type=MERGE)

    def apply(self, path: str, body: Object, manager: str) -> Object:
        """Server-side apply, taking what others own."""
        query = {"fieldManager": manager, "force": "true", "fieldValidation": "Strict"}
        return self.call("PATCH", path, body, query=query, content_type=APPLY)

    def delete(self, path: str) -> Object:
        return self.call("DELETE", path)

    def call(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = _JSON,
    ) -> Object:
        """The answer's object. Raises ApiError for a refusal and OSError where there is no answer."""
        headers = {"Authorization": f"Bearer {self._token}", "Accept": _JSON, "Content-Type": content_type}
        target = f"{path}?{urlencode(query)}" if query else path
        host, port = self._address.hostname or "", self._address.port
        connection = http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._trust)
        try:
            connection.request(method, target, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
        except http.client.HTTPException as failure:
            raise ConnectionError(f"{method} {path}: the API server broke off: {failure!r}") from failure
        finally:
            connection.close()
        if answer.status >= 400:
            raise _refusal(f"{method} {path}", answer.status, content)
        return _object(content)


def _refusal(call: str, status: int, content: bytes) -> ApiError:
    told = _object(content)
    message = str(told.get("message") or content[:_LONGEST_MESSAGE].decode(errors="replace"))
    return ApiError(call, status, str(told.get("reason", "")), message[:_LONGEST_MESSAGE])


def _object(content: bytes) -> Object:
    """The JSON object; {} for the few answers that are text, such as /readyz."""
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
