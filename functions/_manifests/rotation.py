"""Rotation `lockstep.dev/v1alpha1`: how the credential at one path is replaced, when, and how a leak is answered."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from events.references import ObjectName, PathRef
from functions._manifests.paths import MountOf, mount, remote_path
from functions._manifests.shape import Duration, Manifest, Shape

API_VERSION = "lockstep.dev/v1alpha1"

# single: the account's only credential is replaced. alternating: two accounts take turns. dual: the account accepts
# both for a while. minted: the provider makes the credential.
Strategy = Literal["single", "alternating", "dual", "minted"]
Evidence = Literal["materialized", "rolled-out", "seen"]
AccountName = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[\x21-\x7e]+$")]
_DAY = 86_400.0


def _window(text: str) -> str:
    from functions._failures import Reject  # here: few manifests name a window, and time zones take time to load
    from functions._windows import parse

    try:
        parse(text)
    except Reject as refused:
        raise ValueError(refused.reason) from None
    return text


class StoreReference(Shape):
    """The store whose mount holds the path."""

    name: str = Field(min_length=1)
    kind: Literal["ClusterSecretStore"] = "ClusterSecretStore"


class TargetReference(Shape):
    """The system that accepts the credential, a RotationTarget, and the account there.

    `accounts` are the two that take turns (strategy alternating); every other strategy has one `account`.
    """

    name: ObjectName
    account: AccountName | None = None
    accounts: tuple[AccountName, AccountName] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "TargetReference":
        if self.account is not None and self.accounts is not None:
            raise ValueError("names account or accounts, not both")
        if self.accounts is not None and self.accounts[0] == self.accounts[1]:
            raise ValueError("accounts: the two that take turns are different ones")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        return self.accounts or ((self.account,) if self.account is not None else ())


class Schedule(Shape):
    """When it is time: every `interval` since the newest version, or by `cron` in `timeZone`; never both.

    `window` holds a planned rotation back until it opens (`Mon-Fri 22:00-04:00 Europe/Berlin`); `jitter` spreads
    those that would come due together. Both are durations and times as elsewhere.
    """

    interval: Duration | None = None
    cron: str | None = Field(default=None, max_length=128)
    time_zone: str = Field(default="UTC", max_length=64)
    window: Annotated[str, AfterValidator(_window)] = ""
    jitter: Duration = 0.0

    @model_validator(mode="after")
    def _one(self) -> "Schedule":
        if (self.interval is None) == (self.cron is None):
            raise ValueError("names exactly one of interval and cron")
        if self.interval is not None and self.interval < 60:
            raise ValueError("interval is shorter than a minute")
        if self.cron is not None:
            _check_cron(self.cron, self.time_zone)
        return self


def _check_cron(expression: str, zone: str) -> None:
    from functions._schedules import parse_cron, zone_named  # here: few manifests have a schedule

    parse_cron(expression)
    zone_named(zone)


class Generator(Shape):
    """How a value is made; what is not said is the target's default (reference: docs/targets.md)."""

    length: int | None = Field(default=None, ge=16, le=1024)
    alphabet: str | None = Field(default=None, min_length=10, max_length=128, pattern=r"^[\x21-\x7e]+$")
    exclude: str = Field(default="", max_length=128, pattern=r"^[\x21-\x7e]*$")

    @model_validator(mode="after")
    def _enough(self) -> "Generator":
        if self.alphabet is not None and len(set(self.alphabet) - set(self.exclude)) < 10:
            raise ValueError("leaves fewer than 10 different characters")
        return self


class LeakPolicy(Shape):
    """What happens when the value is known to be out.

    `rotate`: at once and without grace; the old credential dies when the consumers have moved, and after
    `deadline` at the latest. `revoke-first`: it dies before there is a new one, for secrets whose abuse is worse than
    an outage. `ignore`: reports are recorded, and nothing else happens.
    """

    response: Literal["rotate", "revoke-first", "ignore"] = "rotate"
    deadline: Duration = 600.0
    override_suspension: bool = False


class RotationSpec(Shape):
    """What is rotated where, when and how strictly."""

    secret_store_ref: StoreReference
    remote_key: str = Field(min_length=1)
    target: TargetReference
    strategy: Strategy
    properties: dict[str, str] = Field(default_factory=dict)  # the target's field -> the path's property
    schedule: Schedule | None = None
    maximum_age: Duration | None = None
    grace: Duration = 0.0
    evidence: Evidence = "materialized"
    generator: Generator = Field(default_factory=Generator)
    leak: LeakPolicy = Field(default_factory=LeakPolicy)

    @model_validator(mode="after")
    def _consistent(self) -> "RotationSpec":
        if (self.strategy == "alternating") != (self.target.accounts is not None):
            raise ValueError("strategy alternating takes target.accounts (two of them), every other target.account")
        if len(set(self.properties.values())) < len(self.properties):
            raise ValueError("properties: two fields go to one property")
        if self.maximum_age is not None and self.maximum_age < 60:
            raise ValueError("maximumAge is shorter than a minute")
        if self.grace > 90 * _DAY:
            raise ValueError("grace is longer than 90 days: by then the next rotation is due")
        return self


class Rotation(Manifest):
    """A namespace's wish to have the credential at one path replaced. Methods raise Reject with what to mend."""

    KIND: ClassVar[str] = "Rotation"

    api_version: Literal["lockstep.dev/v1alpha1"]
    kind: Literal["Rotation"]
    spec: RotationSpec

    @property
    def stores(self) -> tuple[str, ...]:
        """The ClusterSecretStore that it names."""
        return (self.spec.secret_store_ref.name,)

    def path(self, mount_of: MountOf) -> PathRef:
        """The path at the authority. Raises Reject."""
        store = self.spec.secret_store_ref
        return remote_path(mount(store.name, store.kind, mount_of), self.spec.remote_key)

    def property_of(self, field: str) -> str:
        """Under which property of the path a field of the credential stands."""
        return self.spec.properties.get(field, field)
