"""Source Secrets that changed in the directory store, as hints (seed 001, 5a.3.2: reactive push)."""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from events.references import SecretRef
from events.secret import SecretChanged, SecretRemoved
from functions._failures import Reject, Retry
from functions._ports import SecretHead
from infra.sources.tree_watch import Notice, TreeWatch

_DEPTH = 3  # namespaces / <namespace> / <secret> / ..<stamp>
_FIRST_RECHECK = 0.02  # seconds
_LONGEST_RECHECK = 1.0
_OUR_WRITE = 0.02  # seconds that a Secret of ours is left alone: a write of ours wakes the watch many times
_NOT_KEPT = "nothing"
_LOST = 8  # tries that an event counts as which was taken and not kept: a disk is full for longer than a broker is busy
_AT_ONCE = 64  # Secrets of a listing that are looked at before news is heard again


class ListedSecrets(Protocol):
    """What is asked of the store: its listings, and heads as SourceSecrets has them."""

    def head(self, ref: SecretRef) -> SecretHead | None: ...

    def list_namespaces(self) -> tuple[str, ...]: ...

    def list(self, namespace: str) -> tuple[SecretRef, ...]: ...


@dataclass(slots=True)
class _Look:
    """A look that is still to be taken at a Secret. Times are monotonic seconds."""

    due: float
    since: float
    tries: int = 0


Emit = Callable[[SecretChanged | SecretRemoved], Iterable[Future[int]] | None]


