"""The access policy in force: which paths a namespace may publish and read; what it does not name is denied."""

import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from events.references import PathRef
from functions._manifests.expression import compile_expression

if TYPE_CHECKING:  # loaded where there is a policy: a step without one starts without it
    from infra.wiring.access_policy import AccessPolicy

_LARGEST = 1024 * 1024  # bytes


class AccessError(ValueError):
    """The policy cannot be used; the message names file, line and what to mend."""


@dataclass(frozen=True, slots=True)
class AccessRules:
    """Compiled globs by namespace."""

    publish: dict[str, Any]
    read: dict[str, Any]

    def may_publish(self, namespace: str, path: PathRef) -> bool:
        return _allowed(self.publish, namespace, path)

    def may_read(self, namespace: str, path: PathRef) -> bool:
        return _allowed(self.read, namespace, path)


NOTHING = AccessRules(publish={}, read={})


def meanwhile(rules: AccessRules | None) -> str:
    """What holds while a policy cannot be used."""
    if rules is None:
        return "until it is mended every wired path is allowed, as without a policy"
    return "nothing is allowed" if rules is NOTHING else "the last good policy stays in force"


def read_rules(raw: bytes, name: str) -> AccessRules:
    """The rules of a policy's text. Raises AccessError naming file and line."""
    if len(raw) > _LARGEST:
        raise AccessError(f"{name} is larger than {_LARGEST} bytes")
    from infra.wiring.access_policy import load_policy  # here, as said above

    return _compiled(load_policy(raw, name))


class FileAccess:
    """Implements the port `Access`. Without a file the wiring is one trust domain, and every path is allowed.

    Raises AccessError when the file that is there at the start cannot be used.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._reloading = threading.Lock()
        self._raw = self._content()
        self._rules = None if self._raw is None else read_rules(self._raw, file.name)

    @property
    def open(self) -> bool:
        """Whether there is no policy: one trust domain."""
        return self._rules is None

    def reload(self) -> str | None:
        """Read the file again; why it is not in force, and what is, None where all is well.

        A file that vanishes opens nothing: without it, only a new start makes one trust domain.
        """
        with self._reloading:
            try:
                raw = self._content()
                if raw is None:
                    return None if self._rules is None else f"{self._file.name} is gone; the last policy stays in force"
                if raw != self._raw:
                    self._rules = read_rules(raw, self._file.name)
                    self._raw = raw
            except AccessError as error:
                return f"{error}; {meanwhile(self._rules)}"
            return None

    def may_publish(self, namespace: str, path: PathRef) -> bool:
        rules = self._rules
        return rules is None or rules.may_publish(namespace, path)

    def may_read(self, namespace: str, path: PathRef) -> bool:
        rules = self._rules
        return rules is None or rules.may_read(namespace, path)

    def _content(self) -> bytes | None:
        try:
            with self._file.open("rb") as file:
                raw = file.read(_LARGEST + 1)
        except FileNotFoundError:
            if self._file.is_symlink():
                raise AccessError(f"{self._file.name} is a link that leads nowhere; correct or remove it") from None
            return None
        except OSError as error:
            raise AccessError(f"{self._file.name} cannot be read: {error.strerror}") from None
        if len(raw) > _LARGEST:
            raise AccessError(f"{self._file.name} is larger than {_LARGEST} bytes")
        return raw


def _compiled(policy: "AccessPolicy") -> AccessRules:
    spaces = policy.spec.namespaces
    return AccessRules(
        publish={
            name: tuple(compile_expression(_expression(glob)) for glob in each.publish) for name, each in spaces.items()
        },
        read={
            name: tuple(compile_expression(_expression(glob)) for glob in each.read) for name, each in spaces.items()
        },
    )


def _expression(glob: str) -> str:
    parts = re.split(r"(\*\*|\*)", glob)
    return "".join({"**": ".*", "*": "[^/]*"}.get(part) or re.escape(part) for part in parts)


def _allowed(rules: dict[str, Any], namespace: str, path: PathRef) -> bool:
    return any(expression.fullmatch(str(path)) is not None for expression in rules.get(namespace, ()))
