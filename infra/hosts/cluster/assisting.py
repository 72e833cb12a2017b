"""Stores in mode `assist`: External Secrets Operator does the work, and is told when there is some.

A changed source touches its PushSecrets; once ESO has pushed (the PushSecret's refreshTime moves on), or somebody
says that a path has a new version, the ExternalSecrets that read it are touched: the annotation `force-sync`, as ESO
documents it.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from events.event import Event
from events.references import ManifestRef, PathRef
from events.secret import SecretChanged, SecretPublished
from functions._failures import StepFailure
from functions._manifests.push_secret import PushSecret
from infra.hosts.platform import Tell
from infra.kubernetes.api import Api
from infra.kubernetes.refusals import Absent
from infra.kubernetes.resources import EXTERNAL_SECRETS, PUSH_SECRETS
from infra.wiring.cluster import ClusterWiring

FORCE_SYNC = "force-sync"
_PATIENCE = 120.0  # seconds that ESO is given to push; later its own interval covers it
_LOOK = 0.1  # seconds between looks at what the watch heard; no call is made for them
_RESOURCES = {"PushSecret": PUSH_SECRETS, "ExternalSecret": EXTERNAL_SECRETS}


@dataclass(frozen=True, slots=True)
class _Pushing:
    """A PushSecret that was touched: when it was synced last then, and until when its next time is waited for."""

    push: PushSecret
    before: object
    until: float


class Assistant:
    """Touches manifests of assisted stores, and no others, from a thread of its own. What fails is shown; ESO's own
    interval covers it."""

    def __init__(
        self, wiring: ClusterWiring, api: Api, *, notice: Callable[[str], None] = lambda _: None,
        patience: float = _PATIENCE, now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._wiring = wiring
        self._api = api
        self._notice = notice
        self._patience = patience
        self._now = now
        self._turn = threading.Condition()
        self._touch: dict[ManifestRef, PushSecret | None] = {}
        self._pushing: dict[ManifestRef, _Pushing] = {}
        self._stopping = False
        self.last_error: str | None = None
        self._thread = threading.Thread(target=self._run, name="assistant", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """End the thread. Raises TimeoutError."""
        with self._turn:
            self._stopping = True
            self._turn.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                raise TimeoutError(f"the assistant did not end within {timeout} s")

    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def mode(self) -> str:
        return "assist" if self.alive() else "stopped"

    def observe(self, event: Event) -> None:
        """A hint or a fact that went to the broker. Neither raises nor waits."""
        if isinstance(event, SecretChanged):
            index = self._wiring.snapshot()
            for push in index.producers_of_source(event.secret, {}):
                self._ask(push.ref, push)
        elif isinstance(event, SecretPublished):
            self._consumers((event.path,))

    def _consumers(self, paths: Iterable[PathRef]) -> None:
        for path in paths:
            for external in self._wiring.consumers_of_path(path):
                self._ask(external.ref, None)

    def _ask(self, ref: ManifestRef, push: PushSecret | None) -> None:
        if self._wiring.mode(ref) == "assist":
            with self._turn:
                self._touch[ref] = push
                self._turn.notify_all()

    def _run(self) -> None:
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._stopping or self._touch, _LOOK if self._pushing else None)
                if self._stopping:
                    return
                touch, self._touch = self._touch, {}
            for ref, push in touch.items():
                self._sync(ref, push)
            self._pushed()

    def _sync(self, ref: ManifestRef, push: PushSecret | None) -> None:
        before = self._refreshed(ref)
        annotation = {"metadata": {"annotations": {FORCE_SYNC: f"{self._now():.3f}"}}}
        try:
            self._api.patch(_RESOURCES[ref.kind], ref.name, annotation, ref.namespace, metadata_only=True)
        except Absent:
            return
        except StepFailure as failure:
            self.last_error = f"{ref} cannot be touched: {failure.reason}"
            self._notice(self.last_error)
            return
        self.last_error = None
        if push is not None:
            self._pushing[ref] = _Pushing(push, before, time.monotonic() + self._patience)

    def _pushed(self) -> None:
        for ref, one in list(self._pushing.items()):
            if self._refreshed(ref) != one.before:
                del self._pushing[ref]
                resolved = next((each for each in self._wiring.snapshot().pushes() if each.placed.ref == ref), None)
                self._consumers(resolved.entries if resolved else ())
            elif time.monotonic() > one.until:
                del self._pushing[ref]

    def _refreshed(self, ref: ManifestRef) -> object:
        held = self._wiring.held(ref)
        return held.status.get("refreshTime") if held else None


class Overheard:
    """Tells the broker, and the assistant what the broker took."""

    def __init__(self, tell: Tell, assistant: Assistant) -> None:
        self._tell = tell
        self._assistant = assistant

    def __call__(self, event: Event) -> None:
        self._tell(event)
        self._assistant.observe(event)

    def all(self, events: Iterable[Event]) -> None:
        told = tuple(events)
        self._tell.all(told)
        for event in told:
            self._assistant.observe(event)
