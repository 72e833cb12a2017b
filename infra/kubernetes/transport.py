"""Authenticated requests to one API server: headers, the renewal of a refused token, rotated client certificates."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from functions._failures import StepFailure, Unavailable
from functions._values import SecretValue
from infra.http.answers import BROKEN, DROPPED, Response
from infra.http.connections import Connections, Endpoint
from infra.kubernetes.credentials import DEPENDENCY, Certificate
from infra.kubernetes.settings import ClusterSettings, InvalidSettings

_KEPT = 16
_USER_AGENT = "lockstep"


class Transport:
    """Sends requests; any status is an answer. Thread-safe."""

    def __init__(self, settings: ClusterSettings) -> None:
        self._settings = settings
        self._base = urlsplit(settings.server).path.rstrip("/")
        self._lock = threading.Lock()
        self._certificate: Certificate | None = None
        self._held: tuple[Endpoint, Connections] | None = None

    def send(
        self, method: str, target: str, headers: Mapping[str, str], payload: bytes | None, count: Callable[[], None]
    ) -> Response:
        """One exchange; `count` runs before it. A read on a connection that had died is sent again, a write never.

        Raises Unavailable when there is no usable answer.
        """
        try:
            return self._exchange(method, target, headers, payload, count)
        except DROPPED as error:
            if method != "GET":
                raise self.unreachable(error) from None
        except BROKEN as error:
            raise self.unreachable(error) from None
        try:
            return self._exchange(method, target, headers, payload, count)
        except BROKEN as error:
            raise self.unreachable(error) from None

    @contextmanager
    def sending(
        self, target: str, headers: Mapping[str, str], count: Callable[[], None]
    ) -> Iterator[Callable[[], Response | None]]:
        """Send a GET now, and wait for its answer when it is called for, once at most; others may go between.

        None where it could not be sent, or the connection had died: it is to be sent again, which says why.
        """
        limit = self._settings.max_response
        try:
            pending = self._channel()[1].begin("GET", self.target(target), headers, None, limit)
        except (StepFailure, ValueError, *BROKEN):
            yield lambda: None
            return
        count()
        waiting = True

        def answer() -> Response | None:
            nonlocal waiting
            waiting = False
            try:
                response = pending.receive()
            except DROPPED:
                return None
            except BROKEN as error:
                raise self.unreachable(error) from None
            return self._bounded(response)

        try:
            yield answer
        finally:
            if waiting:
                pending.abandon()

    def endpoint(self) -> Endpoint:
        """Where to open a connection of one's own, with today's client certificate."""
        return self._channel()[0]

    def authorized(self, headers: Mapping[str, str], token: SecretValue | None) -> dict[str, str]:
        """The headers of a request in our name."""
        made = {"User-Agent": _USER_AGENT, **headers, **self._settings.impersonate}
        if token is not None:
            made["Authorization"] = f"Bearer {token.reveal().decode('latin-1')}"
        return made

    def target(self, path: str) -> str:
        return self._base + path

    def unreachable(self, error: Exception) -> Unavailable:
        # The type only: an exception's text may echo whatever the other side sent.
        where = urlsplit(self._settings.server).netloc
        reason = (
            f"cannot reach the API server {where} ({type(error).__name__}); check that it runs and that the "
            "kubeconfig's server and CA are right"
        )
        return Unavailable(DEPENDENCY, reason)

    def unfit(self) -> Unavailable:
        return Unavailable(DEPENDENCY, "the token for the API server holds a control character; write it anew")

    def close(self) -> None:
        with self._lock:
            if self._held is not None:
                self._held[1].close()

    def _exchange(
        self, method: str, target: str, headers: Mapping[str, str], payload: bytes | None, count: Callable[[], None]
    ) -> Response:
        limit = self._settings.max_response
        connections = self._channel()[1]
        count()
        try:
            response = connections.exchange(method, self.target(target), headers, payload, limit)
        except BROKEN:
            raise  # a certificate that cannot be verified is a ValueError too
        except ValueError:
            raise self.unfit() from None
        return self._bounded(response)

    def _bounded(self, response: Response) -> Response:
        if len(response.body) > (limit := self._settings.max_response):
            raise Unavailable(DEPENDENCY, f"an answer of the API server is larger than {limit} bytes")
        return response

    def _channel(self) -> tuple[Endpoint, Connections]:
        certificate = self._settings.credentials.certificate()
        with self._lock:
            if self._held is None or certificate is not self._certificate:
                if self._held is not None:
                    self._held[1].close()
                endpoint = _endpoint(self._settings, certificate)
                self._held, self._certificate = (endpoint, Connections(endpoint, _KEPT)), certificate
            return self._held


def _endpoint(settings: ClusterSettings, certificate: Certificate | None) -> Endpoint:
    parts = urlsplit(settings.server)
    tls = None
    if parts.scheme == "https":
        from infra.kubernetes.tls import tls_context  # here: as infra.http does

        try:
            tls = tls_context(settings, certificate)
        except InvalidSettings as error:
            raise Unavailable(DEPENDENCY, str(error)) from None
    return Endpoint(
        host=parts.hostname or "",
        port=parts.port or (443 if tls else 80),
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        tls=tls,
        name=settings.tls_server_name or None,
    )
