"""PostgreSQL: passwords of roles (docs/targets/postgres.md).

The server is only ever told a SCRAM verifier, so no log, view or extension of it can show a password. A role has one
password, and sessions outlive its change: `revoke` ends those that began before it.
"""

import ipaddress
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, TypeVar

from pydantic import Field

from functions._failures import Reject
from functions._manifests.rotation import Strategy
from functions._manifests.shape import Duration
from functions._systems import Alphabet, Before, Credential, Finding, Usage, nothing
from functions._values import SecretData
from infra.targets.opening import Opening, Parameters, look, text_field
from infra.targets.postgres_admin import Admin, Link, Verifier, connected
from infra.targets.postgres_examination import Examination
from infra.targets.postgres_login import Login, Server, login
from infra.targets.scram import ITERATIONS, verifier
from infra.targets.tls import context

T = TypeVar("T")
SslMode = Literal["verify-full", "verify-ca", "require", "disable"]


class PostgresParameters(Parameters):
    """Where the server is, and how it proves who it is."""

    host: str = Field(
        min_length=1, max_length=253, description="Name or address; the directory of its Unix socket begins with `/`."
    )
    port: int = Field(default=5432, ge=1, le=65535, description="Its port.")
    database: str = Field(
        default="postgres", min_length=1, max_length=63, description="One that admin and accounts may connect to."
    )
    sslmode: SslMode | None = Field(
        default=None,
        description="`verify-full` (default), `verify-ca`, `require` (encrypted, and whoever it is) or `disable` "
        "(default on loopback and Unix sockets).",
    )
    ca: str | None = Field(
        default=None, max_length=65536, description="The authorities that vouch for it, PEM; default: the system's."
    )
    timeout: Duration = Field(default=5.0, ge=0.1, le=60, description="For connecting and logging in.")
    statement_timeout: Duration = Field(default=10.0, ge=0.1, le=120, description="For each statement.")

    @property
    def mode(self) -> SslMode:
        if self.host.startswith("/"):
            return "disable"
        return self.sslmode or ("disable" if _loopback(self.host) else "verify-full")


PARAMETERS = PostgresParameters


def open_system(opening: Opening, parameters: PostgresParameters) -> "Postgres":
    return Postgres(opening, parameters)


class Postgres:
    """One server. A `System`."""

    strategies: tuple[Strategy, ...] = ("single", "alternating")
    secret_fields: tuple[str, ...] = ("password",)
    verifiable = True
    # Without those that connection strings and shells read as their own.
    alphabet = Alphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", 40)

    def __init__(self, opening: Opening, parameters: PostgresParameters) -> None:
        self._opening = opening
        self._parameters = parameters
        self._server = Server(
            opening.name,
            parameters.host,
            parameters.port,
            parameters.database,
            parameters.timeout,
            _tls(parameters, opening.name),
        )
        self._link = Link(parameters.mode, parameters.ca, parameters.statement_timeout)

    def public_fields(self, account: str) -> Mapping[str, str]:
        return {"username": account}

    def accepts(self, credential: Credential) -> bool:
        ended = self._login(credential)
        if ended is Login.FULL:
            raise self._server.unavailable("has no connection left for a login")
        return ended is Login.ACCEPTED

    def apply(
        self, credential: Credential, rotation: str, *, keep: Credential | None = None, before: Before = nothing
    ) -> None:
        with self._verifier(credential) as verifier:
            self._as_admin(lambda admin: admin.set_password(credential.account, verifier, rotation, before))

    def mint(self, account: str, rotation: str, *, keep: Credential | None = None) -> Credential:
        raise Reject("PostgreSQL makes no credentials by itself; use strategy single or alternating")

    def discard(self, account: str, rotation: str, *, keep: Credential | None = None) -> None:
        """Nothing is minted here."""

    def revoke(self, credential: Credential, *, successor: Credential | None = None, before: Before = nothing) -> None:
        """What still works is taken away; then the sessions that it opened end.

        Where the account has another password by now, that one and its sessions stay: a repeated revocation harms
        nobody's newer credential.
        """
        # Full: with all its connections taken, it may well work. One whose password is lost may, too.
        with self._opening.beside(
            lambda: "password" not in credential.fields or self._login(credential) is not Login.REFUSED
        ) as works:

            def end(admin: Admin) -> None:
                if works() and successor is not None and successor.account == credential.account:
                    with self._verifier(successor) as verifier:
                        admin.set_password(successor.account, verifier, "", before)
                elif works():
                    admin.disable(credential.account, before)
                else:
                    before()
                admin.end_sessions(credential.account)

            self._as_admin(end)

    def usage(self, credential: Credential) -> Usage:
        if "password" not in credential.fields:
            return Usage(known=False)
        current = self._login(credential) is not Login.REFUSED
        return self._as_admin(lambda admin: admin.sessions(credential.account, current=current))

    def examine(self, accounts: tuple[str, ...]) -> tuple[Finding, ...]:
        examination = Examination(self._server, self._parameters.mode, accounts)
        return look(lambda: self._as_admin(examination.findings))

    def _login(self, credential: Credential) -> Login:
        password = text_field(credential.fields, "password", _whose(credential))
        return login(self._server, credential.account, password.encode())

    @contextmanager
    def _verifier(self, credential: Credential) -> Iterator[Verifier]:
        """Its password's, as a server with default settings wants it made while the admin connects."""
        password = self._password(credential).encode()
        with self._opening.beside(lambda: verifier(password)) as usual:
            yield lambda iterations: usual() if iterations == ITERATIONS else verifier(password, iterations)

    def _password(self, credential: Credential) -> str:
        password = text_field(credential.fields, "password", _whose(credential))
        if not password or "\0" in password:
            raise Reject(
                f"the password for {credential.account!r} is empty or holds a zero byte; PostgreSQL takes neither"
            )
        return password

    def _as_admin(self, work: Callable[[Admin], T]) -> T:
        return self._opening.as_admin(lambda credential: self._connected(credential, work))

    def _connected(self, credential: SecretData, work: Callable[[Admin], T]) -> T:
        whose = f"the admin credential of RotationTarget {self._opening.name!r}"
        user, password = (text_field(credential, name, whose) for name in ("username", "password"))
        with connected(self._server, self._link, user, password) as admin:
            return work(admin)


def _tls(parameters: PostgresParameters, target: str) -> ssl.SSLContext | None:
    mode = parameters.mode
    if mode == "disable":
        return None
    return context(parameters.ca, target, verify=mode != "require", names=mode == "verify-full")


def _whose(credential: Credential) -> str:
    return f"the credential of {credential.account!r}"


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
