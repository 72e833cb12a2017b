"""What became of each manifest, written into its status so that `kubectl get` shows it; only where it changed."""

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from events.references import ManifestRef
from functions._failures import StepFailure
from infra.hosts.cluster.conditions import Condition, failed, rfc3339
from infra.hosts.cluster.statuses import Known, Statuses
from infra.kubernetes.backoff import Backoff
from infra.wiring.cluster import ClusterWiring

STATUSES = frozenset({"PushSecret", "ExternalSecret"})  # the kinds whose status says how they stand


class StatusWriter:
    """Writes conditions from a thread of its own, so that no delivery waits for them; the newest of each wins.

    Manifests whose store another controller serves, and those that are no objects of the cluster, are left alone.
    What cannot be written is tried again and shown by `last_error`. `shown` are the kinds that this identity may write.
    """

    def __init__(
        self, wiring: ClusterWiring, statuses: Statuses, *, notice: Callable[[str], None] = lambda _: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC), shown: frozenset[str] = STATUSES,
    ) -> None:  # fmt: skip
        self._shown = shown
        self._wiring = wiring
        self._statuses = statuses
        self._notice = notice
        self._now = now
        self._waiting: dict[ManifestRef, tuple[Condition, str]] = {}
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
            return self._turn.wait_for(lambda: not self._waiting and not self._busy, timeout)

    def tell(self, ref: ManifestRef, condition: Condition, target: str = "") -> None:
        """A manifest's condition; `target` is the Secret that an ExternalSecret made (`status.binding`)."""
        if ref.kind not in self._shown or self._wiring.mode(ref) != "own":
            return
        if self._wiring.held(ref) is None:
            return
        with self._turn:
            self._waiting[ref] = (condition, target)
            self._turn.notify_all()

    def tell_problems(self) -> None:
        """The condition of every manifest that may not act; to be called after the wiring changed."""
        for ref in self._wiring.snapshot().generations():
            if ref.kind in self._shown and (problem := self._wiring.problem(ref)):
                self.tell(ref, failed(ref.kind, problem))

    def _run(self) -> None:
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._waiting or self._stopping)
                if not self._waiting:
                    return
                ref, (condition, target) = next(iter(self._waiting.items()))
                del self._waiting[ref]
                self._busy = True
            wait = self._write(ref, condition, target)
            with self._turn:
                self._busy = False
                self._turn.notify_all()
                if wait is not None:
                    if self._stopping:
                        return
                    self._turn.wait_for(lambda: self._stopping, wait)

    def _write(self, ref: ManifestRef, condition: Condition, target: str) -> float | None:
        """Seconds to wait before the next, None where it was written."""
        try:
            if self._statuses.read(ref) is not None:
                self._statuses.change(ref, lambda known: self._patch(known, condition, target))
        except StepFailure as failure:
            self._report(f"the status of {ref} cannot be written: {failure.reason}")
        except Exception as error:  # noqa: BLE001 - a condition is shown or it is not; nothing else may end for it
            self._report(f"the status of {ref} cannot be written ({type(error).__name__})")
        else:
            self._backoff.succeeded()
            self.last_error = None
            return None
        with self._turn:
            self._waiting.setdefault(ref, (condition, target))  # unless a newer one came meanwhile
        return self._backoff.failed()

    def _patch(self, known: Known, condition: Condition, target: str) -> Mapping[str, Any] | None:
        if condition.shown_in(known.status):
            return None
        now = self._now()
        patch: dict[str, Any] = {"conditions": condition.document(known.status, now)}
        if condition.ready:
            patch["refreshTime"] = rfc3339(now)
        if target:
            patch["binding"] = {"name": target}
        return patch

    def _report(self, text: str) -> None:
        if self.last_error != text:
            self._notice(text)
        self.last_error = text
