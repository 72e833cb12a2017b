"""Dynamic roles of the database engine: each credential an account of its own, alive as long as its lease.

A lease ends with the token that asked for it, and tokens of steps end when their process does. So every credential is
asked for with a token of its own, an orphan, which lives as long as the lease may, and which nobody keeps.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from pydantic import Field

from functions._capability import Capability
from functions._failures import Reject
from functions._manifests.rotation import Strategy
from functions._systems import Alphabet, Before, Credential, Finding, Usage, nothing
from functions._values import SecretValue
from infra.targets.openbao_engine import MOUNT, Engine, LoginAt, Rules, below, errors
from infra.targets.opening import Calls, Opening, Parameters, look

TYPE = "openbao-dynamic"
_MARGIN = 3600  # seconds that a token outlives its lease: the lease's own end is the one that is seen


class DynamicParameters(Parameters):
    """Where the engine is, and how to try what it gives."""

    mount: str = Field(default="database", pattern=MOUNT, max_length=256, description="The database engine's mount.")
    token_role: str = Field(
        default="lockstep-leases",
        pattern=r"^[A-Za-z0-9_][-A-Za-z0-9_.]{0,127}$",
        description="The token role whose orphan tokens ask for credentials.",
    )
    login: LoginAt | None = Field(
        default=None,
        description="How to log in at the database itself: a `type` such as `postgres` and its `parameters`. Without "
        "it a credential counts as accepted while its lease lives.",
    )


PARAMETERS = DynamicParameters
UNSEEN: tuple[Strategy, ...] = ("minted",)


def open_system(opening: Opening, parameters: DynamicParameters) -> "DynamicRoles":
    return DynamicRoles(Engine(opening, parameters.mount, TYPE), parameters)


def authority_rules(parameters: DynamicParameters, accounts: Iterable[str], capability: Capability) -> Rules:
    """What a step with this capability needs at the authority for these roles (globs)."""
    mount, look_up = parameters.mount, "sys/leases/lookup"
    rules: Rules = {}
    if capability is Capability.SYSTEM_APPLY:
        rules = {key: {"read"} for key in below(f"{mount}/roles/", accounts)}
        rules[f"auth/token/create/{parameters.token_role}"] = {"update"}
    elif capability in (Capability.SYSTEM_REVOKE, Capability.LEASE_REVOKE):
        rules = {key: {"update"} for key in below(f"sys/leases/revoke/{mount}/creds/", accounts, "/*")}
        if capability is Capability.SYSTEM_REVOKE:
            rules[look_up] = {"update"}
    elif capability is Capability.LEASE_RENEW:
        rules = {key: {"update"} for key in below(f"sys/leases/renew/{mount}/creds/", accounts, "/*")}
    elif capability is Capability.LEASE_READ or (capability is Capability.SYSTEM_LOGIN and parameters.login is None):
        rules = {look_up: {"update"}}
    return rules


class DynamicRoles:
    """One engine; an account is a role. The id of a credential is its lease's. A `System`."""

    strategies: tuple[Strategy, ...] = ("minted",)
    secret_fields: tuple[str, ...] = ("username", "password")
    verifiable = True
    alphabet = Alphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-", 20)

    def __init__(self, engine: Engine, parameters: DynamicParameters) -> None:
        self._engine = engine
        self._parameters = parameters

    def public_fields(self, account: str) -> Mapping[str, str]:
        return {}

    def accepts(self, credential: Credential) -> bool:
        if self._parameters.login is not None:
            return self._engine.lets_in(self._parameters.login, credential.fields)
        return bool(credential.id) and self._lives(self._lease(credential))

    def apply(
        self, credential: Credential, rotation: str, *, keep: Credential | None = None, before: Before = nothing
    ) -> None:
        raise Reject("OpenBao makes the credentials of its roles by itself; use strategy minted")

    def mint(self, account: str, rotation: str, *, keep: Credential | None = None) -> Credential:
        """A new account at the database. One that a try before this made and lost ends when its lease does."""
        name = self._engine.name(account)
        calls = self._engine.calls.bearing(self._token(name))
        try:
            return self._asked(name, calls)
        except BaseException:
            # Nothing that this token asked for was handed out: what there may be ends with it.
            calls.call("POST", "auth/token/revoke-self", body={}, kind="target", any_ok=True)
            raise

    def discard(self, account: str, rotation: str, *, keep: Credential | None = None) -> None:
        """Nobody renews what was lost, so that it ends with its first lease; leases are not searched for."""

    def revoke(self, credential: Credential, *, successor: Credential | None = None, before: Before = nothing) -> None:
        before()
        if not credential.id:
            self._expect_dead(credential)
            return
        lease = self._lease(credential)
        answer = self._engine.ask("POST", f"sys/leases/revoke/{lease}", {"sync": True})
        if answer.status == 400 and "lease not found" not in errors(answer) and self._lives(lease):
            raise self._engine.unavailable(
                f"a lease of role {credential.account!r} could not be revoked: often its account owns objects, and "
                "the role's revocation_statements have to reassign or drop them first; OpenBao's log says more"
            )

    def usage(self, credential: Credential) -> Usage:
        return Usage(known=False)

    def examine(self, accounts: tuple[str, ...]) -> tuple[Finding, ...]:
        return look(lambda: tuple(found for account in accounts for found in self._examined(account)))

    def _examined(self, account: str) -> Iterable[Finding]:
        mount, name = self._engine.mount, self._engine.name(account)
        token = f"auth/token/create/{self._parameters.token_role}"
        rules: Rules = {f"{mount}/roles/{name}": {"read"}, token: {"update"}}
        lacking = self._engine.missing(rules)
        yield from lacking
        if not lacking:
            yield Finding(
                False, f"leases of {name!r} live {timedelta(seconds=self._longest(name)) or 'as the mount says'}"
            )

    # --- the token that asks -------------------------------------------------------------------------------------

    def _token(self, name: str) -> SecretValue:
        longest = self._longest(name)
        body: dict[str, Any] = {"no_default_policy": True, "meta": {"for": "lockstep", "role": name}}
        if longest:
            body["ttl"] = f"{longest + _MARGIN}s"
        where = f"auth/token/create/{self._parameters.token_role}"
        answer = self._engine.ask("POST", where, body)
        token = answer.body.get("auth")
        if answer.status == 400 or not isinstance(token, Mapping):
            raise Reject(
                f"there is no token role {self._parameters.token_role!r}; docs/targets/{TYPE}.md says how it is made"
            )
        value = SecretValue.of(str(token.get("client_token")))
        if not token.get("orphan") or (longest and int(token.get("lease_duration") or 0) < longest):
            self._engine.calls.bearing(value).call(
                "POST", "auth/token/revoke-self", body={}, kind="target", any_ok=True
            )
            raise Reject(
                f"tokens of role {self._parameters.token_role!r} have to be orphans that live for {longest} s, as "
                f"leases of {name!r} do: set orphan=true and a token_explicit_max_ttl that is long enough, or lower "
                "the max_ttl of the database role"
            )
        return value

    def _longest(self, name: str) -> int:
        """Seconds that a lease of the role may live at most; 0 where the mount or the system says."""
        path = f"roles/{name}"
        try:
            answer = self._engine.call("GET", path)
        except Reject:
            raise self._unknown(name) from None
        data = self._engine.data(answer, path) if answer.status < 400 else {}
        return int(data.get("max_ttl") or 0)

    def _asked(self, name: str, calls: Calls) -> Credential:
        answer = self._engine.ask("GET", f"{self._engine.mount}/creds/{name}", calls=calls)
        if answer.status == 400:
            raise self._unknown(name)
        return self._credential(name, answer.body)

    # --- leases --------------------------------------------------------------------------------------------------

    def _credential(self, name: str, body: Mapping[str, Any]) -> Credential:
        data, lease = body.get("data"), body.get("lease_id")
        fields = {field: data.get(field) for field in self.secret_fields} if isinstance(data, Mapping) else {}
        if not isinstance(lease, str) or not fields or not all(isinstance(value, str) for value in fields.values()):
            raise Reject(f"role {name!r} gives no user name and password; Lockstep rotates no other kind of credential")
        return Credential(name, {field: SecretValue.of(str(value)) for field, value in fields.items()}, lease)

    def _lease(self, credential: Credential) -> str:
        """Its id, which is part of a path: never another role's, whatever a record says. Raises Reject."""
        prefix = f"{self._engine.mount}/creds/{self._engine.name(credential.account)}/"
        if not credential.id.startswith(prefix):
            raise Reject(f"the credential of {credential.account!r} is no lease of that role; end it by hand")
        return f"{prefix}{self._engine.name(credential.id.removeprefix(prefix))}"

    def _lives(self, lease: str) -> bool:
        return self._engine.ask("POST", "sys/leases/lookup", {"lease_id": lease}).status < 400

    def _expect_dead(self, credential: Credential) -> None:
        """What was at the path before it was rotated is no lease: OpenBao cannot end it."""
        if self._parameters.login is None or self.accepts(credential):
            raise Reject(
                f"what {credential.account!r} had before is no lease; end that account at the database by hand"
                + ("" if self._parameters.login else ", and declare parameters.login, so that this can be seen")
            )

    def _unknown(self, name: str) -> Reject:
        return Reject(f"OpenBao has no role {name!r} at mount {self._engine.mount!r}; create it there")
