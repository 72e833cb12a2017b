"""Where a step's events go when a reply cannot carry them all, as Knative's SinkBinding tells a container."""

import json
import re
import ssl
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from events.attributes import CORE
from events.cloudevent import CloudEvent
from events.http_binding import encode_binary
from functions._failures import Retry
from infra.hosts.configuration import ConfigurationError

if TYPE_CHECKING:
    from urllib3 import PoolManager

SINK, OVERRIDES, CA_CERTS = "K_SINK", "K_CE_OVERRIDES", "K_CA_CERTS"
IDENTITY = Path("/oidc/token")  # where a SinkBinding mounts its own token, once `authentication-oidc` is enabled
_TOKEN = re.compile(r"[-A-Za-z0-9._~+/]+=*")  # RFC 6750
_NAME = re.compile(r"[a-z0-9]{1,20}")  # of an extension attribute (CloudEvents 1.0)


class HttpSink:
    """Posts events to one address, kept-alive, and returns when each is durable there.

    `extensions` are set on every event that goes there, over what it has of that name. `trust` is who may vouch for
    the address; None: whom the machine trusts. `identity` is a file with the token that says who sends, where there is
    one: it is looked at for each event, as whoever mounts it replaces it in time.
    """

    def __init__(
        self, address: str, timeout: float = 10.0, *, extensions: Mapping[str, str] | None = None,
        trust: ssl.SSLContext | None = None, identity: Path | None = None,
    ) -> None:  # fmt: skip
        self._identity = identity
        self._address = address
        self._timeout = timeout
        self._extensions = dict(extensions or {})
        self._trust = trust
        parts = urlsplit(address)
        self._shown = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    def send(self, events: tuple[CloudEvent, ...]) -> None:
        """All of these, in order. Raises Retry where one is not taken: the step is then run again as a whole."""
        from urllib3.exceptions import HTTPError  # as below

        for event in events:
            headers, body = encode_binary(event.with_extensions(**self._extensions))
            told = dict(headers) | self._sender()
            try:
                answer = self._pool.request("POST", self._address, headers=told, body=body, redirect=False)
            except HTTPError as error:
                raise Retry(f"the sink {self._shown} is not reachable ({type(error).__name__})") from None
            if not 200 <= answer.status < 300:
                wait = answer.headers.get("retry-after", "")
                after = float(wait) if wait.isdecimal() else None
                raise Retry(f"the sink {self._shown} answered {answer.status} to {event.type}", after)

    def _sender(self) -> dict[str, str]:
        """The header that says who sends; none without a token. Raises Retry for a file that holds none."""
        if self._identity is None:
            return {}
        try:
            token = self._identity.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise Retry(
                f"the token {self._identity} cannot be read ({type(error).__name__}); see the SinkBinding"
            ) from None
        if not _TOKEN.fullmatch(token):
            raise Retry(f"{self._identity} holds no token; see the SinkBinding's status")
        return {"authorization": f"Bearer {token}"}

    @cached_property
    def _pool(self) -> "PoolManager":
        from urllib3 import PoolManager  # here: most steps never have several events to send, and all start sooner

        return PoolManager(num_pools=1, maxsize=16, timeout=self._timeout, retries=False, ssl_context=self._trust)


class NoSink:
    """A step without K_SINK: it can reply with one event, and no more."""

    def send(self, events: tuple[CloudEvent, ...]) -> None:
        """Raises Retry: the message names what to set."""
        raise Retry(f"{len(events)} events to send and no sink; set K_SINK to the broker's ingress")


def sink_from(environ: Mapping[str, str], identity: Path = IDENTITY) -> HttpSink | NoSink:
    """The sink that a SinkBinding describes: K_SINK, K_CE_OVERRIDES, K_CA_CERTS and its token.

    Raises ConfigurationError.
    """
    address = environ.get(SINK, "")
    if not address:
        return NoSink()
    return HttpSink(
        address,
        extensions=_overrides(environ.get(OVERRIDES, "")),
        trust=_trust(environ.get(CA_CERTS, "")),
        identity=identity,
    )


def _overrides(text: str) -> dict[str, str]:
    """The extensions of `{"extensions": {"name": "value"}}`; whatever else an override may hold one day is left."""
    if not text.strip():
        return {}
    try:
        document = json.loads(text)
        extensions = document.get("extensions")
        found = {str(name): value for name, value in ({} if extensions is None else extensions).items()}
    except (ValueError, AttributeError, RecursionError):
        raise ConfigurationError(
            f'{OVERRIDES} is no JSON object such as {{"extensions": {{"name": "value"}}}}; correct the SinkBinding'
        ) from None
    for name, value in found.items():
        if not _NAME.fullmatch(name) or name in CORE or name == "data" or not isinstance(value, str) or not value:
            raise ConfigurationError(
                f"{OVERRIDES}: extension {name[:40]!r} is a name of 1 to 20 lowercase letters and digits, none of "
                "CloudEvents' own, with a text; correct the SinkBinding's spec.ceOverrides"
            )
    return found


def _trust(bundle: str) -> ssl.SSLContext | None:
    """Whom the machine trusts, and whoever the PEM bundle names."""
    if not bundle.strip():
        return None
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cadata=bundle)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigurationError(
            f"{CA_CERTS} is no bundle of certificates in PEM ({type(error).__name__}); correct the SinkBinding"
        ) from None
    return context