class DirectoryWatch:
    """Emits SecretChanged and SecretRemoved for the Secrets that `interested` names, from its own thread.

    A hint is emitted when the state differs from the last one emitted, or, before there was one, from `known` (the
    source state last published, None for none): nothing for what is unchanged. After the last change of a Secret
    there is always a look at it, and so a hint for its final state. Changes of one Secret within `pause` seconds of
    a hint share the next one. A half-written Secret is looked at again until it is whole, for `patience` seconds;
    then, as for one that is refused, the hint lets the step say why. Our own writes (a Secret with an owner) are no
    news unless somebody changed them, or the Secret is `derived`: itself a source. `expected` are the Secrets whose
    absence would be news after a restart. The callables are called from the watch's thread. What `emit` raises, or what
    a future that it returns ends with, keeps the news: it is told again.
    """

    def __init__(
        self, root: Path, secrets: ListedSecrets, *,
        interested: Callable[[SecretRef], bool], emit: Emit,
        known: Callable[[SecretRef], str | None], expected: Callable[[], Iterable[SecretRef]] = tuple,
        derived: Callable[[SecretRef], bool] = lambda _: False,
        notice: Notice | None = None, pause: float = 0.05, patience: float = 60.0, interval: float = 1.0,
    ) -> None:  # fmt: skip
        self._secrets = secrets
        self._interested = interested
        self._emit = emit
        self._known = known
        self._expected = expected
        self._derived = derived
        self._pause = pause
        self._patience = patience
        self._looks: dict[SecretRef, _Look] = {}
        self._listed: dict[SecretRef, None] = {}  # still to be compared; what is known to have changed goes first
        self._compared = threading.Event()
        self._unlisted: dict[str, tuple[float, str]] = {}  # namespaces to be listed again: when, and why they were not
        self._ours: set[SecretRef] = set()
        self._our_names: set[str] = set()  # the same, as text
        self._told: dict[SecretRef, str] = {}  # what the last look found, once it was emitted (or was no news)
        self._emitted: dict[SecretRef, float] = {}
        self._lost: deque[tuple[SecretRef, str]] = deque()  # what was emitted and not kept after all, and why
        self._error: str | None = None
        self._notice = notice or (lambda _: None)
        namespaces = (root / "namespaces").absolute()
        self._prefix = f"{namespaces}/"
        self._tree = TreeWatch(
            [namespaces], self._changed, on_time=self._on_time, depth=_DEPTH, notice=notice,
            interval=interval, name="directory-watch",
            unhurried=self._is_ours,  # looks at them wait longer anyway
        )  # fmt: skip

    def start(self) -> None:
        self._tree.start()

    def stop(self, timeout: float = 10.0) -> None:
        """End the thread. Raises TimeoutError where `emit` does not return."""
        self._tree.stop(timeout)

    def alive(self) -> bool:
        return self._tree.alive()

    def wait_ready(self, timeout: float) -> bool:
        """Whether all is watched and was compared once, within `timeout` seconds."""
        return self._compared.wait(timeout)

    def relist(self) -> None:
        """Compare everything once more, as when the wiring names other Secrets now; from any thread."""
        self._tree.look_again()

    @property
    def mode(self) -> str:
        """How changes are noticed: "inotify", "polling", or "stopped"."""
        return self._tree.mode

    @property
    def last_error(self) -> str | None:
        return self._error or self._tree.last_error

    # --- what to look at -------------------------------------------------------------------------------------

    def _changed(self, paths: frozenset[Path]) -> None:
        # One update is a dozen paths of one Secret: fewer names first.
        for parts in {found for path in paths if (found := self._parts(path)) is not None}:
            if len(parts) == 2:
                for ref in filter(self._interested, _reference(*parts)):
                    self._look_soon(ref)
            else:
                self._listed.update(dict.fromkeys(self._concerned(parts)))

    def _is_ours(self, directory: str) -> bool:
        """Whether it is within a Secret that we write."""
        parts = directory[len(self._prefix) :].split("/", 2)
        return directory.startswith(self._prefix) and len(parts) > 1 and f"{parts[0]}/{parts[1]}" in self._our_names

    def _parts(self, path: Path) -> tuple[str, ...] | None:
        """Namespace and name, as far as the path tells them; None for one that is not below the namespaces."""
        text = str(path)  # not by pathlib: that was a seventh of a busy watch's time
        if text.startswith(self._prefix):
            return tuple(text[len(self._prefix) :].split("/", 2)[:2])
        return () if text == self._prefix[:-1] else None

    def _look_soon(self, ref: SecretRef) -> None:
        now = time.monotonic()
        due = max(now, self._emitted.get(ref, now - self._pause) + self._pause)
        waiting = self._looks.get(ref)
        if ref in self._ours:  # not later and later while it is written: the first wake counts
            due = max(due, min(now + _OUR_WRITE, waiting.due if waiting else now + _OUR_WRITE))
        self._looks[ref] = _Look(due=due, since=now)

    def _concerned(self, parts: tuple[str, ...]) -> Iterable[SecretRef]:
        namespaces = parts or self._secrets.list_namespaces()
        present = {ref for name in namespaces if _reference(name, "any") for ref in self._list(name)}
        absent = {ref for ref in (*self._told, *self._expected()) if not parts or ref.namespace == parts[0]}
        return sorted(filter(self._interested, present | absent), key=str)

    def _list(self, namespace: str) -> tuple[SecretRef, ...]:
        """The Secrets of a namespace; of one that cannot be listed none, for now: it holds up no other."""
        before = self._unlisted.pop(namespace, None)
        try:
            return self._secrets.list(namespace)
        except (Retry, Reject) as failure:
            if before is None or before[1] != failure.reason:
                self._notice(f"namespace {namespace} cannot be watched: {failure.reason}")
            self._unlisted[namespace] = (time.monotonic() + _LONGEST_RECHECK, failure.reason)
            return ()

    # --- looking ---------------------------------------------------------------------------------------------

    def _on_time(self) -> float | None:
        now = time.monotonic()
        while self._lost:
            self._tell_again(*self._lost.popleft())
        for namespace in [name for name, (due, _) in self._unlisted.items() if due <= now]:
            self._listed.update(dict.fromkeys(self._concerned((namespace,))))
        for ref in [ref for ref, look in self._looks.items() if look.due <= now]:
            self._take(ref, self._looks.pop(ref))
        for ref in list(itertools.islice(self._listed, _AT_ONCE)):
            del self._listed[ref]
            if ref not in self._looks:
                self._take(ref, _Look(due=now, since=now))
        if self._listed:
            return 0.0
        self._compared.set()
        dues = [look.due for look in self._looks.values()] + [due for due, _ in self._unlisted.values()]
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    def _take(self, ref: SecretRef, look: _Look) -> None:
        try:
            head = self._secrets.head(ref)
        except Retry as failure:
            if time.monotonic() - look.since < self._patience:
                self._postpone(ref, look, failure.after)
            else:
                self._tell(ref, look, f"unreadable {failure.reason}", SecretChanged(secret=ref))
        except Reject as failure:
            self._tell(ref, look, f"refused {failure.reason}", SecretChanged(secret=ref))
        else:
            self._compare(ref, look, head)

    def _compare(self, ref: SecretRef, look: _Look, head: SecretHead | None) -> None:
        ours = head is not None and bool(head.owner) and not head.drifted and not self._derived(ref)
        (self._ours.add if ours else self._ours.discard)(ref)
        (self._our_names.add if ours else self._our_names.discard)(str(ref))
        if head is None:
            if ref in self._told or self._known(ref) is not None:
                self._tell(ref, look, "absent", SecretRemoved(secret=ref))
        elif ours or (ref not in self._told and self._known(ref) == head.state):
            self._told[ref] = f"present {head.state}"
        else:
            self._tell(ref, look, f"present {head.state}", SecretChanged(secret=ref, seen=head.state))

    def _tell(self, ref: SecretRef, look: _Look, found: str, event: SecretChanged | SecretRemoved) -> None:
        if self._told.get(ref) == found:
            return
        try:
            kept = self._emit(event)
        except Exception as error:  # noqa: BLE001 - whatever the broker raises, the hint is kept; the error is shown
            self._failed(ref, type(error).__name__)
            self._postpone(ref, look, None)
        else:
            self._error = None
            self._told[ref] = found
            self._emitted[ref] = time.monotonic()
            for future in kept or ():
                future.add_done_callback(partial(self._ended, ref))

    def _ended(self, ref: SecretRef, future: Future[int]) -> None:
        """In any thread."""
        if (error := future.exception()) is not None:
            self._lost.append((ref, type(error).__name__))
            self._tree.ring()

    def _tell_again(self, ref: SecretRef, error: str) -> None:
        self._failed(ref, error)
        self._told[ref] = _NOT_KEPT  # whatever is found now is news
        self._postpone(ref, _Look(due=0.0, since=time.monotonic(), tries=_LOST), None)

    def _failed(self, ref: SecretRef, error: str) -> None:
        self._error = f"cannot hand over a change of {ref} ({error}); trying again"
        self._notice(self._error)

    def _postpone(self, ref: SecretRef, look: _Look, after: float | None) -> None:
        delay = min(_LONGEST_RECHECK, (after or _FIRST_RECHECK) * 1.5**look.tries)
        self._looks[ref] = _Look(due=time.monotonic() + delay, since=look.since, tries=min(look.tries + 1, 30))


def _reference(namespace: str, name: str) -> tuple[SecretRef, ...]:
    """Empty for what no Secret can be called, such as `..deleted-…` or an editor's file."""
    try:
        return (SecretRef(namespace=namespace, name=name),)
    except ValidationError:
        return ()
