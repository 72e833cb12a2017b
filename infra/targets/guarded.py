"""No account is touched that a target allows nobody: checked for every type, beneath the steps' own check."""

from collections.abc import Mapping
from datetime import datetime
from fnmatch import fnmatchcase

from functions._failures import Reject
from functions._manifests.rotation import Strategy
from functions._manifests.rotation_target import RotationTarget
from functions._systems import Alphabet, Before, Credential, Finding, System, Usage, nothing


class Guarded:
    """A system whose operations refuse accounts outside `spec.allow`, whoever asks. A `System` itself."""

    def __init__(self, system: System, target: RotationTarget) -> None:
        self._system = system
        self._target = target
        self.strategies: tuple[Strategy, ...] = system.strategies
        self.secret_fields: tuple[str, ...] = system.secret_fields
        self.verifiable: bool = system.verifiable
        self.alphabet: Alphabet = system.alphabet

    def public_fields(self, account: str) -> Mapping[str, str]:
        return self._system.public_fields(account)

    def accepts(self, credential: Credential) -> bool:
        return self._system.accepts(credential)

    def apply(
        self, credential: Credential, rotation: str, *, keep: Credential | None = None, before: Before = nothing
    ) -> None:
        self._check(credential.account)
        self._system.apply(credential, rotation, keep=keep, before=before)

    def mint(self, account: str, rotation: str, *, keep: Credential | None = None) -> Credential:
        self._check(account)
        return self._system.mint(account, rotation, keep=keep)

    def discard(self, account: str, rotation: str, *, keep: Credential | None = None) -> None:
        self._check(account)
        self._system.discard(account, rotation, keep=keep)

    def revoke(
        self, credential: Credential, *, successor: Credential | None = None, before: Before = nothing
    ) -> datetime | None:
        self._check(credential.account)
        return self._system.revoke(credential, successor=successor, before=before)

    def usage(self, credential: Credential) -> Usage:
        self._check(credential.account)
        return self._system.usage(credential)

    def examine(self, accounts: tuple[str, ...]) -> tuple[Finding, ...]:
        allowed = tuple(account for account in accounts if self._allowed(account))
        outside = (Finding(True, self._refusal(account)) for account in accounts if account not in allowed)
        return (*outside, *self._system.examine(allowed))

    def _check(self, account: str) -> None:
        if not self._allowed(account):
            raise Reject(self._refusal(account))

    def _allowed(self, account: str) -> bool:
        return any(fnmatchcase(account, glob) for one in self._target.spec.allow for glob in one.accounts)

    def _refusal(self, account: str) -> str:
        return (
            f"RotationTarget {self._target.name!r} lets nobody change account {account!r}; "
            "its spec.allow lists the accounts"
        )
