"""An authority in memory with the semantics of KV v2, and what the fakes at the authority have in common."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import TypeVar, cast

from events.references import PathRef, Version
from functions._failures import Conflict, Reject, StepFailure, Unavailable
from functions._ports import PathHead, StoredSecret
from functions._values import SecretData, SecretValue

T = TypeVar("T")
Hook = Callable[[str, str], None]

KEPT_VERSIONS = 10  # KV v2's default max_versions
MAX_BYTES = 16 * 1024 * 1024


def _now() -> datetime:
    return datetime.now(UTC)


def _nothing(operation: str, subject: str) -> None:
    """The hook that injects no fault."""


class Instrumented:
    """A call log and fault injection: `before` runs ahead of an operation, `after` once it has taken effect.

    Both get (operation, subject) and may raise or change the fake; neither runs under its lock. An `after` that
    raises is a lost answer: the effect stays. `sealed` makes every operation raise Unavailable.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.before: Hook = _nothing
        self.after: Hook = _nothing
        self.sealed = False
        self._lock = RLock()

    def count(self, operation: str) -> int:
        """How often an operation was called."""
        return sum(1 for called, _ in list(self.calls) if called == operation)

    @contextmanager
    def _operation(self, operation: str, subject: str) -> Iterator[None]:
        with self._lock:
            self.calls.append((operation, subject))
        self.before(operation, subject)
        if self.sealed:
            raise Unavailable("authority", "the authority is sealed; unseal it", after=5.0)
        with self._lock:
            yield
        self.after(operation, subject)


