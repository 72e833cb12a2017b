"""Redis and Valkey: passwords of ACL users (docs/targets/redis.md).

The server is only ever told SHA-256 hashes, so neither MONITOR nor a log of it can show a password. A user may have
several passwords; a connection stays what it was when it logged in, and nothing tells which password that was with.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from functions._failures import Reject, Unavailable
from functions._manifests.rotation import Strategy
from functions._manifests.shape import Duration
from functions._systems import Alphabet, Before, Credential, Finding, Usage, nothing
from functions._values import SecretData
from infra.targets.opening import Opening, Parameters, look, text_field
from infra.targets.redis_admin import Admin, User, hash_of
from infra.targets.redis_examination import findings
from infra.targets.redis_link import Node, accepted, is_local

Persist = Literal["aclfile", "config-rewrite", "none"]


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise ValueError("is not host:port")
    return text


class RedisParameters(Parameters):
    """Where the servers are, and how they prove who they are."""

    host: str = Field(
        min_length=1, max_length=253, description="Name or address; the path of a Unix socket begins with `/`."
    )
    port: int = Field(default=6379, ge=1, le=65535, description="Its port.")
    nodes: tuple[Annotated[str, AfterValidator(_address)], ...] = Field(
        default=(),
        max_length=100,
        description="Every other node, as `host:port`: replicas and shards have users of their own.",
    )
    tls: bool | None = Field(
        default=None, description="Whether TLS is spoken: by default, unless the host is loopback or a Unix socket."
    )
    ca: str | None = Field(
        default=None, max_length=65536, description="The authorities that vouch for it, PEM; default: the system's."
    )
    persist: Persist = Field(
        default="aclfile",
        description="What makes a change last: `aclfile` (ACL SAVE, where one is configured), `config-rewrite` "
        "(CONFIG REWRITE) or `none`.",
    )
    timeout: Duration = Field(default=5.0, ge=0.1, le=60, description="For connecting, and for each answer.")


PARAMETERS = RedisParameters
UNSEEN: tuple[Strategy, ...] = ("dual",)  # a connection does not tell which of two passwords it logged in with


def open_system(opening: Opening, parameters: RedisParameters) -> "Redis":
    return Redis(opening, parameters)


class Redis:
    """One server, or all nodes of one. A `System`."""

    strategies: tuple[Strategy, ...] = ("dual", "alternating", "single")
    secret_fields: tuple[str, ...] = ("password",)
    verifiable = True
    # Long: a server keeps unsalted hashes. Without characters that connection strings read as their own.
    alphabet = Alphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", 48)

    def __init__(self, opening: Opening, parameters: RedisParameters) -> None:
        self._opening = opening
        self._parameters = parameters
        tls = parameters.tls if parameters.tls is not None else not is_local(parameters.host)
        places = [(parameters.host, parameters.port)]
        places += [(host, int(port)) for host, _, port in (one.rpartition(":") for one in parameters.nodes)]
        self._nodes = tuple(Node(opening.name, *place, parameters.timeout, tls, parameters.ca) for place in places)

    def public_fields(self, account: str) -> Mapping[str, str]:
        return {"username": account}

    def accepts(self, credential: Credential) -> bool:
        """Whether every node does. Raises Unavailable where they differ: some were not told, or have forgotten."""
        password = _password(credential)
        answers = {accepted(node, credential.account, password) for node in self._nodes}
        if len(answers) > 1:
            raise Unavailable(
                self._opening.name,
                f"the nodes of target {self._opening.name!r} do not agree about {credential.account!r}; is one of them "
                "new, or was it restarted without its users?",
            )
        return answers.pop()

    def apply(
        self, credential: Credential, rotation: str, *, keep: Credential | None = None, before: Before = nothing
    ) -> None:
        added = hash_of(_password(credential))
        beside = keep is not None and keep.account == credential.account

        def change(admin: Admin) -> None:
            user = admin.user(credential.account)
            # Adding a password ends `nopass`; what is neither kept nor new goes in the same command.
            admin.set_user(user.name, "on", *(() if beside else ("resetpass",)), f"#{added}")
            admin.persist(self._parameters.persist)

        before()
        self._everywhere(change)

    def mint(self, account: str, rotation: str, *, keep: Credential | None = None) -> Credential:
        raise Reject("Redis makes no credentials by itself; use strategy dual, alternating or single")

    def discard(self, account: str, rotation: str, *, keep: Credential | None = None) -> None:
        """Nothing is minted here."""

    def revoke(self, credential: Credential, *, successor: Credential | None = None, before: Before = nothing) -> None:
        """Take the password away, and close every connection of the user: any of them may have used it.

        Clients connect again with what they have by then. A user that is left without a password is switched off;
        passwords that are neither of the two stay.
        """

        def change(admin: Admin) -> None:
            rules = _without(admin.user(credential.account), credential, successor)
            if rules:
                admin.set_user(credential.account, *rules)
            admin.close_connections(credential.account)
            admin.persist(self._parameters.persist)

        before()
        self._everywhere(change)

    def usage(self, credential: Credential) -> Usage:
        """Known only where the user has this password alone: then whoever connected last has used it."""
        if "password" not in credential.fields:
            return Usage(known=False)
        only = {hash_of(_password(credential))}
        ages: list[int] = []
        told: list[bool] = []

        def ask(admin: Admin) -> None:
            user = admin.user(credential.account)
            told.append(user.on and not user.no_password and user.hashes == only)
            ages.extend(admin.ages(credential.account))

        self._everywhere(ask)
        if not all(told):
            return Usage(known=False)
        # Ages are whole seconds: the moment is no later than this.
        last = datetime.now(UTC) - timedelta(seconds=min(ages) + 1) if ages else None
        return Usage(True, last, len(ages))

    def examine(self, accounts: tuple[str, ...]) -> tuple[Finding, ...]:
        found: list[Finding] = []

        def ask(admin: Admin) -> None:
            found.extend(one for one in findings(admin, accounts, self._parameters.persist) if one not in found)

        def all_nodes() -> tuple[Finding, ...]:
            self._everywhere(ask)
            return tuple(found)

        return look(all_nodes)

    def _everywhere(self, work: Callable[[Admin], None]) -> None:
        """Do it at each node, with one admin credential."""

        def at_all(credential: SecretData) -> None:
            whose = f"the admin credential of RotationTarget {self._opening.name!r}"
            username = text_field(credential, "username", whose) if "username" in credential else "default"
            password = text_field(credential, "password", whose)
            for node in self._nodes:
                with Admin.connected(node, username, password) as admin:
                    work(admin)

        self._opening.as_admin(at_all)


def _password(credential: Credential) -> bytes:
    password = text_field(credential.fields, "password", f"the credential of {credential.account!r}")
    if not password:
        raise Reject(f"the password for {credential.account!r} is empty")
    return password.encode()


def _without(user: User, credential: Credential, successor: Credential | None) -> tuple[str, ...]:
    """The rules that take a credential from a user; () where nothing is left to take."""
    kept = hash_of(_password(successor)) if successor is not None and successor.account == user.name else None
    revoked = hash_of(_password(credential)) if "password" in credential.fields else None
    if user.no_password or revoked is None:  # anything may be let in: nothing but the successor is, from now on
        return ("resetpass", f"#{kept}") if kept is not None else ("off", "resetpass")
    left = user.hashes - {revoked}
    if revoked == kept or (revoked not in user.hashes and left):
        return ()
    if left:
        return (f"!{revoked}",)
    return ("off", "resetpass") if user.on or user.hashes else ()
