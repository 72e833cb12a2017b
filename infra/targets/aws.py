"""AWS's API as its targets use it: with the credential that the manifest names and nothing of the machine's own.

An SDK looks for keys, profiles, endpoints and proxies wherever it can. Here it finds none of them, unless the platform
asked for the machine's own role (`ambient`).
"""

import ipaddress
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.loaders import Loader, create_loader
from botocore.parsers import ResponseParserError
from pydantic import Field, field_validator

from functions._failures import Reject, StepFailure, Unavailable
from functions._manifests.shape import Duration
from functions._systems import AdminRefused
from functions._values import SecretData
from infra.targets.opening import Opening, Parameters, text_field

T = TypeVar("T")
Connect = Callable[[str], Any]
"""A client of a service, by its name."""
FAILURES = (
    ClientError,
    BotoCoreError,
    ResponseParserError,
)  # the last quotes a whole answer, and is none of the others

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9.]{0,63}")
_REFUSED = frozenset(
    {
        "AccessDenied", "AccessDeniedException", "AuthFailure", "ExpiredToken", "ExpiredTokenException",
        "IncompleteSignature", "InvalidAccessKeyId", "InvalidClientTokenId", "MissingAuthenticationToken",
        "NotAuthorized", "OptInRequired", "SignatureDoesNotMatch", "UnrecognizedClientException",
    }
)  # fmt: skip
_LATER = frozenset(
    {
        "ConcurrentModification", "InternalFailure", "InternalServiceError", "RequestLimitExceeded", "RequestExpired",
        "ServiceFailure", "ServiceUnavailable", "Throttling", "ThrottlingException", "TooManyRequestsException",
    }
)  # fmt: skip
# As an SDK has them, but for everything that it takes from the environment and from files.
_NOTHING: dict[str, tuple[Any, Any, Any, Any]] = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


class AwsParameters(Parameters):
    """Where AWS is, and as whom it is administered."""

    region: str = Field(default="us-east-1", pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$", description="The region.")
    endpoint: str | None = Field(
        default=None, max_length=512, description="Another endpoint than AWS's own, as `https://host[:port]`."
    )
    proxy: str | None = Field(default=None, max_length=512, description="The HTTP proxy that leads there.")
    ambient: bool = Field(
        default=False,
        description="Administer with the role of the machine (instance, container, web identity) in place of "
        "`spec.admin`, whose fields are `access_key_id`, `secret_access_key` and perhaps `session_token`.",
    )
    timeout: Duration = Field(default=10.0, ge=0.5, le=60, description="For connecting, and for each answer.")

    @field_validator("endpoint")
    @classmethod
    def _endpoint(cls, text: str | None) -> str | None:
        if text is None:
            return None
        parts = urlsplit(text)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.query:
            raise ValueError("is no https://host[:port]")
        if parts.scheme == "http" and not _loopback(parts.hostname):
            raise ValueError("is not encrypted; http is for loopback alone")
        return text


@dataclass(frozen=True)
class Aws:
    """One account of AWS as a target's manifest describes it."""

    opening: Opening
    parameters: AwsParameters

    def as_admin(self, work: Callable[[Connect], T]) -> T:
        """Do something as the admin. Raises AdminRefused, Unavailable, Reject."""
        if self.parameters.ambient:
            if self.opening.target.spec.admin is not None:
                raise Reject(f"RotationTarget {self.opening.name!r} has spec.admin and parameters.ambient; keep one")
            machine = botocore.session.Session()
            return self._asked(lambda: work(lambda service: self._client(machine, service)))
        return self.opening.as_admin(lambda fields: self._asked(lambda: work(self.connecting(fields))))

    def connecting(self, fields: SecretData) -> Connect:
        """Clients with a key, whatever the machine has."""
        whose = f"a credential of RotationTarget {self.opening.name!r}"
        session = botocore.session.Session(session_vars=_NOTHING)
        token = text_field(fields, "session_token", whose) if "session_token" in fields else None
        session.set_credentials(
            text_field(fields, "access_key_id", whose), text_field(fields, "secret_access_key", whose), token
        )
        return lambda service: self._client(session, service)

    def _client(self, session: botocore.session.Session, service: str) -> Any:
        proxy = {"http": self.parameters.proxy, "https": self.parameters.proxy} if self.parameters.proxy else {}
        config = Config(
            connect_timeout=self.parameters.timeout,
            read_timeout=self.parameters.timeout,
            retries={"total_max_attempts": 2, "mode": "standard"},
            proxies=proxy,
            ignore_configured_endpoint_urls=True,  # type: ignore[call-arg]  # the stubs do not know it
        )
        session.register_component("data_loader", _models())
        return session.create_client(
            service,
            region_name=self.parameters.region,
            endpoint_url=self.parameters.endpoint,
            config=config,
            verify=True,
        )

    def unavailable(self, why: str, after: float | None = None) -> Unavailable:
        return Unavailable(self.opening.name, f"RotationTarget {self.opening.name!r}: {why}", after)

    def failure(self, error: Exception) -> StepFailure:
        """What an error means. Its text is left out: it may quote what was sent."""
        if isinstance(error, NoCredentialsError):
            return AdminRefused("this machine has no role at AWS; give it one, or name a key in spec.admin")
        if not isinstance(error, ClientError):
            return self.unavailable(f"AWS cannot be reached ({type(error).__name__}); see region, endpoint and proxy")
        code, status = code_of(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _REFUSED:
            return AdminRefused(
                f"AWS refuses the admin of RotationTarget {self.opening.name!r} to do {error.operation_name} ({code}); "
                f"docs/targets/{self.opening.target.spec.type}.md lists what it must be allowed"
            )
        if code in _LATER or status >= 500 or status == 429:
            return self.unavailable(f"AWS does not do {error.operation_name} now ({code})")
        return Reject(f"AWS does not do {error.operation_name} for RotationTarget {self.opening.name!r} ({code})")

    def _asked(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except FAILURES as error:
            raise self.failure(error) from None


@cache
def _models() -> Loader:
    """What the SDK knows of services: megabytes of JSON, read once."""
    return create_loader()


def code_of(error: ClientError) -> str:
    """AWS's word for what went wrong: one word, or none."""
    code = error.response.get("Error", {}).get("Code", "")
    return code if _CODE.fullmatch(code) else "unknown"


@contextmanager
def absent(*codes: str) -> Iterator[None]:
    """Around what need not be there (any more)."""
    try:
        yield
    except ClientError as error:
        if code_of(error) not in codes:
            raise


def told_at(answer: Mapping[str, Any]) -> datetime:
    """When AWS answered, by its own clock: what it tells of times is compared with nothing else."""
    text = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (TypeError, ValueError):
        raise Reject("AWS answers without the time; is the endpoint AWS's?") from None


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
