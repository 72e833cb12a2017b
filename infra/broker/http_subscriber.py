"""A subscriber behind HTTP: one keep-alive connection pool, no redirects, the statuses of events.md 1."""

import json
import time
from email.utils import parsedate_to_datetime
from threading import Lock

from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import HTTPError

from events.cloudevent import CloudEvent
from events.errors import EventError
from events.http_binding import BATCH, MAX_BODY_BYTES, decode, decode_any, encode_binary
from infra.broker.clock import Clock
from infra.broker.subscriber import NETWORK_ERROR, Answer

_NOT_AN_EVENT = "a 2xx answer with a body that is no event"
_MAX_PROBLEM = 4096  # bytes of an error's body that are looked at
_PROBE_TIMEOUT = 1.0
_MAX_BATCH = 16 * 1024 * 1024  # bytes of a reply of several events


class HttpSubscriber:
    """Delivers events to `uri` in binary mode.

    `readiness` is the address of its readiness endpoint; it is asked only after a delivery failed in a way that
    may mean that nothing is there. Without one the subscriber always counts as ready.
    """

    def __init__(
        self,
        uri: str,
        *,
        namespace: str,
        readiness: str | None = None,
        headers: dict[str, str] | None = None,
        pool: PoolManager | None = None,
        connections: int = 8,
        batches: bool = False,
        clock: Clock = time.time,
    ) -> None:
        """`headers` are added to every request (authorization). `pool` carries TLS settings where they are needed.

        `batches`: say that a reply may be several events, as steps of ours understand; no other broker of Knative's
        says so.
        """
        self._batches = batches
        self._uri, self._readiness, self._namespace, self._clock = uri, readiness, namespace, clock
        self._headers = dict(headers or {})
        self._pool = pool or PoolManager(maxsize=connections, block=False)
        self._doubtful = False
        self._lock = Lock()

    def deliver(self, event: CloudEvent, timeout: float) -> Answer:
        """POST the event and read the answer within `timeout` seconds. Network errors are an Answer too."""
        try:
            fields, body = encode_binary(event)
        except EventError as error:
            return Answer(400, reason=f"the event cannot be sent over HTTP: {error}")
        headers = {**dict(fields), **self._headers, "Prefer": "reply", "Kn-Namespace": self._namespace}
        if self._batches:
            headers["Accept"] = BATCH
        for name in ("traceparent", "tracestate"):
            value = event.extensions.get(name)
            if value is not None and value.isascii() and value.isprintable():
                headers[name] = value
        answer = self._post(headers, body, timeout)
        self._doubtful = answer.status in (NETWORK_ERROR, 502, 503, 504)
        return answer

    def ready(self) -> bool:
        if self._readiness is None or not self._doubtful:
            return True
        with self._lock:
            try:
                response = self._pool.request(
                    "GET", self._readiness, timeout=_PROBE_TIMEOUT, retries=False, redirect=False
                )
            except HTTPError:
                return False
            return 200 <= response.status < 300

    def close(self) -> None:
        self._pool.clear()

    def _post(self, headers: dict[str, str], body: bytes, timeout: float) -> Answer:
        try:
            response = self._pool.request(
                "POST", self._uri, body=body, headers=headers, retries=False, redirect=False,
                preload_content=False, timeout=Timeout(total=timeout),
            )  # fmt: skip
        except HTTPError as error:
            return Answer(NETWORK_ERROR, reason=f"no answer: {type(error).__name__}")
        try:
            answer = self._answer(response)
        except (HTTPError, OSError) as error:
            response.close()
            return Answer(NETWORK_ERROR, reason=f"the answer broke off: {type(error).__name__}")
        response.release_conn()
        return answer

    def _answer(self, response: BaseHTTPResponse) -> Answer:
        status = response.status
        if not 200 <= status < 300:
            problem = response.read(_MAX_PROBLEM + 1)
            if len(problem) > _MAX_PROBLEM:
                response.close()  # nobody needs the rest
            return Answer(status, reason=_reason(response, problem), retry_after=self._retry_after(response))
        most = _MAX_BATCH if self._batches else MAX_BODY_BYTES
        body = response.read(most + 1)
        headers = list(response.headers.items())
        if not body and not any(name.lower() == "ce-specversion" for name, _ in headers):
            return Answer(status)
        if len(body) > most:
            response.close()
            return Answer(502, reason="a reply that is larger than an event may be")
        try:
            return Answer(status, decode_any(headers, body) if self._batches else (decode(headers, body),))
        except EventError:
            return Answer(502, reason=_NOT_AN_EVENT)

    def _retry_after(self, response: BaseHTTPResponse) -> float | None:
        text = response.headers.get("retry-after", "").strip()
        if text.isdecimal() and len(text) < 10:
            return float(text)
        try:
            return max(0.0, parsedate_to_datetime(text).timestamp() - self._clock()) if text else None
        except (ValueError, OverflowError):
            return None


def _reason(response: BaseHTTPResponse, body: bytes) -> str:
    """What a problem document says of itself; of any other body nothing, as it may quote what it should not."""
    if response.headers.get("content-type", "").split(";")[0].strip().lower() == "application/problem+json":
        try:
            problem = json.loads(body)
        except ValueError:
            return f"HTTP {response.status}"
        if isinstance(problem, dict):
            said = [problem[name] for name in ("title", "detail") if isinstance(problem.get(name), str)]
            return ": ".join(said) or f"HTTP {response.status}"
    return f"HTTP {response.status}"
