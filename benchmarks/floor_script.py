"""The floor: the least that propagates a change, as a bare script. Watches, reads, writes, swaps; nothing else.

No claim, no event, no audit line, no retry, no second source: `python -m benchmarks.floor_script < configuration`.
"""

import http.client
import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any

from infra.sources.inotify import Inotify, Mask


class Floor:
    """One source, one path, some consumers."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._source = Path(given["source"])
        self._targets = [Path(target) for target in given["targets"]]
        self._path: str = given["path"]
        self._headers = {"X-Vault-Request": "true", "X-Vault-Token": given["token"]}
        self._connection = http.client.HTTPConnection(given["host"], given["port"])
        self._stamps = itertools.count(1)
        self._calls = 0
        self._seen = ""

    def run(self) -> None:
        inotify = Inotify()
        inotify.add(os.fspath(self._source), Mask.MOVED_TO)
        self._propagate()
        print("ready", flush=True)
        while True:
            if any(raw.name == "..data" for raw in inotify.wait(None)):
                self._calls = 0
                self._propagate()
                print(self._calls, flush=True)

    def _propagate(self) -> None:
        content = self._source / os.readlink(self._source / "..data")
        values = {entry.name: entry.read_text() for entry in content.iterdir()}
        status, answer = self._ask("GET", f"/v1/secret/metadata/{self._path}")
        newest = answer["data"]["current_version"] if status == 200 else 0
        body = {"options": {"cas": newest}, "data": values}
        status, answer = self._ask("POST", f"/v1/secret/data/{self._path}", body)
        if status != 200:
            raise SystemExit(f"the write was refused: {status} {answer}")
        _, answer = self._ask("GET", f"/v1/secret/data/{self._path}")
        for target in self._targets:
            self._swap(target, answer["data"]["data"])

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        self._calls += 1
        self._connection.request(method, path, json.dumps(body) if body else None, self._headers)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())

    def _swap(self, target: Path, values: dict[str, str]) -> None:
        """As a kubelet's AtomicWriter, with the durability that Lockstep gives: values are on disk before the swap."""
        stamp = f"..floor-{next(self._stamps)}"
        os.mkdir(target / stamp, 0o700)
        for key, value in values.items():
            handle = os.open(target / stamp / key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            os.write(handle, value.encode())
            os.fdatasync(handle)
            os.close(handle)
            if not (target / key).is_symlink():
                os.symlink(f"..data/{key}", target / key)
        before = os.readlink(target / "..data") if (target / "..data").is_symlink() else None
        os.symlink(stamp, target / "..data_tmp")
        os.rename(target / "..data_tmp", target / "..data")
        if before is not None:
            for key in os.listdir(target / before):
                os.unlink(target / before / key)
            os.rmdir(target / before)


if __name__ == "__main__":
    Floor(json.loads(sys.stdin.readline())).run()
