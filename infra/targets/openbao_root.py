"""The account that OpenBao itself logs in with at a database: after a rotation OpenBao alone knows its password.

Nothing is distributed: the path, which held the password that somebody set up, says that it is held no more.
"""

from collections.abc import Iterable, Mapping

from pydantic import Field

from functions._capability import Capability
from functions._failures import Reject
from functions._manifests.rotation import Strategy
from functions._systems import Alphabet, Before, Credential, Finding, Usage, nothing
from functions._values import SecretValue
from infra.targets.openbao_engine import MOUNT, Engine, LoginAt, Rules, below
from infra.targets.opening import Opening, Parameters, look

TYPE = "openbao-root"
_HELD = b"known to OpenBao alone since rotation "


class RootParameters(Parameters):
    """Where the engine is, and how to see that a password is dead."""

    mount: str = Field(default="database", pattern=MOUNT, max_length=256, description="The database engine's mount.")
    login: LoginAt | None = Field(
        default=None,
        description="How to log in at the database itself: a `type` such as `postgres` and its `parameters`. With it "
        "the password that somebody set up is tried, before (a retry rotates no second time) and after.",
    )
    usernames: dict[str, str] = Field(
        default_factory=dict, description="The database's account of each connection, for `login`."
    )


PARAMETERS = RootParameters
UNSEEN: tuple[Strategy, ...] = ("minted",)


def open_system(opening: Opening, parameters: RootParameters) -> "RootCredentials":
    return RootCredentials(Engine(opening, parameters.mount, TYPE), parameters)


def authority_rules(parameters: RootParameters, accounts: Iterable[str], capability: Capability) -> Rules:
    """What a step with this capability needs at the authority for these connections (globs)."""
    rules: Rules = {}
    if capability is Capability.SYSTEM_APPLY:
        for path in below(f"{parameters.mount}/rotate-root/", accounts):
            rules[path] = {"update"}
        for path in below(f"{parameters.mount}/reset/", accounts):
            rules[path] = {"update"}
    return rules


class RootCredentials:
    """One engine; an account is a connection of it. A `System` in which nobody else ever logs in."""

    strategies: tuple[Strategy, ...] = ("minted",)
    secret_fields: tuple[str, ...] = ("password",)
    verifiable = False  # what is new is known to OpenBao alone: `mint` itself sees that it works
    alphabet = Alphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-", 20)

    def __init__(self, engine: Engine, parameters: RootParameters) -> None:
        self._engine = engine
        self._parameters = parameters

    def public_fields(self, account: str) -> Mapping[str, str]:
        username = self._parameters.usernames.get(account)
        return {"username": username} if username is not None else {}

    def accepts(self, credential: Credential) -> bool:
        """Whether the database lets in whoever has this password; what says that nobody has it opens nothing."""
        where = self._parameters.login
        return where is not None and not _held(credential) and self._tried(where, credential)

    def apply(
        self, credential: Credential, rotation: str, *, keep: Credential | None = None, before: Before = nothing
    ) -> None:
        raise Reject("OpenBao makes the password of its own account by itself; use strategy minted")

    def mint(self, account: str, rotation: str, *, keep: Credential | None = None) -> Credential:
        name = self._engine.name(account)
        if keep is None or _held(keep) or self._parameters.login is None or self.accepts(keep):
            self._told(f"rotate-root/{name}", account)
        self._told(f"reset/{name}", account)  # logs in anew, with what it knows
        if keep is not None and self.accepts(keep):
            raise self._engine.unavailable(f"the former password of connection {name!r} is accepted still")
        public = {field: SecretValue.of(text) for field, text in self.public_fields(account).items()}
        return Credential(account, {**public, "password": SecretValue(_HELD + rotation.encode())}, rotation)

    def discard(self, account: str, rotation: str, *, keep: Credential | None = None) -> None:
        """Nobody but OpenBao has what was made."""

    def revoke(self, credential: Credential, *, successor: Credential | None = None, before: Before = nothing) -> None:
        """It was overwritten when its successor was made; nobody takes OpenBao its own password."""
        before()
        if self.accepts(credential):
            raise self._engine.unavailable(
                f"the former password of connection {credential.account!r} is accepted still"
            )

    def usage(self, credential: Credential) -> Usage:
        return Usage(known=False)

    def examine(self, accounts: tuple[str, ...]) -> tuple[Finding, ...]:
        rules = {f"{self._engine.mount}/{what}/{self._engine.name(account)}": {"update"}
                 for account in accounts for what in ("rotate-root", "reset")}  # fmt: skip
        warning = Finding(
            False, "from the rotation on OpenBao alone knows these passwords: nobody else may log in as these accounts"
        )
        return look(lambda: (*self._engine.missing(rules), warning))

    def _tried(self, where: LoginAt, credential: Credential) -> bool:
        if "username" not in credential.fields:
            raise Reject(
                f"RotationTarget {self._engine.opening.name!r} has parameters.login, and parameters.usernames does "
                f"not say which account connection {credential.account!r} logs in with"
            )
        return self._engine.lets_in(where, credential.fields)

    def _told(self, path: str, account: str) -> None:
        if self._engine.call("POST", path, {}).status == 400:
            raise Reject(
                f"OpenBao does not rotate connection {account!r} of mount {self._engine.mount!r}; see that it is "
                "there, and that it has a username and a password"
            )


def _held(credential: Credential) -> bool:
    password = credential.fields.get("password")
    return password is None or password.reveal().startswith(_HELD)
