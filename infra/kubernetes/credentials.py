"""Who we are to the API server: a bearer token, a client certificate, or both, from wherever they come.

As client-go does: a token file is read again when it changes (a projected token is replaced at four fifths of its
life), and a refused credential is renewed once before anybody hears of it.
"""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from functions._failures import Unavailable
from functions._values import SecretValue

DEPENDENCY = "kubernetes"

_Mark = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Certificate:
    """A client certificate with its chain, and its key, both PEM."""

    chain: bytes
    key: SecretValue


class Credentials(Protocol):
    """What a request is authenticated with. Thread-safe; all methods raise Unavailable where nothing can be had."""

    def token(self) -> SecretValue | None:
        """The bearer token, None where there is none."""

    def certificate(self) -> Certificate | None:
        """The client certificate; the same object for as long as it stays the same."""

    def renew(self, refused: SecretValue | None) -> bool:
        """Whether there is now something else to try than the token that was refused."""


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Nobody."""

    def token(self) -> SecretValue | None:
        return None

    def certificate(self) -> Certificate | None:
        return None

    def renew(self, refused: SecretValue | None) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class StaticToken:
    """A token that was given to us; it cannot be renewed."""

    value: SecretValue

    def token(self) -> SecretValue | None:
        return self.value

    def certificate(self) -> Certificate | None:
        return None

    def renew(self, refused: SecretValue | None) -> bool:
        return False


class TokenFile:
    """A token in a file that somebody keeps fresh, as the kubelet does with projected ones."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._mark: _Mark | None = None
        self._value: SecretValue | None = None

    def __repr__(self) -> str:
        return f"TokenFile({str(self._path)!r})"

    def token(self) -> SecretValue | None:
        with self._lock:
            return self._fresh()

    def certificate(self) -> Certificate | None:
        return None

    def renew(self, refused: SecretValue | None) -> bool:
        with self._lock:
            self._mark = None  # whatever the file's times say
            return self._fresh() != refused

    def _fresh(self) -> SecretValue:
        try:
            mark = _mark(self._path)
            if self._value is None or mark != self._mark:
                text = self._path.read_bytes().strip()
                if not text:
                    raise Unavailable(DEPENDENCY, f"the token file {self._path} is empty; whoever writes it is not up")
                self._value, self._mark = SecretValue(text), mark
        except OSError as error:
            reason = (
                f"the token file {self._path} cannot be read ({type(error).__name__}); mount the ServiceAccount's "
                "projected token there, readable for this user"
            )
            raise Unavailable(DEPENDENCY, reason) from None
        return self._value


@dataclass(frozen=True, slots=True)
class GivenCertificate:
    """A client certificate from the text of a kubeconfig, and perhaps a token beside it."""

    given: Certificate
    beside: Credentials = field(default_factory=Anonymous)

    def token(self) -> SecretValue | None:
        return self.beside.token()

    def certificate(self) -> Certificate | None:
        return self.given

    def renew(self, refused: SecretValue | None) -> bool:
        return self.beside.renew(refused)


class CertificateFiles:
    """A client certificate in files that may be replaced while we run, and perhaps a token beside it."""

    def __init__(self, chain: Path, key: Path, beside: Credentials | None = None) -> None:
        self._paths = (chain, key)
        self._beside = beside or Anonymous()
        self._lock = threading.Lock()
        self._marks: tuple[_Mark, ...] = ()
        self._held: Certificate | None = None

    def __repr__(self) -> str:
        return f"CertificateFiles({str(self._paths[0])!r})"

    def token(self) -> SecretValue | None:
        return self._beside.token()

    def certificate(self) -> Certificate | None:
        with self._lock:
            try:
                marks = tuple(_mark(path) for path in self._paths)
                if self._held is None or marks != self._marks:
                    chain, key = (path.read_bytes() for path in self._paths)
                    self._held, self._marks = Certificate(chain, SecretValue(key)), marks
            except OSError as error:
                reason = (
                    f"the client certificate {self._paths[0]} or its key cannot be read ({type(error).__name__}); "
                    "correct client-certificate and client-key in the kubeconfig"
                )
                raise Unavailable(DEPENDENCY, reason) from None
            return self._held

    def renew(self, refused: SecretValue | None) -> bool:
        before = self._held
        return self.certificate() is not before or self._beside.renew(refused)


ANONYMOUS = Anonymous()


def _mark(path: Path) -> _Mark:
    """By which a file that was replaced, or a link that leads elsewhere now, is told."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
