"""`ROOT/lockstep.yaml`: the few choices of an operator, all optional, each with its default here."""

import hashlib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, ValidationError

from events.event import Category
from events.wiring import WiringChanged
from functions._manifests.shape import camel

_DAY = 86_400.0
_EMPTY = hashlib.sha256(b"").hexdigest()


class ConfigurationError(ValueError):
    """lockstep.yaml cannot be used; the message names the setting and what it takes."""


@cache
def unsayable() -> frozenset[str]:
    """What nobody may be allowed to send: facts are their step's own words, and wiring is what a checkout says."""
    from events.catalogue import EVENTS  # here: a process of one step loads only its own events

    return frozenset({WiringChanged.TYPE, *(event.TYPE for event in EVENTS if event.CATEGORY is Category.FACT)})


def _window(text: str) -> str:
    from functions._failures import Reject  # here: few installations name a window, and time zones take time to load
    from functions._windows import parse

    try:
        parse(text)
    except Reject as refused:
        raise ValueError(refused.reason) from None
    return text


def _sayable(types: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in types:
        for fact in sorted(unsayable()):
            if pattern == fact or ("*" in pattern and fnmatchcase(fact, pattern)):
                raise ValueError(f"{pattern!r} covers {fact}, which only Lockstep itself says; name other types")
    return types


def _of_something(digest: str) -> str:
    if digest == _EMPTY:
        raise ValueError("is the digest of nothing; hash the token or password itself, without a newline")
    return digest


Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$"), AfterValidator(_of_something)]
Seconds = Annotated[float, Field(gt=0, le=31 * _DAY)]
Count = Annotated[int, Field(ge=0)]
NumericId = Annotated[int, Field(ge=0, lt=2**32 - 1)]
SenderName = Annotated[str, Field(pattern=r"^[a-z][-a-z0-9]{0,62}$")]


class _Section:
    """Plain data with its defaults; pydantic makes a validator of it only where a file says something."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", alias_generator=camel, populate_by_name=True, allow_inf_nan=False
    )

    @classmethod
    def parse(cls, document: object) -> Self:
        """What a file says, checked. Raises ValidationError."""
        from pydantic import TypeAdapter  # here: without a file nothing needs it

        return TypeAdapter(cls).validate_python(document)


@dataclass(frozen=True, kw_only=True)
class Retraction(_Section):
    """How deletions are held back (DESIGN, "Deletion")."""

    grace_seconds: Annotated[float, Field(ge=0, le=3660 * _DAY)] = 3600.0
    limit: Count = 10


@dataclass(frozen=True, kw_only=True)
class Restart(_Section):
    """How workloads that asked for it are restarted: how many of a namespace at once, how long a rollout may take."""

    limit: Count = 3
    deadline_seconds: Seconds = 900.0
    window: Annotated[str, AfterValidator(_window)] = ""  # for workloads without one of their own
    reloader_annotations: bool = True  # whether Stakater Reloader's annotations opt in as well


@dataclass(frozen=True, kw_only=True)
class Rotation(_Section):
    """How credentials are rotated: how many at once, how long consumers may take until somebody is told."""

    limit: Annotated[int, Field(ge=1)] = 10
    slot_seconds: Seconds = 900.0  # after which one that hangs frees its place
    patience_seconds: Seconds = 900.0
    interval_seconds: Annotated[float, Field(gt=0, le=_DAY)] = 60.0  # between looks at what is due


@dataclass(frozen=True, kw_only=True)
class Sweep(_Section):
    """How often everything wired is compared by metadata: each shard once per interval."""

    interval_seconds: Seconds = 600.0
    shards: Annotated[int | None, Field(ge=1, le=4096)] = None  # None: one per 200 wired manifests


@dataclass(frozen=True, kw_only=True)
class Anchor(_Section):
    """How often the ledger's head is signed and anchored at the authority."""

    interval_seconds: Seconds = 60.0


@dataclass(frozen=True, kw_only=True)
class Audit(_Section):
    """Which audit stream tells of what others write at the authority: its file here, or a socket that it writes to."""

    file: Annotated[str, Field(max_length=4096, pattern=r"^(/.*)?$")] = ""
    socket: Annotated[str, Field(max_length=4096, pattern=r"^(unix:/.+|.+:[0-9]{1,5})?$")] = ""
    embedded: bool = True  # whether the embedded authority's own file is followed


@dataclass(frozen=True, kw_only=True)
class Delivery(_Section):
    """The broker's default delivery (Knative's `spec.delivery`) and its limits."""

    workers: Annotated[int, Field(ge=1, le=256)] = 16
    retry: Annotated[int, Field(ge=0, le=100)] = 10
    backoff_seconds: Annotated[float, Field(ge=0.001, le=3600)] = 0.2
    backoff_cap_seconds: Annotated[float, Field(ge=0.001, le=_DAY)] = 30.0
    timeout_seconds: Annotated[float, Field(ge=0.1, le=3600)] = 30.0
    pending_limit: Annotated[int, Field(ge=1)] = 100_000
    retention_hours: Annotated[float, Field(gt=0, le=24 * 3660)] = 24 * 7


@dataclass(frozen=True, kw_only=True)
class Ownership(_Section):
    """Whom a namespace's files belong to: numeric ids, as a kubelet's fsGroup does."""

    uid: NumericId | None = None
    gid: NumericId | None = None


@dataclass(frozen=True, kw_only=True)
class Principal(_Section):
    """A named sender: a bearer token (its SHA-256, never itself) and what it may say about what.

    `types` may hold `*` (`com.example.*`), but must not cover a fact: those are for the steps alone to say.
    """

    name: SenderName
    token_sha256: Annotated[Digest, Field(alias="tokenSHA256")]
    types: Annotated[tuple[str, ...], AfterValidator(_sayable)]
    subject_prefixes: tuple[str, ...] = ("",)
    events_per_second: Annotated[float, Field(gt=0, le=1_000_000)] = 50.0


@dataclass(frozen=True, kw_only=True)
class Reporter(_Section):
    """Who may report leaks over HTTP (`POST /alertmanager`), how it shows who it is, and what that may set going.

    One of: a bearer token or user name and password, each by its SHA-256; a client certificate (by the SHA-256 of its
    DER form) under `lockstep up --tls-client-ca`. `may`: `report` leaves everything to operators, `rotate` has secrets
    rotated at once, `revoke-first` also revokes before there is a new one where a secret's owner opted in.
    """

    name: SenderName
    token_sha256: Annotated[Digest | None, Field(alias="tokenSHA256")] = None
    username: Annotated[str | None, Field(min_length=1, max_length=128, pattern=r"^[^:\x00-\x1f\x7f]+$")] = None
    password_sha256: Annotated[Digest | None, Field(alias="passwordSHA256")] = None
    certificate_sha256: Annotated[Digest | None, Field(alias="certificateSHA256")] = None
    may: Literal["report", "rotate", "revoke-first"] = "rotate"

    def __post_init__(self) -> None:
        if (self.username is None) != (self.password_sha256 is None):
            raise ValueError("username and passwordSHA256 go together")
        ways = (self.token_sha256, self.password_sha256, self.certificate_sha256)
        if sum(1 for one in ways if one is not None) != 1:
            raise ValueError("give one of tokenSHA256, username with passwordSHA256, and certificateSHA256")


@dataclass(frozen=True, kw_only=True)
class Leaks(_Section):
    """How reports of leaks are answered: how many secrets they may have rotated in an hour without an operator."""

    limit: Count = 20
    limit_per_reporter: Count = 10
    index_interval_seconds: Seconds = 900.0  # between rounds of the index
    fingerprinters: tuple[Count, ...] = ()  # user ids; none: who runs Lockstep, and root


@dataclass(frozen=True, kw_only=True)
class Conventions(_Section):
    """How seed 001's path conventions (5a.5) are applied: everywhere, and where a namespace differs."""

    mode: Literal["warn", "enforce"] = "warn"
    namespaces: dict[str, Literal["warn", "enforce"]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Authority(_Section):
    """Where claims, tombstones and anchors are kept, and which servers a store manifest may name."""

    claims_mount: str = "lockstep"
    transit_mount: str = "lockstep-transit"
    allowed_servers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Configuration(_Section):
    """The whole file."""

    api_version: Literal["lockstep.dev/v1alpha1"] = "lockstep.dev/v1alpha1"
    kind: Literal["Configuration"] = "Configuration"
    cluster: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$")] = "local"
    retraction: Retraction = field(default_factory=Retraction)
    restart: Restart = field(default_factory=Restart)
    rotation: Rotation = field(default_factory=Rotation)
    sweep: Sweep = field(default_factory=Sweep)
    anchor: Anchor = field(default_factory=Anchor)
    audit: Audit = field(default_factory=Audit)
    delivery: Delivery = field(default_factory=Delivery)
    conventions: Conventions = field(default_factory=Conventions)
    authority: Authority = field(default_factory=Authority)
    ownership: dict[str, Ownership] = field(default_factory=dict)
    principals: tuple[Principal, ...] = ()
    leaks: Leaks = field(default_factory=Leaks)
    reporters: tuple[Reporter, ...] = ()

    def __post_init__(self) -> None:
        for what, found in (
            ("names", [one.name for one in self.principals]),
            ("tokens", [one.token_sha256 for one in self.principals]),
            ("reporters' names", [one.name for one in self.reporters]),
        ):
            if len(set(found)) < len(found):
                raise ValueError(f"principals: two of them have the same {what}; each has its own name and token")


def load(path: Path) -> Configuration:
    """The configuration of a file; the defaults where there is none. Raises ConfigurationError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Configuration()
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: cannot be read ({type(error).__name__}); mend or remove it") from None
    import yaml  # here: without a file, and in a cluster, nothing else needs it

    try:
        document: Any = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise ConfigurationError(f"{path}{where}: not YAML; mend or remove it") from None
    if document is None:
        return Configuration()
    try:
        return Configuration.parse(document)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        setting = ".".join(str(part) for part in problem["loc"]) or "the document"
        known = problem["type"] != "unexpected_keyword_argument"
        message = problem["msg"].removeprefix("Value error, ") if known else "is no setting that is known here"
        raise ConfigurationError(f"{path}: {setting}: {message}") from None
