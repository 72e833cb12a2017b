"""Where a step's events go when a reply cannot carry them all: Knative's K_SINK."""

from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from events.cloudevent import CloudEvent
from events.http_binding import encode_binary
from functions._failures import Retry

if TYPE_CHECKING:
    from urllib3 import PoolManager


class HttpSink:
    """Posts events to one address, kept-alive, and returns when each is durable there."""

    def __init__(self, address: str, timeout: float = 10.0) -> None:
        self._address = address
        self._timeout = timeout
        parts = urlsplit(address)
        self._shown = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    def send(self, events: tuple[CloudEvent, ...]) -> None:
        """All of these, in order. Raises Retry where one is not taken: the step is then run again as a whole."""
        from urllib3.exceptions import HTTPError  # as below

        for event in events:
            headers, body = encode_binary(event)
            try:
                answer = self._pool.request("POST", self._address, headers=dict(headers), body=body, redirect=False)
            except HTTPError as error:
                raise Retry(f"the sink {self._shown} is not reachable ({type(error).__name__})") from None
            if not 200 <= answer.status < 300:
                wait = answer.headers.get("retry-after", "")
                after = float(wait) if wait.isdecimal() else None
                raise Retry(f"the sink {self._shown} answered {answer.status} to {event.type}", after)

    @cached_property
    def _pool(self) -> "PoolManager":
        from urllib3 import PoolManager  # here: most steps never have several events to send, and all start sooner

        return PoolManager(num_pools=1, maxsize=16, timeout=self._timeout, retries=False)


class NoSink:
    """A step without K_SINK: it can reply with one event, and no more."""

    def send(self, events: tuple[CloudEvent, ...]) -> None:
        """Raises Retry: the message names what to set."""
        raise Retry(f"{len(events)} events to send and no sink; set K_SINK to the broker's ingress")
