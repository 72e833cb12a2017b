"""Where things belong at the authority, and what their properties are called (seed 001, 5a.5). Pure functions."""

import re
from dataclasses import dataclass
from typing import Literal

Convention = Literal["prefix", "segments", "case", "environment", "property"]

SECRETS = "platform-data"
CONFIGURATION = "platform-config"

_WORDS = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SEPARATORS = re.compile(r"[-_./]+")
# Whole words only: `latest` and `develop-tools-api` name no environment, `orders-test` does.
ENVIRONMENTS = frozenset(
    (
        "acc", "acceptance", "ci", "dev", "devel", "develop", "development", "dr", "e2e", "int", "integration", "live",
        "local", "lab", "nonprod", "perf", "preprod", "preproduction", "prd", "prod", "production", "qa", "sandbox",
        "sit", "stage", "staging", "stg", "test", "testing", "tst", "uat",
    )
)  # fmt: skip
# Other spellings of the five names that 5a.5.4 fixes.
_FIXED = {
    **dict.fromkeys(("user", "user-name", "login", "usr", "db-user", "db-username", "pguser"), "username"),
    **dict.fromkeys(("pass", "passwd", "pwd", "pw", "pass-word", "db-password", "pgpassword"), "password"),
    **dict.fromkeys(("hostname", "host-name", "server", "address", "addr", "db-host", "pghost"), "host"),
    **dict.fromkeys(("portnumber", "port-number", "db-port", "pgport"), "port"),
    **dict.fromkeys(("api-token", "auth-token", "access-token", "apitoken", "authtoken", "accesstoken"), "token"),
}


@dataclass(frozen=True, slots=True)
class Breach:
    """A convention that is not kept, and the sentence that says so."""

    convention: Convention
    message: str


def path_breaches(path: str) -> tuple[Breach, ...]:
    """What is wrong with a path (written without the mount) by 5a.5.1 and 5a.5.3."""
    segments = path.split("/")
    found = []
    if segments[0] not in (SECRETS, CONFIGURATION):
        found.append(Breach("prefix", f"path {path!r} begins with neither {SECRETS}/ nor {CONFIGURATION}/"))
    elif len(segments) != 3:
        last = "consumer" if segments[0] == SECRETS else "instance"
        found.append(Breach("segments", f"path {path!r} is not {segments[0]}/<datasource>/<{last}>"))
    odd = [segment for segment in segments if not _WORDS.fullmatch(segment)]
    if odd:
        found.append(Breach("case", f"path {path!r} has {odd[0]!r}; use lowercase words joined by hyphens"))
    words = [word for segment in segments for word in _SEPARATORS.split(segment.lower())]
    named = [word for word in words if word in ENVIRONMENTS]
    if named:
        found.append(Breach("environment", f"path {path!r} names the environment {named[0]!r}"))
    return tuple(found)


def property_breaches(name: str) -> tuple[Breach, ...]:
    """What is wrong with a property's name by 5a.5.4: one of its five names, or lowercase words with hyphens."""
    plain = _SEPARATORS.sub("-", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name)).lower()
    if name in _FIXED or plain in _FIXED:
        return (Breach("property", f"property {name!r} is called {_FIXED.get(name) or _FIXED[plain]!r}"),)
    if not _WORDS.fullmatch(name):
        return (Breach("property", f"property {name!r} is not lowercase words joined by hyphens"),)
    return ()


@dataclass(frozen=True, slots=True)
class ConventionPolicy:
    """Whether the conventions are enforced at delivery, by namespace."""

    default: Literal["warn", "enforce"] = "warn"
    namespaces: tuple[tuple[str, Literal["warn", "enforce"]], ...] = ()

    def enforced(self, namespace: str) -> bool:
        return dict(self.namespaces).get(namespace, self.default) == "enforce"
