"""What became of each manifest, written into its status so that `kubectl get` shows it; only where it changed."""

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from events.references import ManifestRef
from functions._failures import StepFailure
from functions._manifests.external_secret import ExternalSecret
from infra.hosts.cluster.conditions import REFRESHED, SYNCED, Condition, failed, refreshed_ago, rfc3339
from infra.hosts.cluster.gathered import KIND as GATHERED
from infra.hosts.cluster.gathered import Gathered
from infra.hosts.cluster.noted import Known
from infra.hosts.cluster.statuses import Statuses
from infra.kubernetes.backoff import Backoff
from infra.wiring.cluster import ClusterWiring

TARGET = "RotationTarget"  # whose conditions are written by target_conditions
STATUSES = frozenset(
    {"PushSecret", "ExternalSecret", "Rotation", TARGET, GATHERED}
)  # the kinds whose status says how they stand
_MOMENT = 0.03  # seconds until what is noted of a status is written: what the change itself still needs comes first
_MOST = 16  # statuses that wait for that; whoever confirms more at once waits for its own
_NO_FIELDS: Mapping[str, Any] = {}
_PHASE = "phase"  # a Rotation's, which moves on while its condition stays
_Told = tuple[Condition, Mapping[str, Any]]


class StatusWriter:
    """Writes conditions from a thread of its own, so that no delivery waits for them; the newest of each wins.

    Manifests whose store another controller serves, and those that are no objects of the cluster, are left alone.
    What cannot be written is tried again and shown by `last_error`. `shown` are the kinds that this identity may write.
    """

    def __init__(
        self, wiring: ClusterWiring, statuses: Statuses, *, notice: Callable[[str], None] = lambda _: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC), shown: frozenset[str] = STATUSES,
        also: Callable[[], object] = lambda: None,
    ) -> None:  # fmt: skip
        """`also` is called with every `tell_problems`."""
        self._also = also
        self._shown = shown
        self._wiring = wiring
        self._statuses = statuses
        self._notice = notice
        self._now = now
        self._gathered = Gathered(wiring)
        self._waiting: dict[ManifestRef, _Told] = {}
        self._due: dict[ManifestRef, float] = {}  # when (time.monotonic) what is noted is to be written; oldest first
        self._turn = threading.Condition()
        self._stopping = False
        self._busy = False
        self._backoff = Backoff()
        self.last_error: str | None = None
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Write what waits, if it can be written at once, and end. Raises TimeoutError."""
        with self._turn:
            self._stopping = True
            self._turn.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                raise TimeoutError(f"the status writer did not end within {timeout} s")

    def alive(self) -> bool:
        return self._thread.is_alive()

    def wait_written(self, timeout: float) -> bool:
        """Whether nothing waits to be written any more, within `timeout` seconds."""
        with self._turn:
            return self._turn.wait_for(lambda: not self._waiting and not self._due and not self._busy, timeout)

    def able(self) -> bool:
        """Whether what is noted will be written in a moment: writing does not fail, nor lag behind."""
        return self.last_error is None and len(self._due) < _MOST

    def settle_soon(self, ref: ManifestRef) -> None:
        """Have what was noted of a status written in a moment."""
        with self._turn:
            if ref not in self._due:
                self._due[ref] = time.monotonic() + _MOMENT
                self._turn.notify_all()

    def tell(
        self, ref: ManifestRef, condition: Condition, target: str = "", fields: Mapping[str, Any] = _NO_FIELDS
    ) -> None:
        """A manifest's condition, and what else its status says then. `target` is the Secret that was made."""
        if ref.kind not in self._shown or self._wiring.mode(ref) != "own":
            return
        if self._wiring.held(ref) is not None:
            self._ask(ref, condition, {**fields, "binding": {"name": target}} if target else fields)
        elif GATHERED in self._shown and (whole := self._gathered.hear(ref, condition)) is not None:
            self._ask(whole, condition)

    def refreshed(self, consumer: ExternalSecret) -> None:
        """An ExternalSecret was found in step: its refreshTime moves on, once it is older than its interval.

        Nothing is written where the condition is another, or changes are not followed (refreshPolicy, interval 0).
        """
        ref, spec = consumer.ref, consumer.spec
        held = self._wiring.held(ref) if ref.kind in self._shown and self._wiring.mode(ref) == "own" else None
        if held is None or self._wiring.problem(ref) or spec.refresh_policy != "Periodic" or not spec.refresh_interval:
            return
        age = refreshed_ago(held.status, self._now())
        if age is None or age < spec.refresh_interval or not SYNCED.shown_in(held.status):
            return
        with self._turn:
            if ref not in self._waiting:
                self._waiting[ref] = (REFRESHED, _NO_FIELDS)
                self._turn.notify_all()

    def _ask(self, ref: ManifestRef, condition: Condition, fields: Mapping[str, Any] = _NO_FIELDS) -> None:
        with self._turn:
            self._waiting[ref] = (condition, fields)
            self._turn.notify_all()

    def tell_problems(self) -> None:
        """The condition of every manifest that may not act; to be called after the wiring changed."""
        self._also()
        for ref in self._wiring.snapshot().generations():
            if ref.kind in self._shown and (problem := self._wiring.problem(ref)):
                self.tell(ref, failed(ref.kind, problem))
        for whole in self._gathered.all() if GATHERED in self._shown else ():
            self._ask(whole, SYNCED)  # its namespaces may be others now

    def _run(self) -> None:
        while True:
            with self._turn:
                taken = self._take()
                if taken is None:
                    return
                self._busy = True
            wait = self._write(*taken)
            with self._turn:
                self._busy = False
                self._turn.notify_all()
                if wait is not None:
                    if self._stopping:
                        return
                    self._turn.wait_for(lambda: self._stopping, wait)

    def _take(self) -> tuple[ManifestRef, _Told | None] | None:
        """What is to be written next, waited for; None where nothing is left and nothing will come."""
        while True:
            ref, due = next(iter(self._due.items()), (None, 0.0))
            left = due - time.monotonic()
            if ref is not None and (left <= 0 or self._stopping):
                del self._due[ref]
                return ref, self._waiting.pop(ref, None)
            if self._waiting:
                told = next(iter(self._waiting))
                return told, self._waiting.pop(told)
            if ref is None and self._stopping:
                return None
            self._turn.wait(None if ref is None else left)

    def _write(self, ref: ManifestRef, told: _Told | None) -> float | None:
        """Seconds to wait before the next, None where it was written."""
        try:
            if told is None or self._statuses.read(ref) is None:
                self._statuses.settle(ref)
            else:
                condition, fields = told
                self._statuses.change(ref, lambda known: self._patch(ref, known, condition, fields))
        except StepFailure as failure:
            self._report(f"the status of {ref} cannot be written: {failure.reason}")
        except Exception as error:  # noqa: BLE001 - a condition is shown or it is not; nothing else may end for it
            self._report(f"the status of {ref} cannot be written ({type(error).__name__})")
        else:
            self._backoff.succeeded()
            self.last_error = None
            return None
        with self._turn:
            if told is None:
                self._due.setdefault(ref, time.monotonic())
            else:
                self._waiting.setdefault(ref, told)  # unless a newer one came meanwhile
        return self._backoff.failed()

    def _patch(
        self, ref: ManifestRef, known: Known, condition: Condition, fields: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        if ref.kind == GATHERED:
            return self._gathered.patch(ref, known)
        if condition is REFRESHED:
            return {"refreshTime": rfc3339(self._now())} if SYNCED.shown_in(known.status) else None
        moved = fields.get(_PHASE) not in (None, known.status.get(_PHASE))
        if condition.shown_in(known.status) and not moved:
            return None
        now = self._now()
        patch: dict[str, Any] = {"conditions": condition.document(known.status, now)}
        if condition.ready and "rotation" not in fields:
            patch["refreshTime"] = rfc3339(now)
        return {**patch, **fields}

    def _report(self, text: str) -> None:
        if self.last_error != text:
            self._notice(text)
        self.last_error = text
