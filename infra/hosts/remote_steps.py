"""The steps of an embedded broker that run elsewhere: each behind HTTP, at an address made of its name."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from infra.broker.http_subscriber import HttpSubscriber
from infra.hosts.configuration import ConfigurationError

STEPS_AT = "LOCKSTEP_STEPS_AT"
_PLACE = "{step}"


def remote_steps(address: str, names: Iterable[str], namespace: str, workers: int) -> dict[str, HttpSubscriber]:
    """A subscriber per step at `address`, in which `{step}` stands for its name. Raises ConfigurationError."""
    parts = urlsplit(address.replace(_PLACE, "step"))
    if _PLACE not in address or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(
            f"{STEPS_AT} is {address[:80]!r}; give http(s)://HOST[:PORT] with {_PLACE} where a step's name belongs"
        )
    return {name: _behind(address.replace(_PLACE, name).rstrip("/"), namespace, workers) for name in names}


def _behind(address: str, namespace: str, workers: int) -> HttpSubscriber:
    readiness = f"{address}/health/readiness"
    return HttpSubscriber(address, namespace=namespace, readiness=readiness, connections=workers, batches=True)
