"""Which values are worth a fingerprint: those that tell a secret from everything else.

A user name, a port or `true` is in thousands of places. A report of one would point at every secret that holds it, and
a search would find it everywhere: neither configuration nor what could be guessed is fingerprinted.
"""

import math
import re
from collections import Counter

from events.references import PathRef
from functions._manifests.conventions import CONFIGURATION
from functions._values import SecretData, SecretValue

SHORTEST, LONGEST = 8, 65_536  # bytes
_BITS = 26.0  # of a value, by how often each of its bytes comes in it
# Names of properties that are no secrets, whatever they hold; words as seed 001 (5a.5.4) and common charts spell them.
_OPEN = re.compile(
    r"(.*[-_.])?(user|username|login|account|host|hostname|port|database|dbname|db|schema|region|endpoint|bucket|"
    r"sslmode|driver|dialect|protocol|issuer|client[-_]?id|tenant[-_]?id|key[-_]?id|access[-_]?key[-_]?id|"
    r"email|name|namespace|environment|type|version|ca|crt|cert|certificate|ca\.crt|tls\.crt|public[-_]?key|pub)",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"(.*[-_.])?(url|uri|dsn|address|addr|server|jdbc[-_]?url|jdbc[-_]?uri)", re.IGNORECASE)


def configuration(path: PathRef, key: str) -> bool:
    """Whether what stands there is configuration, by where it stands and what it is called."""
    return path.path.split("/", 1)[0] == CONFIGURATION or _OPEN.fullmatch(key) is not None


def telling(path: PathRef, data: SecretData) -> dict[str, SecretValue]:
    """The values of a path's content that are worth a fingerprint, as they are fingerprinted (see `canonical`)."""
    found: dict[str, SecretValue] = {}
    for key, value in sorted(data.items()):
        short = canonical(value)
        if not configuration(path, key) and _tells(key, short.reveal()):
            found[key] = short
    return found


def canonical(value: SecretValue) -> SecretValue:
    """The value without white space around it: a file's last newline is no part of what leaks."""
    return SecretValue(value.reveal().strip())


def guessable(raw: bytes) -> bool:
    """Whether it is too short, or too much of the same, to tell anything."""
    return not SHORTEST <= len(raw) <= LONGEST or _bits(raw) < _BITS


def _tells(key: str, raw: bytes) -> bool:
    if _ADDRESS.fullmatch(key) and b"@" not in raw:  # an address; with credentials in it, it is a secret
        return False
    return not guessable(raw)


def _bits(raw: bytes) -> float:
    total = len(raw)
    return -sum(count * math.log2(count / total) for count in Counter(raw).values())
