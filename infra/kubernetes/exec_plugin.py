"""Credentials from a command that a kubeconfig names, as client-go runs it (client.authentication.k8s.io).

The command is the operator's own: kubeconfigs are only read from where the operator points, never from a manifest.
"""

import json
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from functions._failures import Unavailable
from functions._values import SecretValue
from infra.kubernetes.credentials import DEPENDENCY, Certificate

VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_PATIENCE = 60.0  # seconds for the command


@dataclass(frozen=True, slots=True)
class ExecCommand:
    """What to run, with the whole environment it gets. `cluster` is handed over only where the kubeconfig asks."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    api_version: str = VERSIONS[0]
    cluster: Mapping[str, Any] | None = field(default=None, repr=False)
    install_hint: str = ""

    @property
    def name(self) -> str:
        return self.argv[0]


@dataclass(frozen=True, slots=True)
class _Issued:
    token: SecretValue | None
    certificate: Certificate | None
    expires: datetime | None


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ExecPlugin:
    """Runs the command when first asked, when what it gave has expired, and once when it is refused."""

    def __init__(self, command: ExecCommand, now: Callable[[], datetime] = _utc_now) -> None:
        self._command = command
        self._now = now
        self._lock = threading.Lock()
        self._issued: _Issued | None = None

    def __repr__(self) -> str:
        return f"ExecPlugin({self._command.name!r})"

    def token(self) -> SecretValue | None:
        return self._valid().token

    def certificate(self) -> Certificate | None:
        return self._valid().certificate

    def renew(self, refused: SecretValue | None) -> bool:
        with self._lock:
            issued = self._issued
            if issued is None or issued.token == refused:
                self._issued = self._run()
            return True

    def _valid(self) -> _Issued:
        with self._lock:
            issued = self._issued
            if issued is None or (issued.expires is not None and issued.expires <= self._now()):
                self._issued = issued = self._run()
            return issued

    def _run(self) -> _Issued:
        command = self._command
        asked: dict[str, Any] = {"apiVersion": command.api_version, "kind": "ExecCredential"}
        asked["spec"] = {"interactive": False, **({"cluster": dict(command.cluster)} if command.cluster else {})}
        environment = {**command.environment, "KUBERNETES_EXEC_INFO": json.dumps(asked)}
        try:
            # What it prints is a credential, and its complaints may quote one: neither is shown.
            done = subprocess.run(  # noqa: S603  the operator's own command, without a shell
                command.argv, env=environment, capture_output=True, timeout=_PATIENCE,
                stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
        except FileNotFoundError:
            hint = f": {' '.join(command.install_hint.split())[:200]}" if command.install_hint else ""
            raise _failed(command, f"is not installed{hint}") from None
        except subprocess.TimeoutExpired:
            raise _failed(command, f"gave no credential within {_PATIENCE:.0f} s") from None
        except OSError as error:
            raise _failed(command, f"cannot be run ({type(error).__name__})") from None
        if done.returncode != 0:
            raise _failed(command, f"ended with status {done.returncode}")
        return _issued(command, done.stdout)


def _failed(command: ExecCommand, what: str) -> Unavailable:
    return Unavailable(
        DEPENDENCY, f"the kubeconfig's exec plugin {command.name!r} {what}; run it by hand, then try again"
    )


def _issued(command: ExecCommand, output: bytes) -> _Issued:
    try:
        document = json.loads(output)
        status = document["status"]
        token, chain, key = (status.get(name) for name in ("token", "clientCertificateData", "clientKeyData"))
        when = status.get("expirationTimestamp")
        expires = datetime.fromisoformat(when) if when else None
        certificate = Certificate(chain.encode(), SecretValue.of(key)) if chain and key else None
        issued = _Issued(SecretValue.of(token) if token else None, certificate, expires)
        kind = (document["kind"], document["apiVersion"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        kind, issued = ("", ""), _Issued(None, None, None)
    timely = issued.expires is None or issued.expires.tzinfo is not None
    if kind != ("ExecCredential", command.api_version) or issued == _Issued(None, None, issued.expires) or not timely:
        raise _failed(command, f"printed no ExecCredential of {command.api_version}")
    return issued
