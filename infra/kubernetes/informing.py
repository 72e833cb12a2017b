"""An informer: a thread that knows what an API server holds of one kind in one scope, and tells what changes.

List, then watch from where the list ended; a watch that ends, breaks or falls silent is taken up where it stopped; a
position that the server has forgotten (410) means another list, whose differences are what was missed.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from functions._failures import StepFailure
from infra.kubernetes.api import Api
from infra.kubernetes.backoff import Backoff
from infra.kubernetes.mirror import Difference, Key, Mirror, Object
from infra.kubernetes.resources import Resource
from infra.kubernetes.watching import Expired, Watch, WatchEvent, watch

T = TypeVar("T")
Notice = Callable[[str], None]

LIFETIME = 290.0  # seconds that one watch is asked for
SILENCE = 75.0  # seconds without a word after which a connection counts as dead; bookmarks come every minute
_RELIST_AFTER = 5  # watches in a row that could not be opened: perhaps the position is one that no server knows
_SHORT = 1.0  # seconds; a watch that ends sooner without a word is a failure, not the server's usual way


class Stream(Protocol):
    """An open watch; ends by itself, or when it is closed from another thread. Leaving it gives its connection back."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def __iter__(self) -> Iterator[WatchEvent]: ...

    def close(self) -> None: ...


class Feed(Protocol):
    """One kind of objects in one scope, as an API server serves it."""

    def list(self, make: Callable[[Object], T]) -> tuple[Sequence[T], str]:
        """What `make` makes of each object, and the resourceVersion of all of it."""

    def watch(self, resource_version: str) -> Stream: ...


class ApiFeed:
    """Implements Feed over the API client. `namespace` None: all of them."""

    def __init__(
        self, api: Api, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = "",
        metadata_only: bool = False, lifetime: float = LIFETIME, silence: float = SILENCE,
    ) -> None:  # fmt: skip
        self._api = api
        self._resource = resource
        self._namespace = namespace
        self._chosen: dict[str, Any] = {"labels": labels, "fields": fields, "metadata_only": metadata_only}
        self._lifetime = lifetime
        self._silence = silence

    def list(self, make: Callable[[Object], T]) -> tuple[Sequence[T], str]:
        return self._api.reduced(self._resource, make, self._namespace, **self._chosen)

    def watch(self, resource_version: str) -> Watch:
        return watch(
            self._api, self._resource, resource_version, self._namespace,
            **self._chosen, lifetime=self._lifetime, silence=self._silence,
        )  # fmt: skip


class Informer(Generic[T]):
    """Calls `tell` with differences, in order, from its own thread; each is told until `tell` takes it.

    The first call has all that is there, and is made even where that is nothing. `keep` makes of an object what is
    held of it, None for one that is not looked at; both it and `tell` run on the informer's thread. What was known
    stays known while the server cannot be asked; `notice` hears why, once per reason.
    """

    def __init__(
        self, feed: Feed, keep: Callable[[Object], T | None], tell: Callable[[tuple[Difference[T], ...]], None], *,
        name: str = "informer", notice: Notice = lambda _: None, backoff: Backoff | None = None,
    ) -> None:  # fmt: skip
        self._feed = feed
        self._mirror = Mirror(keep)
        self._tell = tell
        self._name = name
        self._notice = notice
        self._backoff = backoff or Backoff()
        self._expiries = Backoff(first=0.01)  # of positions that expire although they come from a list just made
        self._error: str | None = None
        self._listed = False
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._guard = threading.Lock()
        self._stream: Stream | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """End the thread. Raises TimeoutError where `tell` does not return."""
        self._stopping.set()
        self._interrupt()
        if self._thread.ident is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                raise TimeoutError(f"{self._name} did not end within {timeout} s")

    def alive(self) -> bool:
        return self._thread.is_alive()

    def wait_ready(self, timeout: float) -> bool:
        """Whether everything was listed and told once, within `timeout` seconds."""
        return self._ready.wait(timeout)

    def relist(self) -> None:
        """List everything once more, as when other objects are looked at now; from any thread."""
        with self._guard:
            self._listed = False
        self._interrupt()

    @property
    def last_error(self) -> str | None:
        """Why the server cannot be followed now; None while it can."""
        return self._error

    def held(self) -> Mapping[Key, T]:
        """What is known, as it is now; changes while it is looked at, so take a copy on another thread."""
        return self._mirror.held()

    # --- the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._list_if_due()
                self._follow()
            except Expired:
                self._due()
                self._pause(self._expiries.failed())
            except StepFailure as failure:
                self._failed(failure.reason, failure)
            except Exception as error:  # noqa: BLE001 - an informer outlives what its callbacks raise; it is shown
                self._failed(f"{type(error).__name__} while following; listing anew", error)
                self._due()

    def _list_if_due(self) -> None:
        with self._guard:
            due, self._listed = not self._listed, True  # before listing: a wish that comes meanwhile is another list
        if not due:
            return
        try:
            looks, position = self._feed.list(self._mirror.look)
        except BaseException:
            self._due()
            raise
        self._hand_over(self._mirror.replace(looks, position), always=not self._ready.is_set())
        self._ready.set()
        self._recovered()

    def _follow(self) -> None:
        if not self._current():
            return
        began = time.monotonic()
        heard = False
        with self._feed.watch(self._mirror.position) as stream, self._interruptible(stream):
            if not self._current():  # stopped, or asked to list, while the watch was opened
                return
            self._error = None
            for event in stream:
                heard = True
                self._heard()
                self._hand_over(self._mirror.apply(event.type, event.object))
                if not self._current():
                    return
        if not heard and time.monotonic() - began < _SHORT and self._current():
            self._pause(self._backoff.failed())

    @contextmanager
    def _interruptible(self, stream: Stream) -> Iterator[None]:
        with self._guard:
            self._stream = stream
        try:
            yield
        finally:
            with self._guard:
                self._stream = None

    def _hand_over(self, told: tuple[Difference[T], ...], *, always: bool = False) -> None:
        """Tell until it is taken: what comes after must not overtake it, and the server keeps it meanwhile."""
        waiting = Backoff()
        while (told or always) and not self._stopping.is_set():
            try:
                self._tell(told)
            except Exception as error:  # noqa: BLE001 - whatever the taker raises, the news is kept; it is shown
                self._report(f"news of {self._name} cannot be handed over ({type(error).__name__}); trying again")
                self._pause(waiting.failed())
            else:
                self._error = None
                return

    def _current(self) -> bool:
        with self._guard:
            return self._listed and not self._stopping.is_set()

    def _due(self) -> None:
        with self._guard:
            self._listed = False

    def _failed(self, reason: str, error: Exception) -> None:
        self._report(reason)
        if self._backoff.failures and self._backoff.failures % _RELIST_AFTER == 0:
            self._due()
        self._pause(self._backoff.failed(getattr(error, "after", None)))

    def _recovered(self) -> None:
        self._backoff.succeeded()
        self._error = None

    def _heard(self) -> None:
        self._recovered()
        self._expiries.succeeded()

    def _report(self, reason: str) -> None:
        if self._error != reason:
            self._notice(f"{self._name}: {reason}")
        self._error = reason

    def _pause(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()

    def _interrupt(self) -> None:
        self._wake.set()
        with self._guard:
            stream = self._stream
        if stream is not None:
            stream.close()