@contextmanager
def asked(read: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """What `reading` of a port gives: read when it is asked for, so as early as a real one can; a failure waits until
    it is called for."""
    failure: StepFailure | None = None
    found: T | None = None
    try:
        found = read()
    except StepFailure as error:
        failure = error

    def answer() -> T:
        if failure is not None:
            raise failure
        return cast("T", found)

    yield answer


@dataclass(frozen=True, slots=True)
class _Version:
    created: datetime
    data: SecretData | None  # None: destroyed
    deleted: bool = False

    @property
    def live(self) -> bool:
        return self.data is not None and not self.deleted


@dataclass(slots=True)
class _Path:
    newest: int = 0
    versions: dict[int, _Version] = field(default_factory=dict)

    def version(self, number: int) -> Version:
        return Version(number=number, created=self.versions[number].created)


class FakeAuthority(Instrumented):
    """`Authority` over a dictionary. Compare-and-set looks at the version's number, as KV v2 does."""

    def __init__(self, clock: Callable[[], datetime] = _now, max_bytes: int = MAX_BYTES) -> None:
        super().__init__()
        self._clock = clock
        self._max_bytes = max_bytes
        self._last = datetime.min.replace(tzinfo=UTC)
        self._paths: dict[PathRef, _Path] = {}

    # --- the port ---

    def read(self, path: PathRef, version: Version | None = None) -> StoredSecret | None:
        with self._operation("read", str(path)):
            entry = self._paths.get(path)
            if entry is None:
                return None
            number = entry.newest if version is None else version.number
            found = entry.versions.get(number)
            if found is None or (version is not None and found.created != version.created):
                return None
            return StoredSecret(path, entry.version(number), dict(found.data or {}) if found.live else None)

    def reading(
        self, path: PathRef, version: Version | None = None
    ) -> AbstractContextManager[Callable[[], StoredSecret | None]]:
        return asked(lambda: self.read(path, version))

    def read_pinned(self, path: PathRef, pin: str) -> StoredSecret | None:
        with self._operation("read", str(path)):
            if not re.fullmatch(r"[1-9][0-9]{0,15}", pin):
                raise Reject(f"version {pin!r} of {path} is not a version number")
            entry = self._paths.get(path)
            if entry is None or int(pin) not in entry.versions:
                return None
            found = entry.versions[int(pin)]
            return StoredSecret(path, entry.version(int(pin)), dict(found.data or {}) if found.live else None)

    def head(self, path: PathRef) -> PathHead | None:
        with self._operation("head", str(path)):
            entry = self._paths.get(path)
            if entry is None:
                return None
            live = tuple(number for number, version in sorted(entry.versions.items()) if version.live)
            return PathHead(path, entry.version(entry.newest), entry.newest not in live, live)

    def heading(self, path: PathRef) -> AbstractContextManager[Callable[[], PathHead | None]]:
        return asked(lambda: self.head(path))

    def list(self, mount: str, prefix: str) -> tuple[PathRef, ...]:
        with self._operation("list", f"{mount}/{prefix}"):
            below = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
            found = (path for path in self._paths if path.mount == mount and path.path.startswith(below))
            return tuple(sorted(found, key=lambda path: path.path))

    def write(self, path: PathRef, data: SecretData, base: Version | None) -> Version:
        with self._operation("write", str(path)):
            self._check_values(path, data)
            entry = self._paths.get(path) or _Path()
            if entry.newest != (base.number if base else 0):
                raise Conflict(f"{path} changed since it was read; read it again")
            return self._append(path, data)

    def delete(self, path: PathRef, versions: tuple[int, ...]) -> None:
        with self._operation("delete", str(path)):
            self._change(path, versions, lambda version: replace(version, deleted=True))

    # --- what other people do at the authority, unlogged and never refused ---

    def foreign_write(self, path: PathRef, data: Mapping[str, bytes | str] | SecretData) -> Version:
        """Write without compare-and-set, as somebody else would."""
        with self._lock:
            return self._append(path, {key: _value(value) for key, value in data.items()})

    def undelete(self, path: PathRef, versions: tuple[int, ...]) -> None:
        with self._lock:
            self._change(path, versions, lambda version: replace(version, deleted=False))

    def destroy(self, path: PathRef, versions: tuple[int, ...]) -> None:
        with self._lock:
            self._change(path, versions, lambda version: replace(version, data=None))

    def delete_metadata(self, path: PathRef) -> None:
        """Forget the path with all its versions: the next write is version 1, with a later time."""
        with self._lock:
            self._paths.pop(path, None)

    def value(self, path: PathRef, key: str) -> bytes | None:
        """A value of the newest version, for assertions; None when it is absent or deleted."""
        with self._lock:
            entry = self._paths.get(path)
            found = entry.versions[entry.newest] if entry else None
            value = found.data.get(key) if found and found.live and found.data is not None else None
            return value.reveal() if value else None

    # --- internals ---

    def _append(self, path: PathRef, data: SecretData) -> Version:
        entry = self._paths.setdefault(path, _Path())
        self._last = max(self._clock(), self._last + timedelta(microseconds=1))
        entry.newest += 1
        entry.versions[entry.newest] = _Version(self._last, dict(data))
        entry.versions.pop(entry.newest - KEPT_VERSIONS, None)
        return entry.version(entry.newest)

    def _change(self, path: PathRef, numbers: tuple[int, ...], change: Callable[[_Version], _Version]) -> None:
        entry = self._paths.get(path)
        if entry is None:
            return
        for number in numbers:
            if number in entry.versions:
                entry.versions[number] = change(entry.versions[number])

    def _check_values(self, path: PathRef, data: SecretData) -> None:
        for key, value in data.items():
            try:
                value.reveal().decode()
            except UnicodeDecodeError:
                # `from None`: the decoding error holds the value
                raise Reject(f"{key!r} for {path} is not UTF-8 text; encode it with b64enc") from None
        if sum(len(value) for value in data.values()) > self._max_bytes:
            raise Reject(f"the values for {path} are larger than the authority accepts")


def _value(value: bytes | str | SecretValue) -> SecretValue:
    if isinstance(value, SecretValue):
        return value
    return SecretValue(value) if isinstance(value, bytes) else SecretValue.of(value)
