"""Secrets in memory: both ports, with faults on demand and a log of what was asked."""

import itertools
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypedDict, Unpack

from events.references import SecretRef, Version
from functions._failures import Conflict, Reject, Retry, StepFailure
from functions._manifests.selector import LabelSelector
from functions._ports import LookedAt, Secret, SecretContent, SecretHead
from functions._values import SecretValue

_KEY = re.compile(r"(?!\.\.)(?!\.$)[-._a-zA-Z0-9]{1,253}")
_LIMIT = 1024 * 1024  # bytes of values, as Kubernetes counts them

Hook = Callable[[str, SecretRef], None]


class Metadata(TypedDict, total=False):
    """What `put` may say of a Secret beside its data."""

    type: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    immutable: bool
    stamp: Mapping[str, Version]
    owner: str
    managed: frozenset[str]


@dataclass
class FakeSecrets:
    """SourceSecrets and TargetSecrets in one, safe to share between threads.

    `before` and `after` are called around every call with its name and Secret, outside the lock: they may raise
    (a fault, or a crash before or after the effect) and they may write (somebody else, in between). `select` has
    no one Secret; its hooks see the name "selected" in its namespace.
    """

    before: Hook | None = None
    after: Hook | None = None
    calls: list[tuple[str, str]] = field(default_factory=list)
    half_written: set[SecretRef] = field(default_factory=set)  # reading these raises Retry
    _secrets: dict[SecretRef, Secret] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _states: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    # --- what others do to the cluster -----------------------------------------------------------------------

    def put(self, ref: SecretRef, data: Mapping[str, bytes], **metadata: Unpack[Metadata]) -> str:
        """Somebody writes the Secret as a whole, unconditionally; its state."""
        with self._lock:
            values = {key: SecretValue(raw) for key, raw in data.items()}
            self._secrets[ref] = Secret(ref=ref, data=values, state=self._next(), **metadata)
            return self._secrets[ref].state

    def remove(self, ref: SecretRef) -> None:
        """Somebody deletes the Secret."""
        with self._lock:
            self._secrets.pop(ref, None)

    def drift(self, ref: SecretRef, key: str, value: bytes) -> str:
        """Somebody changes one key where it lies; the new state."""
        with self._lock:
            secret = self._secrets[ref]
            self._secrets[ref] = replace(
                secret, data={**secret.data, key: SecretValue(value)}, state=self._next(),
                drifted=secret.drifted or key in secret.managed,
            )  # fmt: skip
            return self._secrets[ref].state

    def values(self, ref: SecretRef) -> dict[str, bytes] | None:
        """The data as bytes, without logging a call; None when there is no such Secret."""
        with self._lock:
            secret = self._secrets.get(ref)
            return None if secret is None else {key: value.reveal() for key, value in secret.data.items()}

    # --- the ports -------------------------------------------------------------------------------------------

    def read(self, ref: SecretRef) -> Secret | None:
        self._enter("read", ref)
        with self._lock:
            self._refuse_half_written(ref)
            secret = self._secrets.get(ref)
        self._leave("read", ref)
        return secret

    @contextmanager
    def reading(self, ref: SecretRef) -> Iterator[Callable[[], Secret | None]]:
        """Read at once, as a store that is asked beside others; told, or raised, when it is called for."""
        failure: StepFailure | None = None
        secret: Secret | None = None
        try:
            secret = self.read(ref)
        except StepFailure as error:
            failure = error

        def found() -> Secret | None:
            if failure is not None:
                raise failure
            return secret

        yield found

    def head(self, ref: SecretRef) -> SecretHead | None:
        self._enter("head", ref)
        with self._lock:
            self._refuse_half_written(ref)
            secret = self._secrets.get(ref)
        self._leave("head", ref)
        if secret is None:
            return None
        return SecretHead(
            ref=ref, state=secret.state, stamp=secret.stamp, owner=secret.owner,
            drifted=secret.drifted, labels=secret.labels, annotations=secret.annotations,
        )  # fmt: skip

    def heads(self, refs: Collection[SecretRef]) -> LookedAt:
        return self.head  # each when it is asked for: a hook between two of them sees what it would of a real store

    def select(self, namespace: str, selector: LabelSelector) -> tuple[SecretRef, ...]:
        several = SecretRef(namespace=namespace, name="selected")
        self._enter("select", several)
        with self._lock:
            found = [
                ref for ref, secret in self._secrets.items()
                if ref.namespace == namespace and selector.matches(secret.labels)
            ]  # fmt: skip
        self._leave("select", several)
        return tuple(sorted(found, key=lambda ref: ref.name))

    def create(self, ref: SecretRef, content: SecretContent) -> str:
        self._enter("create", ref)
        with self._lock:
            _accept(ref, content)
            if ref in self._secrets:
                raise Conflict(f"{ref} exists already")
            state = self._store(ref, content)
        self._leave("create", ref)
        return state

    def update(self, ref: SecretRef, content: SecretContent, expected: str) -> str:
        self._enter("update", ref)
        with self._lock:
            _accept(ref, content)
            current = self._secrets.get(ref)
            if current is None or current.state != expected:
                raise Conflict(f"{ref} is no longer in the state that was read")
            if current.immutable and (dict(current.data) != dict(content.data) or not content.immutable):
                raise Reject(f"{ref} is immutable; delete it, and it is made anew")
            state = self._store(ref, content)
        self._leave("update", ref)
        return state

    def delete(self, ref: SecretRef, expected: str) -> None:
        self._enter("delete", ref)
        with self._lock:
            current = self._secrets.get(ref)
            if current is not None and current.state != expected:
                raise Conflict(f"{ref} is no longer in the state that was read")
            self._secrets.pop(ref, None)
        self._leave("delete", ref)

    # --- inside ----------------------------------------------------------------------------------------------

    def _store(self, ref: SecretRef, content: SecretContent) -> str:
        self._secrets[ref] = Secret(
            ref=ref, data=dict(content.data), state=self._next(), type=content.type,
            labels=dict(content.labels), annotations=dict(content.annotations), immutable=content.immutable,
            stamp=dict(content.stamp), owner=content.owner, managed=content.managed,
        )  # fmt: skip
        return self._secrets[ref].state

    def _next(self) -> str:
        return f"fake-{next(self._states)}"

    def _refuse_half_written(self, ref: SecretRef) -> None:
        if ref in self.half_written:
            raise Retry(f"{ref} is half-written", after=0.02)

    def _enter(self, call: str, ref: SecretRef) -> None:
        with self._lock:
            self.calls.append((call, str(ref)))
        if self.before:
            self.before(call, ref)

    def _leave(self, call: str, ref: SecretRef) -> None:
        if self.after:
            self.after(call, ref)


def _accept(ref: SecretRef, content: SecretContent) -> None:
    for key in content.data:
        if not _KEY.fullmatch(key):
            raise Reject(f"{ref}: {key[:80]!r} cannot be a key of a Secret")
    if sum(len(value) for value in content.data.values()) > _LIMIT:
        raise Reject(f"{ref}: the values exceed 1 MiB together")
