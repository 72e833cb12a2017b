"""Connections to a Redis or Valkey node, and one real login over one. Nothing of the client's errors is passed on."""

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from redis import connection as connections
from redis import exceptions
from redis.backoff import NoBackoff
from redis.retry import Retry

from functions._failures import StepFailure, Unavailable
from infra.targets.tls import context

Connection = Any  # redis.connection.Connection, of which only the constructor has types
_CLIENT: Any = connections


@dataclass(frozen=True)
class Node:
    """One server of a target. `host` beginning with "/" is a Unix socket; `timeout` seconds."""

    target: str
    host: str
    port: int
    timeout: float
    tls: bool
    ca: str | None = field(default=None, repr=False)

    @property
    def place(self) -> str:
        return self.host if self.host.startswith("/") else f"{self.host}:{self.port}"

    def unavailable(self, why: str) -> Unavailable:
        return Unavailable(self.target, f"Redis of target {self.target!r} at {self.place} {why}")


def is_local(host: str) -> bool:
    """Whether nothing leaves the machine on the way there."""
    try:
        return host.startswith("/") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def accepted(node: Node, account: str, password: bytes) -> bool:
    """Log in on a connection of its own. Raises Unavailable."""
    with opened(node) as connection:
        return authenticated(node, connection, account, password)


def authenticated(node: Node, connection: Connection, account: str, password: bytes) -> bool:
    """Whether AUTH succeeds. Raises Unavailable for every other answer than yes and no."""
    try:
        connection.send_command("AUTH", account.encode(), password, check_health=False)
        answer = connection.read_response()
    except exceptions.AuthenticationError:  # WRONGPASS: a wrong password, no such user, or one that is off
        return False
    except exceptions.ResponseError:
        raise node.unavailable("does not take logins now") from None
    if answer != b"OK":
        raise node.unavailable("answers a login with something else than yes and no")
    return True


@contextmanager
def opened(node: Node) -> Iterator[Connection]:
    """A connection that nobody is logged in on. Raises Unavailable, also for what fails within the block."""
    connection = _connection(node)
    try:
        connection.connect()
        yield connection
    except StepFailure:
        raise
    except (exceptions.ConnectionError, exceptions.TimeoutError, OSError) as error:
        raise node.unavailable(f"cannot be spoken to ({type(error).__name__})") from None
    finally:
        connection.disconnect()


def _connection(node: Node) -> Connection:
    shared: dict[str, Any] = {
        "socket_timeout": node.timeout,
        "socket_connect_timeout": node.timeout,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "driver_info": None,
        "health_check_interval": 0,
    }
    if node.host.startswith("/"):
        return _CLIENT.UnixDomainSocketConnection(path=node.host, **shared)
    if not node.tls:
        return _CLIENT.Connection(host=node.host, port=node.port, **shared)
    context(node.ca, node.target)  # tells of a bad certificate before anything is connected
    return _CLIENT.SSLConnection(
        host=node.host, port=node.port, ssl_ca_data=node.ca, ssl_cert_reqs="required", **shared
    )
