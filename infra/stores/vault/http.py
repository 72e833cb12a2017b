"""One thin HTTP client to the authority: kept-alive connections, TLS, bounds; what an answer means is others' work."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from functions._failures import Unavailable
from functions._values import SecretValue
from infra.http.answers import BROKEN, DROPPED, Response
from infra.http.connections import Connections, Endpoint
from infra.stores.vault.settings import InvalidSettings, VaultSettings

if TYPE_CHECKING:
    import ssl

OnCall = Callable[[str, str], None]

DEPENDENCY = "authority"
_CONNECTIONS = 16
_READS = frozenset({"GET", "LIST"})


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. `body` is the decoded JSON object ({} when there is none) and may hold values: it has no repr."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    retry_after: float | None = None

    @property
    def errors(self) -> tuple[str, ...]:
        """The authority's own error texts: the only part of a body that may be shown."""
        errors = self.body.get("errors")
        return tuple(str(error)[:300] for error in errors) if isinstance(errors, list) else ()


def _uncounted(method: str, kind: str) -> None:
    """The hook that counts nothing."""


class HttpClient:
    """Requests to one authority. Thread-safe. `on_call(method, kind)` runs before every request that is sent."""

    def __init__(self, settings: VaultSettings, on_call: OnCall = _uncounted) -> None:
        self.settings = settings
        self._on_call = on_call
        self._connections = _connections(settings)

    def request(
        self,
        method: str,
        path: str,
        *,
        kind: str,
        token: SecretValue | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> Answer:
        """Send one request to `/v1/<path>`; any status is an answer.

        Raises Unavailable when there is no usable answer: refused, timed out, too large, a redirect, not JSON.
        """
        headers = self._headers(token)
        if body is not None:
            headers["Content-Type"] = content_type
        return self._decode(self._send(method, path, kind, headers, _payload(body)))

    @contextmanager
    def asking(
        self, path: str, *, kind: str, token: SecretValue | None, method: str = "GET",
        body: Mapping[str, Any] | None = None,
    ) -> Iterator[Callable[[], Answer]]:  # fmt: skip
        """Send a request now and wait for its answer when it is called for, once at most; others may go between.

        The answer raises as `request` does; sending raises nothing.
        """
        headers, payload = self._headers(token), _payload(body)
        if body is not None:
            headers["Content-Type"] = "application/json"
        self._on_call(method, kind)
        try:
            pending = self._connections.begin(method, f"/v1/{path}", headers, payload, self.settings.max_response)
        except BROKEN:  # not all of it was sent, so that nothing was done
            yield lambda: self.request(method, path, kind=kind, token=token, body=body)
            return
        waiting = True

        def answer() -> Answer:
            nonlocal waiting
            waiting = False
            try:
                response = pending.receive()
            except DROPPED as error:
                if method not in _READS:
                    raise self._unreachable(error) from None
                return self.request(method, path, kind=kind, token=token)
            except BROKEN as error:
                raise self._unreachable(error) from None
            return self._decode(self._bounded(response))

        try:
            yield answer
        finally:
            if waiting:
                pending.abandon()

    def close(self) -> None:
        self._connections.close()

    def _headers(self, token: SecretValue | None) -> dict[str, str]:
        headers = {"X-Vault-Request": "true"}
        if token is not None:
            headers["X-Vault-Token"] = token.reveal().decode("latin-1")
        if self.settings.namespace:
            headers["X-Vault-Namespace"] = self.settings.namespace
        return headers

    def _send(self, method: str, path: str, kind: str, headers: Mapping[str, str], payload: bytes | None) -> Response:
        try:
            return self._send_once(method, path, kind, headers, payload)
        except DROPPED as error:
            if method not in _READS:
                raise self._unreachable(error) from None
        except BROKEN as error:
            raise self._unreachable(error) from None
        try:
            return self._send_once(method, path, kind, headers, payload)  # a read may simply be sent again
        except BROKEN as error:
            raise self._unreachable(error) from None

    def _send_once(
        self, method: str, path: str, kind: str, headers: Mapping[str, str], payload: bytes | None
    ) -> Response:
        self._on_call(method, kind)
        limit = self.settings.max_response
        return self._bounded(self._connections.exchange(method, f"/v1/{path}", headers, payload, limit))

    def _bounded(self, response: Response) -> Response:
        limit = self.settings.max_response
        if len(response.body) > limit:
            raise Unavailable(DEPENDENCY, f"the answer of {self.settings.address} is larger than {limit} bytes")
        return response

    def _decode(self, response: Response) -> Answer:
        status, raw = response.status, response.body
        if 300 <= status < 400:
            reason = (
                f"{self.settings.address} redirects elsewhere; set the address to the active node or its load balancer"
            )
            raise Unavailable(DEPENDENCY, reason)
        after = _seconds(response.retry_after)
        if not raw.strip():
            return Answer(status, retry_after=after)
        try:
            body = json.loads(raw, parse_float=Decimal)
        except (ValueError, RecursionError):
            body = None  # the decoding error holds the document: it goes no further
        if isinstance(body, dict):
            return Answer(status, body, after)
        if status >= 400:
            return Answer(status, retry_after=after)  # a proxy's error page
        reason = f"{self.settings.address} does not answer with JSON objects; is it a Vault or OpenBao?"
        raise Unavailable(DEPENDENCY, reason)

    def _unreachable(self, error: Exception) -> Unavailable:
        # The type only: an exception's text may echo whatever the other side sent.
        cause = type(error).__name__
        reason = (
            f"cannot reach {self.settings.address} ({cause}); check that it runs and that its address and CA are right"
        )
        return Unavailable(DEPENDENCY, reason)


def _payload(body: Mapping[str, Any] | None) -> bytes | None:
    return None if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _connections(settings: VaultSettings) -> Connections:
    parts = urlsplit(settings.address)
    secure = parts.scheme == "https"
    endpoint = Endpoint(
        host=parts.hostname or "",
        port=parts.port or (443 if secure else 80),
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        tls=_tls(settings) if secure else None,
        name=settings.tls_server_name or None,
    )
    return Connections(endpoint, _CONNECTIONS)


def _tls(settings: VaultSettings) -> "ssl.SSLContext":
    import ssl

    try:
        context = ssl.create_default_context(cafile=settings.ca_cert or None, capath=settings.ca_path or None)
        if settings.client_cert:
            context.load_cert_chain(settings.client_cert, settings.client_key)
    except OSError as error:  # includes ssl.SSLError
        raise InvalidSettings(f"the CA or client certificate cannot be loaded: {type(error).__name__}") from error
    if settings.skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _seconds(text: str | None) -> float | None:
    """Retry-After in seconds; its date form is not used by these servers and is left out."""
    return float(text) if text is not None and text.isdigit() else None
