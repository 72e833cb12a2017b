"""What the data of a Kubernetes Secret may be: its keys and its size."""

import re
from collections.abc import Iterable, Mapping

from functions._failures import Reject
from functions._values import SecretValue

MAX_KEY = 253
MAX_BYTES = 1024 * 1024  # of all values together; Kubernetes does not count the keys
_KEY = re.compile(r"[-._a-zA-Z0-9]+")


class InvalidKey(Reject):
    """A name that no key of a Secret may have."""


class KeyCollision(Reject):
    """Two entries would have one key."""


class TooLarge(Reject):
    """More data than a Secret may hold."""


def key_problem(key: str) -> str | None:
    """Why this is no key of a Secret, None when it is one."""
    if not key:
        return "is empty"
    if len(key) > MAX_KEY:
        return f"has more than {MAX_KEY} characters"
    if not _KEY.fullmatch(key):
        return "may hold only letters, digits, '-', '_' and '.'"
    return "may be neither '.' nor begin with '..'" if key == "." or key.startswith("..") else None


def check_data(data: Mapping[str, SecretValue], *, subject: str) -> None:
    """Raises InvalidKey or TooLarge, naming `subject` (what the data is for) and the key, never a value."""
    for key in data:
        problem = key_problem(key)
        if problem:
            raise InvalidKey(f"{subject}: key {shown(key)} {problem}; rename it with a rewrite or a secretKey")
    size = sum(len(value) for value in data.values())
    if size > MAX_BYTES:
        raise TooLarge(f"{subject}: {size} bytes of data; a Secret holds at most {MAX_BYTES}, so make it several")


def joined(items: Iterable[tuple[str, str, SecretValue]], *, subject: str) -> dict[str, SecretValue]:
    """The data of (old key, new key, value), where no two may end up with one key. Raises KeyCollision."""
    data: dict[str, SecretValue] = {}
    origin: dict[str, str] = {}
    for old, new, value in items:
        if new in data:
            raise KeyCollision(f"{subject}: keys {shown(origin[new])} and {shown(old)} would both become {shown(new)}")
        data[new] = value
        origin[new] = old
    return data


def shown(key: str) -> str:
    """A key for a message: escaped, and cut where it is longer than any key may be."""
    return ascii(key) if len(key) <= MAX_KEY else ascii(key[:MAX_KEY]) + "..."
