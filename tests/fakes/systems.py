"""Systems that accept credentials, in memory: accounts with what they accept, policies, outages, sessions."""

import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from functions._failures import Reject, Unavailable
from functions._manifests.rotation import Strategy
from functions._manifests.rotation_target import RotationTarget
from functions._systems import AdminRefused, Alphabet, Before, Credential, Finding, Refused, Usage, nothing
from functions._values import SecretValue
from tests.fakes.authority import Instrumented

MOST_KEYS = 2  # of an account, as AWS has it


@dataclass
class Account:
    """What one account accepts: secrets by the id of the credential ("" where it has but one kind)."""

    accepted: list[tuple[str, SecretValue]] = field(default_factory=list)
    marks: dict[str, str] = field(default_factory=dict)  # a minted credential's id -> the rotation that made it
    last: dict[str, datetime] = field(default_factory=dict)  # a secret's text -> when it was last used


class FakeSystem(Instrumented):
    """`System` over a dictionary of accounts, for every strategy.

    `down` makes every call raise Unavailable; `admin` False makes those of the admin be refused; `refuses` tells which
    values its policy does not take; `rejects` accounts apply and then let nobody in. `changes` logs every effect as
    (operation, account, id), and `presented` every secret that it was ever shown to accept.
    """

    strategies: tuple[Strategy, ...] = ("single", "alternating", "dual", "minted")

    def __init__(self, name: str = "orders", clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        super().__init__()
        self.name = name
        self.secret_fields: tuple[str, ...] = ("password",)
        self.verifiable = True
        self.alphabet = Alphabet("abcdefghijklmnopqrstuvwxyz0123456789", 24)
        self.named = True  # whether a credential has the public field `username`
        self.mints = False  # whether `secret_fields` are an access key's
        self.down = False
        self.admin = True
        self.tells_usage = True
        self.refuses: Callable[[bytes], bool] = lambda value: False
        self.rejects: set[str] = set()
        self.stubborn: set[bytes] = set()  # secrets that stay accepted, whatever is revoked
        self.accounts: dict[str, Account] = {}
        self.changes: list[tuple[str, str, str]] = []
        self.presented: list[bytes] = []
        self._clock = clock
        self._ids = itertools.count(1)

    # --- the port ---

    def public_fields(self, account: str) -> Mapping[str, str]:
        return {"username": account} if self.named else {}

    def accepts(self, credential: Credential) -> bool:
        with self._called("accepts", credential.account):
            return not self.verifiable or self.works(credential)

    def apply(
        self, credential: Credential, rotation: str, *, keep: Credential | None = None, before: Before = nothing
    ) -> None:
        with self._administered("apply", credential.account):
            secret = self._secret(credential)
            if secret is None:
                raise Reject(f"a credential of {credential.account} without its secret cannot be applied")
            if self.refuses(secret.reveal()):
                raise Refused(f"{self.name}: the policy of {credential.account} does not take this value")
            kept = [
                one for one in self._account(credential).accepted if keep is not None and one[1] == self._secret(keep)
            ]
            before()
            self._account(credential).accepted = [*kept, ("", secret)]
            self._changed("apply", credential, secret)

    def mint(self, account: str, rotation: str, *, keep: Credential | None = None) -> Credential:
        with self._administered("mint", account):
            known = self.accounts.setdefault(account, Account())
            self._discard(account, rotation, keep)
            if len(known.accepted) >= MOST_KEYS:
                raise AdminRefused(f"{self.name}: {account} has {MOST_KEYS} keys already; delete the one nobody uses")
            made = f"key-{next(self._ids)}"
            secret = SecretValue.of(f"minted-{made}-{self.name}-secret")
            known.accepted.append((made, secret))
            known.marks[made] = rotation
            fields = {"key": SecretValue.of(made), "secret": secret}
            credential = Credential(account, fields, made)
            self._changed("mint", credential, secret)
            return credential

    def discard(self, account: str, rotation: str, *, keep: Credential | None = None) -> None:
        with self._administered("discard", account):
            self._discard(account, rotation, keep)

    def revoke(
        self, credential: Credential, *, successor: Credential | None = None, before: Before = nothing
    ) -> datetime | None:
        with self._administered("revoke", credential.account):
            before()
            account = self._account(credential)
            kept = self._secret(successor) if successor and successor.account == credential.account else None
            named = self._id(credential)
            if named:
                account.accepted = [one for one in account.accepted if one[0] != named]
            else:
                account.accepted = [one for one in account.accepted if kept is not None and one[1] == kept]
            self.changes.append(("revoke", credential.account, named))
            return None

    def usage(self, credential: Credential) -> Usage:
        with self._administered("usage", credential.account):
            secret = self._secret(credential)
            if not self.tells_usage or secret is None:
                return Usage(known=False)
            return Usage(known=True, last=self._account(credential).last.get(secret.reveal().decode()))

    def examine(self, accounts: tuple[str, ...]) -> tuple[Finding, ...]:
        with self._administered("examine", ",".join(accounts)):
            return tuple(Finding(True, f"{one} is no account") for one in accounts if one not in self.accounts)

    # --- clients, people and assertions, unlogged and never refused ---

    def open_account(self, account: str, secret: bytes, made: str = "") -> None:
        """An account that accepts this secret."""
        with self._lock:
            self.accounts.setdefault(account, Account()).accepted.append((made, SecretValue(secret)))
            self.presented.append(secret)

    def works(self, credential: Credential) -> bool:
        """Whether somebody can log in with it now."""
        with self._lock:
            secret = self._secret(credential)
            if secret is None or credential.account in self.rejects:
                return False
            known = self.accounts.get(credential.account, Account())
            held = any(one[1] == secret for one in known.accepted) or secret.reveal() in self.stubborn
            if held:
                known.last[secret.reveal().decode()] = self._clock()
            return held

    def lets_in(self, account: str, secret: bytes) -> bool:
        """The same by account and secret."""
        name = "secret" if self.mints else "password"
        return self.works(Credential(account, {name: SecretValue(secret)}))

    def accepted(self, account: str) -> tuple[bytes, ...]:
        """The secrets that an account accepts."""
        with self._lock:
            return tuple(secret.reveal() for _, secret in self.accounts.get(account, Account()).accepted)

    # --- internals ---

    def _called(self, operation: str, account: str) -> "_Call":
        return _Call(self, operation, account, admin=False)

    def _administered(self, operation: str, account: str) -> "_Call":
        return _Call(self, operation, account, admin=True)

    def _discard(self, account: str, rotation: str, keep: Credential | None) -> None:
        known = self.accounts.setdefault(account, Account())
        kept = self._id(keep) if keep else ""
        lost = {made for made, by in known.marks.items() if by == rotation and made != kept}
        known.accepted = [one for one in known.accepted if one[0] not in lost]
        known.marks = {made: by for made, by in known.marks.items() if made not in lost}

    def _account(self, credential: Credential) -> Account:
        return self.accounts.setdefault(credential.account, Account())

    def _changed(self, operation: str, credential: Credential, secret: SecretValue) -> None:
        self.changes.append((operation, credential.account, credential.id))
        self.presented.append(secret.reveal())

    def _secret(self, credential: Credential) -> SecretValue | None:
        return credential.fields.get("secret" if self.mints else "password")

    def _id(self, credential: Credential) -> str:
        key = credential.fields.get("key")
        return credential.id or (key.reveal().decode() if key else "")


class _Call:
    """One call of a system: logged, refused where it is down or the admin has no right."""

    def __init__(self, system: FakeSystem, operation: str, account: str, *, admin: bool) -> None:
        self._system, self._operation, self._account, self._admin = system, operation, account, admin

    def __enter__(self) -> None:
        system = self._system
        with system._lock:
            system.calls.append((self._operation, self._account))
        system.before(self._operation, self._account)
        if system.down:
            raise Unavailable(system.name, f"{system.name} does not answer")
        if self._admin and not system.admin:
            raise AdminRefused(f"{system.name} refuses its admin credential")
        system._lock.acquire()

    def __exit__(self, kind: object, *_: object) -> None:
        self._system._lock.release()
        if kind is None:
            self._system.after(self._operation, self._account)


class FakeSystems:
    """`Systems`: declared targets, and the system behind each."""

    def __init__(self) -> None:
        self.targets: dict[str, RotationTarget] = {}
        self.systems: dict[str, FakeSystem] = {}

    def declare(self, target: RotationTarget, system: FakeSystem) -> FakeSystem:
        self.targets[target.name] = target
        self.systems[target.name] = system
        return system

    def declared(self, name: str) -> RotationTarget | None:
        return self.targets.get(name)

    def open(self, name: str) -> FakeSystem:
        if name not in self.targets:
            raise Reject(f"RotationTarget {name!r} is not declared; the platform declares targets")
        return self.systems[name]


class FakeRandomness:
    """Chance that a test can repeat: every value is another one, and all are known."""

    def __init__(self, seed: int = 1) -> None:
        self._rng = random.Random(seed)
        self.made: list[bytes] = []

    def value(self, characters: str, length: int) -> SecretValue:
        text = "".join(self._rng.choice(characters) for _ in range(length))
        self.made.append(text.encode())
        return SecretValue.of(text)


def minting(system: FakeSystem) -> FakeSystem:
    """Make it a provider of access keys."""
    system.mints, system.named = True, False
    system.secret_fields = ("key", "secret")
    system.strategies = ("minted",)
    return system
