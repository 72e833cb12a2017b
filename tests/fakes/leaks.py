"""Records of leaks, the index of fingerprints and the keys that make them, in memory."""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime

from events.references import PathRef
from functions._failures import Conflict
from functions._leaks import SETTLED, Indexed, Leak, Purpose, Sighting
from functions._values import SecretValue
from tests.fakes.authority import Instrumented, asked


class FakeLeaks(Instrumented):
    """`Leaks` over dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self._leaks: dict[str, Leak] = {}
        self.links: dict[PathRef, set[str]] = {}
        self.contained: dict[PathRef, tuple[str, ...]] = {}

    def ids(self) -> tuple[str, ...]:
        with self._operation("ids", ""):
            return tuple(sorted(self._leaks))

    def read(self, leak: str) -> Leak | None:
        with self._operation("read", leak):
            return self._leaks.get(leak)

    def write(self, leak: Leak) -> Leak:
        with self._operation("write", leak.id):
            known = self._leaks.get(leak.id)
            if (known.revision if known else 0) != leak.revision:
                raise Conflict(f"the record of leak {leak.id} changed since it was read")
            self._leaks[leak.id] = replace(leak, revision=leak.revision + 1)
            return self._leaks[leak.id]

    def remove(self, leak: Leak) -> None:
        with self._operation("remove", leak.id):
            known = self._leaks.get(leak.id)
            if known is not None and known.revision != leak.revision:
                raise Conflict(f"the record of leak {leak.id} changed since it was read")
            self._leaks.pop(leak.id, None)

    def of_path(self, path: PathRef) -> tuple[str, ...]:
        with self._operation("of_path", str(path)):
            return tuple(sorted(self.links.get(path, ())))

    def reading_of_path(self, path: PathRef) -> AbstractContextManager[Callable[[], tuple[str, ...]]]:
        return asked(lambda: self.of_path(path))

    def link(self, path: PathRef, leak: str) -> None:
        with self._operation("link", str(path)):
            self.links.setdefault(path, set()).add(leak)

    def unlink(self, path: PathRef, leak: str) -> None:
        with self._operation("unlink", str(path)):
            self.links.get(path, set()).discard(leak)

    def settled(self, path: PathRef) -> tuple[str, ...]:
        with self._operation("settled", str(path)):
            return self.contained.get(path, ())

    def settle(self, path: PathRef, leak: str) -> None:
        with self._operation("settle", str(path)):
            self.links.get(path, set()).discard(leak)
            known = self.contained.get(path, ())
            if leak not in known:
                self.contained[path] = (*known, leak)[-SETTLED:]


class FakeFingerprints(Instrumented):
    """`Fingerprints` by keys that are no secret; `version` is that of all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.version = 1

    def of(self, purpose: Purpose, values: Sequence[SecretValue], key_version: int | None = None) -> tuple[str, ...]:
        with self._operation("of", purpose):
            return tuple(self.one(purpose, value.reveal(), key_version) for value in values)

    def one(self, purpose: Purpose, raw: bytes, key_version: int | None = None) -> str:
        """What a test expects; unlogged."""
        version = key_version or self.version
        key = f"{purpose}.{version}".encode()
        return f"v{version}.{hmac.new(key, raw, hashlib.sha256).hexdigest()}"


class FakeFingerprintIndex(Instrumented):
    """`FingerprintIndex` over dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self._paths: dict[PathRef, Indexed] = {}
        self._sightings: dict[str, set[Sighting]] = {}
        self._round: datetime | None = None
        self.endless = False  # no round is ever over: as where a path is refused for good

    def read(self, path: PathRef) -> Indexed | None:
        with self._operation("read", str(path)):
            return self._paths.get(path)

    def reading(self, path: PathRef) -> AbstractContextManager[Callable[[], Indexed | None]]:
        return asked(lambda: self.read(path))

    def write(self, indexed: Indexed) -> Indexed:
        with self._operation("write", str(indexed.path)):
            known = self._paths.get(indexed.path)
            if (known.revision if known else 0) != indexed.revision:
                raise Conflict(f"the index of {indexed.path} changed since it was read")
            self._paths[indexed.path] = replace(indexed, revision=indexed.revision + 1)
            return self._paths[indexed.path]

    def find(self, fingerprint: str) -> tuple[Sighting, ...]:
        with self._operation("find", fingerprint):
            found = self._sightings.get(fingerprint, ())
            return tuple(sorted(found, key=lambda one: (str(one.path), one.key, one.version.number)))

    def add(self, fingerprint: str, sighting: Sighting) -> None:
        with self._operation("add", fingerprint):
            self._sightings.setdefault(fingerprint, set()).add(sighting)

    def drop(self, fingerprint: str, sighting: Sighting) -> None:
        with self._operation("drop", fingerprint):
            self._sightings.get(fingerprint, set()).discard(sighting)

    def round(self) -> datetime | None:
        with self._operation("round", ""):
            return None if self.endless else self._round

    def rounded(self, began: datetime) -> None:
        with self._operation("rounded", ""):
            self._round = max(began, self._round or began)
