"""OpenBao's (and Vault's) database engine, as the targets that are roles of it speak to it: in the step's own identity.

What the engine says of a failure may quote the database, and that the statement: none of it goes further.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from functions._failures import Reject, Unavailable
from functions._manifests.shape import Shape
from functions._systems import AdminRefused, Credential, Finding, System
from functions._values import SecretData
from infra.targets.opening import Answered, Calls, Opening, text_field

_NAME = re.compile(r"[A-Za-z0-9_][-A-Za-z0-9_.]{0,127}")
AUTHORITY = "authority"  # what its own adapters call it: while it is away, nothing can be recorded either
_SEALED = frozenset({429, 472, 473, 503})
MOUNT = r"^[A-Za-z0-9_][-A-Za-z0-9_.]*(/[A-Za-z0-9_][-A-Za-z0-9_.]*)*$"

Rules = dict[str, set[str]]
"""What a policy grants: path pattern -> verbs."""


class LoginAt(Shape):
    """Where a credential of the engine opens something: a target type that can log in there, and its parameters."""

    type: str = Field(description="A target type that logs in there, such as `postgres`.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="The parameters of that type.")


@dataclass(frozen=True)
class Engine:
    """The engine at one mount. Raises AdminRefused where the step's policy lacks a rule, Unavailable, Reject."""

    opening: Opening
    mount: str
    kind: str  # the target's type, whose page says what to grant

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answered:
        """One request below the mount; answers are a success, or a 400, which the engine gives for unknown roles."""
        return self.ask(method, f"{self.mount}/{path}", body)

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, calls: Calls | None = None
    ) -> Answered:
        """The same anywhere at the authority, with another token where `calls` has one."""
        answer = (calls or self.calls).call(method, path, body=body, kind="target", any_ok=True)
        if answer.status < 400 or answer.status == 400:
            return answer
        if answer.status == 403:
            raise AdminRefused(
                f"permission denied on {path}; docs/targets/{self.kind}.md lists the rules that it takes"
            )
        if answer.status == 404:
            raise Reject(f"there is nothing at {path}; is the database engine mounted at {self.mount!r}?")
        if answer.status in _SEALED:
            raise Unavailable(AUTHORITY, "the authority is sealed, a standby or sheds load")
        raise self.unavailable(
            f"the authority answers {answer.status} on {path}: often it cannot reach the database, or is refused "
            "there; its log says more"
        )

    @property
    def calls(self) -> Calls:
        if self.opening.authority is None:
            raise Reject(f"targets of type {self.kind} speak to the authority, which this host does not let them")
        return self.opening.authority

    def unavailable(self, why: str) -> Unavailable:
        return Unavailable(self.opening.name, f"RotationTarget {self.opening.name!r}: {why}")

    def name(self, account: str) -> str:
        """A role's name, as part of a path. Raises Reject for what is none."""
        if not _NAME.fullmatch(account):
            raise Reject(f"{account[:64]!r} is no name of a role; they are letters, digits, '-', '_' and '.'")
        return account

    def data(self, answer: Answered, path: str) -> Mapping[str, Any]:
        """What a successful answer holds. Raises Reject where it is another API's."""
        data = answer.body.get("data")
        if not isinstance(data, Mapping):
            raise Reject(f"the answer of {self.mount}/{path} is not the database engine's; is that its mount?")
        return data

    def login(self, where: LoginAt) -> System:
        """Who logs in at the database. Raises Reject for parameters that the type does not take."""
        from infra.targets.registry import open_target  # here: the registry names this module

        spec = self.opening.target.spec.model_copy(
            update={"type": where.type, "parameters": where.parameters, "admin": None}
        )
        target = self.opening.target.model_copy(update={"spec": spec})
        return open_target(Opening(target, self.opening.read_admin))

    def lets_in(self, where: LoginAt, fields: SecretData) -> bool:
        """Whether the database lets in whoever has these fields; for real, over its own protocol."""
        username = text_field(fields, "username", "the credential")
        return self.login(where).accepts(Credential(username, fields))

    def missing(self, rules: Rules) -> tuple[Finding, ...]:
        """What the step's own policy does not grant of these rules, each a finding. Paths are exact."""
        answer = self.ask("POST", "sys/capabilities-self", {"paths": sorted(rules)})
        told = answer.body.get("data") or answer.body
        found = []
        for path in sorted(rules):
            has = set(told.get(path) or ())
            if "root" not in has and not rules[path] <= has:
                lacking = ", ".join(sorted(rules[path] - has))
                found.append(
                    Finding(True, f"the policy of this step lacks {lacking} on {path}; apply the policies anew")
                )
        return tuple(found)


def errors(answer: Answered) -> str:
    """The engine's own words of a refusal, to be compared and never shown."""
    said = answer.body.get("errors")
    return "; ".join(map(str, said)) if isinstance(said, list) else ""


def below(prefix: str, accounts: Iterable[str], suffix: str = "") -> Iterable[str]:
    """A policy's patterns for accounts that are globs: what stands before a wildcard, and anything after it."""
    for account in accounts:
        plain = re.split(r"[*?\[]", account, maxsplit=1)[0]
        yield f"{prefix}{plain}{suffix}" if plain == account else f"{prefix}{plain}*"
