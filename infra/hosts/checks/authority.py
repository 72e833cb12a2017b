"""The authority: reached, unsealed, over a safe way, and with our time."""

import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from functions._failures import StepFailure
from infra.hosts.checks.result import Check, fail, ok, warn
from infra.stores.vault.client import VaultClient
from infra.stores.vault.health import Health
from infra.stores.vault.settings import VaultSettings

CLOCK_WARNS = 5.0  # seconds between the two clocks; the authority tells whole seconds
CLOCK_FAILS = 60.0


def authority_checks(settings: VaultSettings, client: VaultClient, health: Health) -> Iterator[Check]:
    """Checks that need no permission at the authority. `health` is what it said of itself."""
    address = settings.address
    if health.serves:
        yield ok("authority", f"{address} serves, version {health.version or 'unknown'}")
    else:
        yield fail("authority", health.reason, "events wait meanwhile; nothing is lost")
    yield _transport(settings)
    if health.serves:
        yield _clock(client)


def _transport(settings: VaultSettings) -> Check:
    url = urlsplit(settings.address)
    if url.scheme == "http" and not _loopback(url.hostname or ""):
        return fail("transport", f"values travel to {settings.address} in the clear", "use https:// in VAULT_ADDR")
    if settings.skip_verify:
        return warn(
            "transport", "the authority's certificate is not verified", "set VAULT_CACERT, unset VAULT_SKIP_VERIFY"
        )
    return ok("transport", "TLS" if url.scheme == "https" else "the loopback")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _clock(client: VaultClient) -> Check:
    try:
        answer = client.call("GET", "sys/health?standbyok=true&perfstandbyok=true", kind="health")
    except StepFailure as failure:
        return warn("clock", f"the authority's time is not known: {failure.reason}", "run this again")
    theirs = answer.body.get("server_time_utc")
    if not isinstance(theirs, int):
        return ok("clock", "the authority does not tell its time")
    return judged_clock(datetime.now(UTC).timestamp() - theirs)


def judged_clock(ahead: float) -> Check:
    """What our clock's lead over the authority's (seconds, negative: it lags) means."""
    message = f"this machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the authority's"
    action = "synchronise the clocks (NTP): orders expire and versions are compared by time"
    if abs(ahead) > CLOCK_FAILS:
        return fail("clock", message, action)
    return warn("clock", message, action) if abs(ahead) > CLOCK_WARNS else ok("clock", "the same as the authority's")
