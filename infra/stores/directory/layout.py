"""The names inside a secret's directory, and which of them are keys.

    <secret>/<key> -> ..data/<key>
    <secret>/..data -> ..<stamp>
    <secret>/..<stamp>/<key>, ..lockstep.json      what we wrote, and what we know of it
    <secret>/..lockstep.json                       whose Secret it is, should somebody swap `..data`
    <secret>/..metadata.json                       labels and annotations of a producer (also within ..data)

No legal key begins with "..", so none of these can collide with one (Kubernetes, ConfigMapKey validation).
"""

import os
import re
import time

from functions._failures import Reject

DATA = "..data"
OURS = "..lockstep.json"
THEIRS = "..metadata.json"
DELETED = "..deleted-"

MAX_VALUES = 1024 * 1024  # bytes of all values together, as Kubernetes limits a Secret
MAX_METADATA = 512 * 1024  # bytes of a metadata document; Kubernetes allows 256 KiB of annotations
MAX_KEYS = 4096  # a bound on what one look may cost

_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_UNIQUE = r"\d{4}(?:_\d\d){5}\.\d{9}-[0-9a-f]{16}"
_LEFTOVER = re.compile(rf"\.\.(?:tmp-)?{_UNIQUE}")
_DELETED = re.compile(rf"\.\.deleted-{_UNIQUE}")
_CONTENT = re.compile(r"\.\.(?!\.?$)[^/\x00]{1,250}")
_PLAIN_NAME = re.compile(r"[-._:A-Za-z0-9]{1,128}")


def is_key(name: str) -> bool:
    return bool(_KEY.fullmatch(name)) and name != "." and not name.startswith("..")


def is_content(name: str) -> bool:
    """Whether `..data` may lead there: a directory beside it, and nothing else."""
    return bool(_CONTENT.fullmatch(name)) and name not in (DATA, OURS, THEIRS)


def is_leftover(name: str) -> bool:
    """Whether only we make such a name; unreferenced ones are what a crash left behind."""
    return bool(_LEFTOVER.fullmatch(name))


def is_deleted(name: str) -> bool:
    return bool(_DELETED.fullmatch(name))


def is_plain(name: str) -> bool:
    """Whether a name can stand in a state identity as it is."""
    return bool(_PLAIN_NAME.fullmatch(name))


def unique(prefix: str = "..") -> str:
    """A name never used before: the time for people, 64 random bits for uniqueness (clocks are set back)."""
    now = time.time_ns()
    when = time.strftime("%Y_%m_%d_%H_%M_%S", time.gmtime(now // 10**9))
    return f"{prefix}{when}.{now % 10**9:09d}-{os.urandom(8).hex()}"


def link_target(key: str) -> str:
    return f"{DATA}/{key}"


def refuse_names(subject: object, keys: "list[str] | tuple[str, ...]") -> None:
    """Raises Reject for a name that cannot be a key of a Secret."""
    for key in keys:
        if not is_key(key):
            raise Reject(
                f"{subject}: {key[:80]!a} cannot be a key of a Secret: rename it to letters, digits, '-', '_', '.', "
                "at most 253 characters, not beginning with '..'"
            )
    if len(keys) > MAX_KEYS:
        raise Reject(f"{subject} has more than {MAX_KEYS} keys: split it into several Secrets")


def refuse_size(subject: object, size: int) -> None:
    if size > MAX_VALUES:
        raise Reject(f"{subject}: its values exceed 1 MiB together, the limit of a Secret: split it or shorten them")
