"""Values that nothing accepts (docs/targets/generated.md): a signing key, a session secret, a token of one's own.

There is no system to tell, to log in at, or to revoke at: what is replaced dies when its last consumer has the new one.
"""

from collections.abc import Mapping

from pydantic import Field

from functions._failures import Reject
from functions._manifests.rotation import Strategy
from functions._systems import Alphabet, Before, Credential, Finding, Usage, nothing
from infra.targets.opening import Opening, Parameters


class GeneratedParameters(Parameters):
    """What is made."""

    fields: tuple[str, ...] = Field(
        default=("value",), min_length=1, max_length=32, description="Names of the fields that are made, each anew."
    )


PARAMETERS = GeneratedParameters
UNSEEN: tuple[Strategy, ...] = ("single",)


def open_system(opening: Opening, parameters: GeneratedParameters) -> "Generated":
    return Generated(parameters.fields)


class Generated:
    """Nothing outside. A `System` that is not verifiable: its rotations prove that a value was replaced, no more."""

    strategies: tuple[Strategy, ...] = ("single",)
    verifiable = False
    alphabet = Alphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 48)

    def __init__(self, fields: tuple[str, ...]) -> None:
        self.secret_fields: tuple[str, ...] = fields

    def public_fields(self, account: str) -> Mapping[str, str]:
        return {}

    def accepts(self, credential: Credential) -> bool:
        """Whether it is whole: nobody else could refuse it."""
        return all(field in credential.fields for field in self.secret_fields)

    def apply(
        self, credential: Credential, rotation: str, *, keep: Credential | None = None, before: Before = nothing
    ) -> None:
        if not self.accepts(credential):
            raise Reject(f"the value of {credential.account!r} lacks a field of {', '.join(self.secret_fields)}")
        before()

    def mint(self, account: str, rotation: str, *, keep: Credential | None = None) -> Credential:
        raise Reject("type generated has no provider that makes credentials; use strategy single")

    def discard(self, account: str, rotation: str, *, keep: Credential | None = None) -> None:
        """Nothing is minted here."""

    def revoke(self, credential: Credential, *, successor: Credential | None = None, before: Before = nothing) -> None:
        """Nothing accepts it, so nothing can refuse it from now on."""
        before()

    def usage(self, credential: Credential) -> Usage:
        return Usage(known=False)

    def examine(self, accounts: tuple[str, ...]) -> tuple[Finding, ...]:
        return ()
