"""Sources and targets that changed in a cluster, as hints (seed 001, 5a.3.2: reactive push)."""

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from events.event import Event
from events.references import SecretRef
from events.secret import SecretChanged, SecretDrifted, SecretRemoved
from functions._ports import SecretHead
from infra.kubernetes.informing import Feed, Informer, Notice
from infra.kubernetes.mirror import Difference, Object
from infra.sources.kubernetes_objects import Looking, Seen

Place = tuple[str, str]  # kind of the objects, and their namespace
_TOGETHER = 100  # hints: whoever makes each durable alone spends a start over thousands on that
_LOOK = 0.02  # seconds between looks at whether all are ready


class Wired(Protocol):
    """What is asked of the wiring; from several threads."""

    def places(self) -> Mapping[Place, frozenset[Hashable]]:
        """Where something is wired, with what is: names and selectors. A place that gains one is listed anew."""

    def wired(self, kind: str, ref: SecretRef, labels: Mapping[str, str]) -> bool:
        """Whether an object is a source or a target: all others are dropped at once."""

    def published(self, kind: str, ref: SecretRef, labels: Mapping[str, str]) -> bool:
        """Whether it is a source."""

    def made(self, ref: SecretRef) -> bool:
        """Whether it is a target."""

    def known(self, ref: SecretRef) -> str | None:
        """The state that every path made of it was confirmed at; None where there is none, or they differ."""

    def expected(self, kind: str, namespace: str) -> Iterable[SecretRef]:
        """Sources that paths were confirmed from: their absence after a restart is news."""


@dataclass(slots=True)
class _Followed:
    """One place that is followed. `listed`: the absence of expected sources was told."""

    informer: Informer[Seen]
    wired: frozenset[Hashable]
    listed: bool = False


