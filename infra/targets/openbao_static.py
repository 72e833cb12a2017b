"""Static roles of the database engine: OpenBao makes the password of an account and keeps it (docs/targets).

It is overwritten in place: from the moment of a rotation until consumers have the new one, none that they have works.
"""

from collections.abc import Iterable, Mapping

from pydantic import Field

from functions._capability import Capability
from functions._failures import Reject
from functions._manifests.rotation import Strategy
from functions._systems import Alphabet, Before, Credential, Finding, Usage, nothing
from functions._values import SecretValue
from infra.targets.openbao_engine import MOUNT, Engine, LoginAt, Rules, below, errors
from infra.targets.opening import Opening, Parameters, look

TYPE = "openbao-static"


class StaticParameters(Parameters):
    """Where the engine is, and how to try what it gives."""

    mount: str = Field(default="database", pattern=MOUNT, max_length=256, description="The database engine's mount.")
    login: LoginAt | None = Field(
        default=None,
        description="How to log in at the database itself: a `type` such as `postgres` and its `parameters`. Without "
        "it a password counts as accepted while OpenBao gives out the same.",
    )
    usernames: dict[str, str] = Field(
        default_factory=dict,
        description="The database's account of a static role, where it is not called as the role is.",
    )

    def username(self, account: str) -> str:
        return self.usernames.get(account, account)


PARAMETERS = StaticParameters
UNSEEN: tuple[Strategy, ...] = ("minted",)


def open_system(opening: Opening, parameters: StaticParameters) -> "StaticRoles":
    return StaticRoles(Engine(opening, parameters.mount, TYPE), parameters)


def authority_rules(parameters: StaticParameters, accounts: Iterable[str], capability: Capability) -> Rules:
    """What a step with this capability needs at the authority for these accounts (globs)."""
    changes = capability in (Capability.SYSTEM_APPLY, Capability.SYSTEM_REVOKE)
    reads = changes or (capability is Capability.SYSTEM_LOGIN and parameters.login is None)
    rules: Rules = {}
    if reads:
        rules |= {path: {"read"} for path in below(f"{parameters.mount}/static-creds/", accounts)}
    if changes:
        rules |= {path: {"update"} for path in below(f"{parameters.mount}/rotate-role/", accounts)}
    return rules


class StaticRoles:
    """One engine; an account is a static role. A `System`."""

    strategies: tuple[Strategy, ...] = ("minted",)
    secret_fields: tuple[str, ...] = ("password",)
    verifiable = True
    alphabet = Alphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-", 20)

    def __init__(self, engine: Engine, parameters: StaticParameters) -> None:
        self._engine = engine
        self._parameters = parameters
        self._login = parameters.login

    def public_fields(self, account: str) -> Mapping[str, str]:
        return {"username": self._parameters.username(account)}

    def accepts(self, credential: Credential) -> bool:
        if self._login is not None:
            return self._engine.lets_in(self._login, credential.fields)
        return self._same(self._current(credential.account), credential)

    def apply(
        self, credential: Credential, rotation: str, *, keep: Credential | None = None, before: Before = nothing
    ) -> None:
        raise Reject("OpenBao makes the passwords of its static roles by itself; use strategy minted")

    def mint(self, account: str, rotation: str, *, keep: Credential | None = None) -> Credential:
        """Another password than `keep`'s: where OpenBao has one already, that is it.

        So a retry finds what the try before it made, by no clock; and one that OpenBao made by itself meanwhile, on
        its own schedule, reaches the consumers too.
        """
        current = self._current(account)
        if keep is not None and (self._same(current, keep) or not self._works(current)):
            self._rotate(account)
            current = self._current(account)
        return current

    def discard(self, account: str, rotation: str, *, keep: Credential | None = None) -> None:
        """Nothing is lost: OpenBao tells what it made, as often as it is asked."""

    def revoke(self, credential: Credential, *, successor: Credential | None = None, before: Before = nothing) -> None:
        before()
        if self._same(self._current(credential.account), credential):
            self._rotate(credential.account)

    def usage(self, credential: Credential) -> Usage:
        return Usage(known=False)

    def examine(self, accounts: tuple[str, ...]) -> tuple[Finding, ...]:
        return look(lambda: tuple(found for account in accounts for found in self._examined(account)))

    def _examined(self, account: str) -> Iterable[Finding]:
        mount, name = self._engine.mount, self._engine.name(account)
        rules: Rules = {f"{mount}/static-creds/{name}": {"read"}, f"{mount}/rotate-role/{name}": {"update"}}
        lacking = self._engine.missing(rules)
        yield from lacking
        if not lacking:
            current = self._current(account)
            if self._login is not None and not self._engine.lets_in(self._login, current.fields):
                yield Finding(False, f"the database does not accept the password that OpenBao gives out for {name!r}")

    def _current(self, account: str) -> Credential:
        path = f"static-creds/{self._engine.name(account)}"
        answer = self._engine.call("GET", path)
        if answer.status == 400:
            raise self._unknown(account)
        data = self._engine.data(answer, path)
        username, password = data.get("username"), data.get("password")
        if not isinstance(password, str):
            raise Reject(f"static role {account!r} has no password; Lockstep rotates no other kind of credential")
        if username != self._parameters.username(account):
            raise Reject(
                f"static role {account!r} is for an account of another name; name it in parameters.usernames of "
                f"RotationTarget {self._engine.opening.name!r}"
            )
        return Credential(account, {"username": SecretValue.of(username), "password": SecretValue.of(password)})

    def _rotate(self, account: str) -> None:
        """A rotation that failed halfway is finished by the engine, which remembers what it chose."""
        answer = self._engine.call("POST", f"rotate-role/{self._engine.name(account)}", {})
        if answer.status == 400 and "no static role" in errors(answer):
            raise self._unknown(account)
        if answer.status == 400:
            raise self._engine.unavailable(f"static role {account!r} could not be rotated; OpenBao's log says why")

    def _works(self, current: Credential) -> bool:
        return self._login is None or self._engine.lets_in(self._login, current.fields)

    def _same(self, current: Credential, other: Credential) -> bool:
        return current.fields["password"] == other.fields.get("password")

    def _unknown(self, account: str) -> Reject:
        return Reject(f"OpenBao has no static role {account!r} at mount {self._engine.mount!r}; create it there")
