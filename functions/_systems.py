"""The systems that accept credentials, as steps see them: one Protocol, an adapter per type in infra/targets.

A step decides which account gets which credential and when the old one dies; an adapter only knows how to say that to
its system. Every operation may be repeated: doing again what is done succeeds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from functions._failures import StepFailure
from functions._manifests.rotation import Strategy
from functions._manifests.rotation_target import RotationTarget
from functions._values import SecretData


class Refused(StepFailure):
    """The system does not take this value, by its policy: another one may do."""


class AdminRefused(StepFailure):
    """The system refuses the admin credential, or does not let it change this account: somebody must grant it."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What one logs in with. `id` names it without revealing it (an access key's id, a lease's); "" where the account
    has but one. `fields` are the target's own (`username`, `password`; `access_key_id`, `secret_access_key`)."""

    account: str
    fields: SecretData = field(repr=False)
    id: str = ""
    # When it was made (the staged document's time), for systems that need a while until they know it everywhere: only
    # with it can `accepts` tell "not yet" (Unavailable) from "no" (False). None: what is refused is refused.
    made: datetime | None = None


@dataclass(frozen=True, slots=True)
class Alphabet:
    """What values of a system are made of by default: characters, and how many (docs/targets.md)."""

    characters: str
    length: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What a system saw of a credential: when it was last used (None: not seen), and how many sessions it has open.

    `known` is False where the system cannot tell.
    """

    known: bool
    last: datetime | None = None
    sessions: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at a system found wrong or worth knowing before anything is changed."""

    blocks: bool
    text: str


Before = Callable[[], object]
"""What a change waits for: called when all is at hand for it and nothing is changed yet, also where there turns out to
be nothing to change. What it raises ends the call; where something is tried again, it is called again."""


def nothing() -> None:
    """A change that waits for nothing."""


class System(Protocol):
    """One declared system. Raises `Unavailable` where it is down, `AdminRefused`, `Reject` for wrong parameters."""

    strategies: tuple[Strategy, ...]  # those that it can carry out
    secret_fields: tuple[str, ...]  # fields of a credential that are made anew: ("password",)
    verifiable: bool  # False: nothing accepts it, so there is nothing to log in to (type generated)
    alphabet: Alphabet

    def public_fields(self, account: str) -> Mapping[str, str]:
        """The fields of this account's credential that are no secret: {"username": account}."""

    def accepts(self, credential: Credential) -> bool:
        """Log in for real with the credential itself, never as admin; False: it was refused. (SYSTEM_LOGIN)"""

    def apply(
        self, credential: Credential, rotation: str, *, keep: Credential | None = None, before: Before = nothing
    ) -> None:
        """Make the account accept this credential, beside `keep` where the strategy is dual. (SYSTEM_APPLY)

        Afterwards it may log in, whatever a revocation did to the account before. Raises Refused.
        """

    def mint(self, account: str, rotation: str, *, keep: Credential | None = None) -> Credential:
        """Have the provider make a credential, marked with the rotation's id where it can be. (SYSTEM_APPLY)

        What an earlier try of the same rotation made, and nobody stored, is discarded first: its secret is lost.
        `keep` is what consumers use now, and is never discarded.
        """

    def discard(self, account: str, rotation: str, *, keep: Credential | None = None) -> None:
        """Discard what `mint` made for this rotation and nobody stored, if there is any. (SYSTEM_REVOKE)

        `keep` as of `mint`. Nothing to do where nothing is minted.
        """

    def revoke(
        self, credential: Credential, *, successor: Credential | None = None, before: Before = nothing
    ) -> datetime | None:
        """Make the credential useless and end its sessions, leaving `successor` alone. (SYSTEM_REVOKE)

        Returns when to call it again, where something useless is left on purpose for a while (a deactivated key, to
        be deleted later: `account` and `id` are enough then); None where nothing is.
        """

    def usage(self, credential: Credential) -> Usage:
        """What the system saw of it. (SYSTEM_REVOKE)"""

    def examine(self, accounts: tuple[str, ...]) -> tuple[Finding, ...]:
        """Reachability, permissions and limits, changing nothing: what a dry run shows. (SYSTEM_APPLY)"""


class Systems(Protocol):
    """The declared systems (SYSTEM_READ, SYSTEM_LOGIN, SYSTEM_APPLY, SYSTEM_REVOKE)."""

    def declared(self, name: str) -> RotationTarget | None: ...

    def open(self, name: str) -> System:
        """What speaks to it, with its admin credential as the authority holds it now. Raises Reject: not declared,
        of an unknown type, or with parameters that its type does not take."""
