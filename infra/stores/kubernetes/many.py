"""The metadata of many objects of one kind, with as few requests as the identity may make.

Kubernetes has no permission for metadata alone: who may list the Secrets of a namespace may list their values. A step
in its own ServiceAccount is bound to the names that are wired (infra/deploy/rbac.py), so it asks for each, a few side
by side. Who watches those namespaces anyway (`lockstep up --context`) lists them instead, metadata alone, where that
costs less; where RBAC lets it not, it asks for each too.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from events.references import SecretRef
from functions._failures import StepFailure
from functions._ports import LookedAt, SecretHead
from infra.kubernetes.api import Api, Page
from infra.kubernetes.refusals import Shedding
from infra.kubernetes.resources import Resource
from infra.stores.kubernetes.marks import Metadata, metadata_of

T = TypeVar("T")
PAGE = 500  # objects
_WORTH = 16  # requests by name that a page costs the API server, and its bytes us
_AT_ONCE = 4  # requests
_PATIENCE = 10.0  # seconds that an API server which sheds load is waited for; then the delivery is tried again
_UNSAID = 1.0  # seconds, where it does not say when to ask again

_Found = SecretHead | StepFailure | None


class Pace:
    """Requests as fast as the API server takes them: one that it sheds (429) holds up all, until it may be asked again.

    Thread-safe. Raises Shedding once it has shed for longer than `patience` seconds in all.
    """

    def __init__(
        self, patience: float = _PATIENCE, now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:  # fmt: skip
        self._now, self._sleep = now, sleep
        self._lock = threading.Lock()
        self._next = now()
        self._until = self._next + patience

    def __call__(self, ask: Callable[[], T]) -> T:
        while True:
            if (wait := self._next - self._now()) > 0:
                self._sleep(wait)
            try:
                return ask()
            except Shedding as shed:
                with self._lock:
                    again = self._now() + (shed.after or _UNSAID)
                    if again > self._until:
                        raise
                    self._next = max(self._next, again)


class ManyHeads:
    """Looks at many objects. `make` reads one's metadata; `lists`: whether this identity may list namespaces anyway."""

    def __init__(
        self, api: Api, resource: Resource, make: Callable[[SecretRef, Metadata], SecretHead], *, lists: bool
    ) -> None:
        self._api, self._resource, self._make, self._lists = api, resource, make, lists

    def look(self, refs: Collection[SecretRef]) -> LookedAt:
        """All of them as they are now. Raises Shedding; what else goes wrong is raised for the one it concerns."""
        pace = Pace()
        found: dict[SecretRef, _Found] = {}
        for namespace, wanted in _by_namespace(refs).items():
            if self._lists and len(wanted) > _WORTH:
                found |= self._listed(namespace, wanted, pace)
        found |= self._asked([ref for ref in dict.fromkeys(refs) if ref not in found], pace)

        def looked_at(ref: SecretRef) -> SecretHead | None:
            one = found[ref] if ref in found else self._one(ref)
            if isinstance(one, StepFailure):
                raise one
            return one

        return looked_at

    # --- by lists --------------------------------------------------------------------------------------------

    def _listed(self, namespace: str, wanted: Mapping[str, SecretRef], pace: Pace) -> dict[SecretRef, _Found]:
        """What pages show, as long as they are worth it: a namespace may hold far more than what is wired there."""
        found: dict[SecretRef, _Found] = {}
        following = ""
        while True:
            try:
                page = pace(partial(self._page, namespace, following))
            except Shedding:
                raise
            except StepFailure:
                return found  # the rest by name, which says what is wrong, if anything is
            found |= self._of(page, wanted)
            following = page.following
            if not following:
                return dict.fromkeys(wanted.values()) | found  # what no page shows is not there
            if -(-page.remaining // PAGE) * _WORTH > len(wanted) - len(found):
                return found

    def _page(self, namespace: str, following: str) -> Page:
        return self._api.page(self._resource, namespace, following, metadata_only=True, size=PAGE)

    def _of(self, page: Page, wanted: Mapping[str, SecretRef]) -> dict[SecretRef, _Found]:
        seen = ((wanted.get(metadata.get("name", "")), metadata) for metadata in map(metadata_of, page.items))
        return {ref: self._make(ref, metadata) for ref, metadata in seen if ref is not None}

    # --- by names --------------------------------------------------------------------------------------------

    def _asked(self, refs: Collection[SecretRef], pace: Pace) -> dict[SecretRef, _Found]:
        if len(refs) < 2:
            return {ref: pace(partial(self._one, ref)) for ref in refs}
        with ThreadPoolExecutor(_AT_ONCE, "heads") as pool:
            return dict(zip(refs, pool.map(lambda ref: pace(partial(self._one, ref)), refs), strict=True))

    def _one(self, ref: SecretRef) -> _Found:
        try:
            found = self._api.get(self._resource, ref.name, ref.namespace, metadata_only=True)
        except Shedding:
            raise
        except StepFailure as failure:
            return failure
        return None if found is None else self._make(ref, metadata_of(found))


def _by_namespace(refs: Iterable[SecretRef]) -> dict[str, dict[str, SecretRef]]:
    found: dict[str, dict[str, SecretRef]] = {}
    for ref in refs:
        found.setdefault(ref.namespace, {})[ref.name] = ref
    return found