class KubernetesWatch:
    """Emits SecretChanged, SecretRemoved and SecretDrifted for what the wiring names, one informer per place.

    A hint is emitted when the content differs from what was seen last, or, before anything was seen, when the state
    differs from the one `known`. What we wrote ourselves is no news, unless somebody changed it or it is a source
    too. An object that both is made and published gives both hints. `emit` is called from the informers' threads, with
    up to a hundred hints at once; what it raises is shown, and they are given again. A place that cannot be watched
    holds up no other.
    """

    def __init__(
        self, feed: Callable[[str, str], Feed], wired: Wired, emit: Callable[[Iterable[Event]], None], *,
        ours: Callable[[Object], bool], head: Callable[[SecretRef, Object], SecretHead] | None = None,
        notice: Notice = lambda _: None,
    ) -> None:  # fmt: skip
        self._feed = feed
        self._wired = wired
        self._emit = emit
        self._ours = ours
        self._head = head
        self._notice = notice
        self._guard = threading.RLock()
        self._followed: dict[Place, _Followed] = {}
        self._started = False

    def start(self) -> None:
        with self._guard:
            self._started = True
        self.rewire()

    def stop(self, timeout: float = 10.0) -> None:
        """End all threads. Raises TimeoutError where `emit` does not return."""
        with self._guard:
            self._started = False
            ending = list(self._followed.values())
            self._followed.clear()
        deadline = time.monotonic() + timeout
        for one in ending:
            one.informer.stop(max(0.0, deadline - time.monotonic()))

    def rewire(self) -> None:
        """Follow what the wiring names now; to be called after it changed. From any thread but an informer's own."""
        places = self._wired.places()
        with self._guard:
            if not self._started:
                return
            gone = [self._followed.pop(place) for place in self._followed.keys() - places.keys()]
            for place in sorted(places.keys() - self._followed.keys()):
                self._followed[place] = self._follow(place, places[place])
            for place, one in self._followed.items():
                gained = places[place] - one.wired
                one.wired = places[place]
                if gained:
                    one.informer.relist()
        for one in gone:
            one.informer.stop()

    def relist(self) -> None:
        """Compare everything once more; from any thread."""
        self.rewire()
        with self._guard:
            for one in self._followed.values():
                one.informer.relist()

    def alive(self) -> bool:
        with self._guard:
            return self._started and all(one.informer.alive() for one in self._followed.values())

    def wait_ready(self, timeout: float) -> bool:
        """Whether all that can be watched was listed and told once, within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not self._settled():
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK)
        return True

    @property
    def mode(self) -> str:
        """How changes are noticed: "watch", or "stopped"."""
        return "watch" if self._started else "stopped"

    @property
    def last_error(self) -> str | None:
        """Why a place cannot be watched now; None while all can."""
        return next(iter(self.errors().values()), None)

    def errors(self) -> dict[Place, str]:
        """The places that cannot be watched now, and why."""
        with self._guard:
            followed = sorted(self._followed.items())
        return {place: error for place, one in followed if (error := one.informer.last_error) is not None}

    def held(self, kind: str, ref: SecretRef) -> Seen | None:
        """What is known of a wired object, None where there is none. Raises LookupError where it is not followed."""
        with self._guard:
            one = self._followed.get((kind, ref.namespace))
        if one is None or not one.listed or one.informer.last_error is not None:
            raise LookupError(f"{kind} of {ref.namespace} is not followed now")
        found = one.informer.held().get((ref.namespace, ref.name))
        if found is None and not self._wired.wired(kind, ref, {}):
            raise LookupError(f"{ref} is not wired by its name")
        return found

    def _settled(self) -> bool:
        with self._guard:
            followed = list(self._followed.values())
        return all(one.informer.wait_ready(0) or one.informer.last_error for one in followed)

    # --- one place -------------------------------------------------------------------------------------------------

    def _follow(self, place: Place, wired: frozenset[Hashable]) -> _Followed:
        kind, namespace = place

        def interesting(ref: SecretRef, labels: Mapping[str, str]) -> bool:
            return self._wired.wired(kind, ref, labels)

        def tell(told: tuple[Difference[Seen], ...]) -> None:
            self._told(place, one, told)

        informer = Informer(
            self._feed(kind, namespace), Looking(kind, interesting, self._ours, self._head), tell,
            name=f"{kind} of {namespace}", notice=self._notice,
        )  # fmt: skip
        one = _Followed(informer, wired)
        informer.start()
        return one

    def _told(self, place: Place, one: _Followed, told: tuple[Difference[Seen], ...]) -> None:
        kind, namespace = place
        self._emit_all(event for difference in told for event in self._news(kind, difference))
        if not one.listed:
            present = {seen.ref for seen in one.informer.held().values()}
            gone = (ref for ref in self._wired.expected(kind, namespace) if ref not in present)
            self._emit_all(SecretRemoved(secret=ref, seen=self._vanished(ref)) for ref in gone)
            one.listed = True

    def _emit_all(self, events: Iterable[Event]) -> None:
        waiting = list(events)
        for first in range(0, len(waiting), _TOGETHER):
            self._emit(waiting[first : first + _TOGETHER])

    def _news(self, kind: str, difference: Difference[Seen]) -> Iterable[Event]:
        before, after = difference.before, difference.after
        if after is None:
            if before is not None:
                yield from self._gone(before)
            return
        published = self._wired.published(kind, after.ref, after.labels)
        if after.ours and not published:
            return
        if before is None and self._wired.known(after.ref) == after.state:
            return
        if kind == "Secret" and not after.ours and self._wired.made(after.ref):
            yield SecretDrifted(secret=after.ref, seen=after.state)
        if published:
            yield SecretChanged(secret=after.ref, seen=after.state)

    def _gone(self, before: Seen) -> Iterable[Event]:
        """Each disappearance is a fact of its own: it names the state that went away."""
        if self._wired.made(before.ref):
            yield SecretDrifted(secret=before.ref, seen=f"after-{before.state}")
        yield SecretRemoved(secret=before.ref, seen=f"after-{before.state}")

    def _vanished(self, ref: SecretRef) -> str:
        known = self._wired.known(ref)
        return f"after-{known}" if known else f"at-{datetime.now(UTC).isoformat()}"
