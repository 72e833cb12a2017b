"""`dataFrom[].rewrite[]`: other keys for what was found (ESO, ExternalSecret)."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal, Protocol

from functions._failures import Reject
from functions._shaping.keys import KeyCollision, joined, shown
from functions._shaping.properties import NotJson, json_member
from functions._templates import TemplateError, render
from functions._templates.errors import Fault
from functions._templates.expressions import replaced
from functions._templates.limits import DEFAULT, Budget
from functions._values import SecretData, SecretValue


class RewriteFailed(Reject):
    """A rewrite that cannot be carried out."""


class Regexp(Protocol):
    """Every match of `source` (RE2) in a key is replaced by `target`, in which `$1` and `${name}` are groups."""

    @property
    def source(self) -> str: ...

    @property
    def target(self) -> str: ...


class Transform(Protocol):
    """The key becomes what the template makes of `.value`."""

    @property
    def template(self) -> str: ...


class Merge(Protocol):
    """The values are JSON objects; their members become keys, or one JSON object at the key `into`."""

    @property
    def into(self) -> str: ...

    @property
    def priority(self) -> Sequence[str]: ...

    @property
    def priority_policy(self) -> Literal["Strict", "IgnoreNotFound"]: ...

    @property
    def conflict_policy(self) -> Literal["Ignore", "Error"]: ...

    @property
    def strategy(self) -> Literal["Extract", "JSON"]: ...


class Operation(Protocol):
    """One rewrite; exactly one of the three is set."""

    @property
    def regexp(self) -> Regexp | None: ...

    @property
    def transform(self) -> Transform | None: ...

    @property
    def merge(self) -> Merge | None: ...


def rewrite(data: SecretData, operations: Sequence[Operation], *, subject: str) -> dict[str, SecretValue]:
    """The data after all operations in turn.

    Raises KeyCollision where two keys become one (ESO would drop one of the values, at random), RewriteFailed and
    NotJson; messages name `subject`, the operation and keys.
    """
    result = dict(data)
    for number, operation in enumerate(operations):
        where = f"{subject}: rewrite[{number}]"
        if operation.regexp is not None:
            result = _renamed(result, partial(_matched, operation.regexp), where)
        elif operation.transform is not None:
            result = _renamed(result, partial(_transformed, operation.transform), where)
        elif operation.merge is not None:
            result = _merged(result, operation.merge, where)
    return result


def _renamed(data: SecretData, rename: Callable[[str], str], where: str) -> dict[str, SecretValue]:
    try:
        return joined(((key, rename(key), data[key]) for key in sorted(data)), subject=where)
    except (TemplateError, Fault) as error:
        raise RewriteFailed(f"{where}: {error}") from None


def _matched(operation: Regexp, key: str) -> str:
    budget = Budget(DEFAULT)
    source, target = operation.source.encode(), operation.target.encode()
    return replaced(source, key.encode(), target, budget.step, budget.work).decode(errors="replace")


def _transformed(operation: Transform, key: str) -> str:
    return render(operation.template, {"value": SecretValue.of(key)}).reveal().decode(errors="replace")


def _merged(data: SecretData, operation: Merge, where: str) -> dict[str, SecretValue]:
    members: dict[str, object] = {}
    conflicts: set[str] = set()
    for key in _ordered(data, operation, where):
        found = _object(data[key], key, where)
        conflicts |= members.keys() & found.keys()
        members.update(found)
    if conflicts and operation.conflict_policy != "Ignore":
        names = ", ".join(map(shown, sorted(conflicts)[:10]))
        raise KeyCollision(f"{where}: several values have {names}; order them by priority with conflictPolicy Ignore")
    if operation.strategy == "Extract":
        return {name: json_member(member) for name, member in members.items()}
    if not operation.into:
        raise RewriteFailed(f"{where}: merge with strategy JSON needs 'into', the key that gets the object")
    text = json.dumps(members, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return {**data, operation.into: SecretValue(text.encode(errors="replace"))}


def _ordered(data: Mapping[str, SecretValue], operation: Merge, where: str) -> list[str]:
    """Keys in the order of merging: the later wins, so those with priority come last."""
    missing = [key for key in operation.priority if key not in data]
    if missing and operation.priority_policy != "IgnoreNotFound":
        raise RewriteFailed(f"{where}: priority names {shown(missing[0])}, which was not found")
    last = [key for key in operation.priority if key in data]
    return [*sorted(key for key in data if key not in last), *last]


def _object(value: SecretValue, key: str, where: str) -> dict[str, object]:
    try:
        found = json.loads(value.reveal())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise NotJson(f"{where}: the value of {shown(key)} is not a JSON object, so it cannot be merged")
    return found
