"""What a target is opened with, and what its module says of it: all that registry and targets know of each other."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from pydantic import ConfigDict, ValidationError

from functions._failures import Reject, Unavailable
from functions._manifests.rotation_target import RotationTarget
from functions._manifests.shape import Shape
from functions._ports import Beside
from functions._systems import AdminRefused, Finding, System
from functions._values import SecretData, SecretValue

T = TypeVar("T")

ReadAdmin = Callable[[RotationTarget], SecretData]
"""The fields of a target's admin credential as the authority holds them now. Raises Reject, Unavailable."""


class Parameters(Shape):
    """`spec.parameters` of one type. Each field has a description: the type's page is rendered from them."""

    model_config = ConfigDict(hide_input_in_errors=True)


class Answered(Protocol):
    """An answer of the authority: its HTTP status, and the JSON object that it sent ({}: none)."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> Mapping[str, Any]: ...


class Calls(Protocol):
    """Requests to the authority in the step's own identity: for targets that are engines of it."""

    def call(
        self,
        method: str,
        path: str,
        *,
        kind: str,
        body: Mapping[str, Any] | None = None,
        absent_ok: bool = False,
        refused_ok: bool = False,
        any_ok: bool = False,
    ) -> Answered:
        """One request; `absent_ok` lets a 404 through as an answer, `refused_ok` a 400, `any_ok` every status.

        Raises Unavailable, Reject.
        """

    def bearing(self, token: SecretValue) -> "Calls":
        """The same with another token, which is neither renewed nor revoked."""


@contextmanager
def one_by_one(work: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """`Beside` for hosts that do nothing side by side."""
    found = work()
    yield lambda: found


@dataclass(frozen=True)
class Opening:
    """One declared target: its manifest, how its admin credential is read, and the authority's own API.

    `authority` is None where the host gives its targets none; `beside` does what need not wait for something else.
    """

    target: RotationTarget
    read_admin: ReadAdmin = field(repr=False)
    authority: Calls | None = field(default=None, repr=False)
    beside: Beside = field(default=one_by_one, repr=False)

    @property
    def name(self) -> str:
        return self.target.name

    def as_admin(self, work: Callable[[SecretData], T]) -> T:
        """Do something with the admin credential; where it is refused, once more with one that is newer.

        The credential may itself have been rotated since it was read. It is kept no longer than this call.
        """
        credential = self.read_admin(self.target)
        try:
            return work(credential)
        except AdminRefused:
            newer = self.read_admin(self.target)
            if newer == credential:
                raise
            return work(newer)


def look(work: Callable[[], tuple[Finding, ...]]) -> tuple[Finding, ...]:
    """What an examination finds; where it cannot even be made, why: that is a finding, too."""
    try:
        return work()
    except (AdminRefused, Unavailable, Reject) as failure:
        return (Finding(True, failure.reason),)


class TargetModule(Protocol):
    """What every module of a type has."""

    PARAMETERS: type[Parameters]

    @staticmethod
    def open_system(opening: Opening, parameters: Any) -> System:
        """What speaks to the system. It connects to nothing yet: `examine` and the operations do."""


P = TypeVar("P", bound=Parameters)


def parameters_of(target: RotationTarget, model: type[P]) -> P:
    """The parameters, checked. Raises Reject, which names each that is wrong and shows no value."""
    try:
        return model.model_validate(target.spec.parameters)
    except ValidationError as invalid:
        wrong = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'parameters'}: {one['msg'].removeprefix('Value error, ')}"
            for one in invalid.errors(include_url=False, include_input=False, include_context=False)
        )
        raise Reject(
            f"RotationTarget {target.name!r}: spec.parameters of type {target.spec.type!r}: {wrong}; "
            f"docs/targets/{target.spec.type}.md lists what it takes"
        ) from None


def text_field(credential: SecretData, name: str, whose: str) -> str:
    """One field of a credential as text. Raises Reject where it is missing or is no text."""
    value: SecretValue | None = credential.get(name)
    if value is None:
        raise Reject(f"{whose} has no field {name!r}; add it at the authority, or name its property in the manifest")
    try:
        return value.reveal().decode()
    except UnicodeDecodeError:
        raise Reject(f"field {name!r} of {whose} is not text in UTF-8") from None
