"""Waiting for Secrets of a cluster to be updated, as watches tell it."""

import base64
import threading
import time
from collections.abc import Iterable

from infra.kubernetes.api import Api
from infra.kubernetes.resources import SECRETS
from infra.kubernetes.watching import Watch, watch

Target = tuple[str, str]  # namespace and name


class Updates:
    """Follows the Secrets of some namespaces from when it is made, so that no update is missed."""

    def __init__(self, api: Api, namespaces: Iterable[str], key: str = "password") -> None:
        self._api, self._key = api, key
        self._turn = threading.Condition()
        self._missing: set[Target] = set()
        self._value = ""
        self._last = 0.0
        self._closed = False
        self._open: dict[str, Watch] = {}
        self._threads = []
        for namespace in namespaces:
            _, position = api.reduced(SECRETS, lambda _: None, namespace, metadata_only=True)
            self._open[namespace] = watch(api, SECRETS, position, namespace)
            thread = threading.Thread(target=self._follow, args=(namespace,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def expect(self, targets: Iterable[Target], value: str) -> None:
        """What the next `wait` is for; to be said before the change is made."""
        with self._turn:
            self._missing, self._value, self._last = set(targets), value, 0.0

    def wait(self, patience: float = 600.0) -> float:
        """When (`time.perf_counter`) the last of them was seen to hold what is expected."""
        with self._turn:
            if not self._turn.wait_for(lambda: not self._missing, patience):
                raise TimeoutError(f"{len(self._missing)} Secrets were not updated within {patience:g} s")
            return self._last

    def close(self) -> None:
        self._closed = True
        for one in tuple(self._open.values()):
            one.close()
        for thread in self._threads:
            thread.join()

    def _follow(self, namespace: str) -> None:
        while not self._closed:
            with self._open[namespace] as stream:
                for event in stream:
                    when = time.perf_counter()
                    if event.type in ("ADDED", "MODIFIED"):
                        self._note(event.object, when)
                position = stream.resource_version
            if not self._closed:  # a watch ends after minutes
                self._open[namespace] = watch(self._api, SECRETS, position, namespace)

    def _note(self, found: dict[str, object], when: float) -> None:
        metadata, data = found["metadata"], found.get("data") or {}
        assert isinstance(metadata, dict)
        assert isinstance(data, dict)
        value = base64.b64decode(data.get(self._key, "")).decode()
        target = (metadata["namespace"], metadata["name"])
        with self._turn:
            if value == self._value and target in self._missing:
                self._missing.discard(target)
                self._last = when
                if not self._missing:
                    self._turn.notify_all()
