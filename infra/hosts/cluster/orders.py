"""Orders that people give by annotating a manifest, so that RBAC decides who may.

`lockstep.dev/adopt: <mount>/<path>@<epoch>[, …]` on a PushSecret lets it take over paths from whoever holds them; the
epoch is the one that `lockstep adopt --dry-run` shows, so that an old annotation orders nothing. Any other annotation
that changes (`lockstep.dev/reconcile: <anything new>`, ESO's force-sync) changes the manifest: news by itself.

`lockstep.dev/rotate: <planned|leak>@<version>[.<attempt>]` on a Rotation orders its path's credential to be replaced,
away from the version that `kubectl get rotations` shows (0: there is none yet); the attempt counts from 1.
`lockstep.dev/abort: <rotation>` gives up the one under way, whose id the status shows, and
`lockstep.dev/resume: <rotation>[@<anything new>]` has it looked at again now.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from pydantic import ValidationError

from events.claim import ClaimRequested
from events.references import PathRef
from events.rotation import AbortRequested, PhaseRequested, RotationRequested
from functions._manifests.push_secret import PushSecret
from functions._manifests.rotation import Rotation
from functions._ports import Publications
from infra.wiring.cluster import ClusterWiring

ADOPT = "lockstep.dev/adopt"
RECONCILE = "lockstep.dev/reconcile"
ROTATE = "lockstep.dev/rotate"
ABORT = "lockstep.dev/abort"
RESUME = "lockstep.dev/resume"
AboutRotation = RotationRequested | AbortRequested | PhaseRequested
_ROTATED = re.compile(r"(?P<policy>planned|leak)@(?P<version>[0-9]{1,15})(\.(?P<attempt>[1-9][0-9]{0,5}))?")
_NAMED = re.compile(r"(?P<rotation>[0-9a-f]{32})(@[\x21-\x7e]{1,64})?")
_ADOPTED = re.compile(r"(?P<path>[^@\s]+)@(?P<epoch>[0-9]{1,9})")


class _NotYet(Exception):
    """The order is about a version that is not known yet; looked at again."""


class AnnotatedOrders:
    """Tells each order once, as long as `done` remembers it; to be asked after the wiring changed."""

    def __init__(
        self, wiring: ClusterWiring, tell: Callable[[ClaimRequested | AboutRotation], None], *,
        now: Callable[[], datetime], lifetime: float, publications: Publications | None = None,
        done: set[str] | None = None, notice: Callable[[str], None] = lambda _: None,
    ) -> None:  # fmt: skip
        """`publications` tell which version a path has; without them no rotation is ordered."""
        self._publications = publications
        self._wiring = wiring
        self._tell = tell
        self._now = now
        self._lifetime = timedelta(seconds=lifetime)
        self._done = set() if done is None else done
        self._notice = notice

    def look(self) -> int:
        """How many orders were told. Raises what `tell` raises: the order is told at the next look."""
        told = 0
        for push in self._wiring.push_secrets():
            text = push.annotations.get(ADOPT)
            mark = f"{push.uid} {text}"
            if text is None or mark in self._done or self._wiring.mode(push.ref) != "own":
                continue
            for order in self._orders(push, text):
                self._tell(order)
                told += 1
            self._done.add(mark)
        return told + self._look_at_rotations()

    def _look_at_rotations(self) -> int:
        told = 0
        for rotated in self._wiring.snapshot().rotated():
            rotation, path = rotated.rotation, rotated.path
            if path is not None and self._wiring.mode(rotation.ref) == "own":
                told += sum(self._given(rotation, path, name) for name in (ROTATE, ABORT, RESUME))
        return told

    def _given(self, rotation: Rotation, path: PathRef, name: str) -> bool:
        """Whether an annotation of this name was told as an order now."""
        text = rotation.annotations.get(name)
        mark = f"{rotation.uid} {name} {text}"
        if text is None or mark in self._done:
            return False
        try:
            order = (self._rotation if name == ROTATE else self._about)(rotation, path, text.strip(), name)
        except _NotYet:
            return False
        if order is not None:
            self._tell(order)
        self._done.add(mark)
        return order is not None

    def _about(self, rotation: Rotation, path: PathRef, text: str, name: str) -> AboutRotation | None:
        """An order about the one under way: whether it still is, the steps find out."""
        found = _NAMED.fullmatch(text)
        if found is None:
            self._notice(f"{rotation.ref}: {name} is not the id of a rotation, as its status shows it")
            return None
        which = found["rotation"]
        expires, reason = self._now() + self._lifetime, f"annotation {name}"
        if name == RESUME:
            return PhaseRequested(path=path, rotation=which, expires=expires, reason=reason)
        by = f"annotation:{rotation.namespace}"
        return AbortRequested(path=path, rotation=which, by=by, expires=expires, reason=reason)

    def _rotation(self, rotation: Rotation, path: PathRef, text: str, name: str) -> AboutRotation | None:
        found = _ROTATED.fullmatch(text)
        if found is None:
            self._notice(f"{rotation.ref}: {name} is not planned@<version> or leak@<version>")
            return None
        known = self._publications.read(path) if self._publications is not None else None
        base = known.version if known is not None else None
        if int(found["version"]) > (base.number if base else 0):
            raise _NotYet
        if int(found["version"]) != (base.number if base else 0):
            self._notice(
                f"{rotation.ref}: {name} is about version {found['version']}; {path} is at "
                f"{base.number if base else 0}, so nothing is ordered"
            )
            return None
        return RotationRequested(
            path=path, policy="leak" if found["policy"] == "leak" else "planned", base=base,
            attempt=int(found["attempt"] or 1), by=f"annotation:{rotation.namespace}",
            expires=self._now() + self._lifetime, reason=f"annotation {name}",
        )  # fmt: skip

    def _orders(self, push: PushSecret, text: str) -> Iterator[ClaimRequested]:
        paths = {str(path): path for path in self._paths(push)}
        for part in filter(None, (each.strip() for each in text.split(","))):
            found = _ADOPTED.fullmatch(part)
            path = paths.get(found["path"]) if found else None
            if found is None or path is None:
                self._notice(f"{push.ref}: {ADOPT} names no path of the manifest as <mount>/<path>@<epoch>")
                continue
            try:
                yield ClaimRequested(
                    path=path, claimant=push.ref, epoch=int(found["epoch"]), by=f"annotation:{push.namespace}",
                    expires=self._now() + self._lifetime, reason=f"annotation {ADOPT}",
                )  # fmt: skip
            except ValidationError:
                self._notice(f"{push.ref}: {ADOPT} cannot be ordered")

    def _paths(self, push: PushSecret) -> Iterator[PathRef]:
        resolved = next((one for one in self._wiring.snapshot().pushes() if one.push is push), None)
        yield from resolved.entries if resolved else ()
