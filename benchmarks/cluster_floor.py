"""The floor in a cluster: a watch, and for each change five requests on kept connections, as a bare script.

GET the source, GET the path's metadata, compare-and-set, GET the values, PATCH each target. No claim, event, audit
line, status or retry, and one change after the other: `python -m benchmarks.cluster_floor < configuration`.
"""

import base64
import http.client
import json
import ssl
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

MERGE = "application/merge-patch+json"


class Floor:
    """Every Secret of one namespace, one path each, and a Secret of the same name in each of some namespaces."""

    def __init__(self, given: dict[str, Any]) -> None:
        authority = given["authority"]
        self._given = given
        self._calls = 0
        self._kubernetes = {"Authorization": f"Bearer {given['token']}", "Accept": "application/json"}
        self._vault = {"X-Vault-Request": "true", "X-Vault-Token": authority["token"]}
        self._api = self._api_server()
        self._authority = http.client.HTTPConnection(authority["host"], authority["port"])

    def run(self) -> None:
        collection = f"/api/v1/namespaces/{self._given['namespace']}/secrets"
        listed = self._ask(self._api, "GET", collection, self._kubernetes)
        for one in listed["items"]:
            self._propagate(one["metadata"]["name"])
        version = listed["metadata"]["resourceVersion"]
        watching = self._api_server()
        watching.request("GET", f"{collection}?watch=1&resourceVersion={version}", headers=self._kubernetes)
        events = watching.getresponse()
        print("ready", flush=True)
        while line := events.readline():
            event = json.loads(line)
            if event["type"] == "MODIFIED":
                self._calls = 0
                self._propagate(event["object"]["metadata"]["name"])
                print(self._calls, flush=True)

    def _propagate(self, name: str) -> None:
        namespace, path = self._given["namespace"], f"{self._given['authority']['folder']}/{name}"
        source = self._ask(self._api, "GET", f"/api/v1/namespaces/{namespace}/secrets/{name}", self._kubernetes)
        values = {key: base64.b64decode(value).decode() for key, value in source["data"].items()}
        known = self._ask(self._authority, "GET", f"/v1/secret/metadata/{path}", self._vault, missing=True)
        newest = known["data"]["current_version"] if known else 0
        written = {"options": {"cas": newest}, "data": values}
        self._ask(self._authority, "POST", f"/v1/secret/data/{path}", self._vault, written)
        held = self._ask(self._authority, "GET", f"/v1/secret/data/{path}", self._vault)["data"]["data"]
        patch = {"data": {key: base64.b64encode(value.encode()).decode() for key, value in held.items()}}
        for target in self._given["targets"]:
            where = f"/api/v1/namespaces/{target}/secrets/{name}"
            self._ask(self._api, "PATCH", where, {**self._kubernetes, "Content-Type": MERGE}, patch)

    def _ask(
        self, connection: http.client.HTTPConnection, method: str, path: str, headers: Mapping[str, str],
        body: dict[str, Any] | None = None, *, missing: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        self._calls += 1
        connection.request(method, path, json.dumps(body) if body else None, dict(headers))
        answer = connection.getresponse()
        content = answer.read()
        if missing and answer.status == 404:
            return {}
        if answer.status >= 300:
            raise SystemExit(f"{method} {path} was refused: {answer.status} {content[:300]!r}")
        found: dict[str, Any] = json.loads(content)
        return found

    def _api_server(self) -> http.client.HTTPSConnection:
        url = urlsplit(self._given["server"])
        trust = ssl.create_default_context(cafile=self._given["ca"])
        return http.client.HTTPSConnection(url.hostname or "", url.port, context=trust)


if __name__ == "__main__":
    Floor(json.loads(sys.stdin.readline())).run()
