"""The authority's audit stream in a host: what is followed, whose lines are our own, where it was read to."""

import os
import re
import socket
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from events.references import PathRef
from functions import STEPS
from functions._failures import StepFailure
from infra.deploy.vault_policies import policy_name
from infra.hosts.configuration import Audit, ConfigurationError
from infra.hosts.openbao.identities import WARDEN
from infra.hosts.platform import SnapshotWiring
from infra.hosts.serving import ListenError, tcp_socket
from infra.hosts.unix_sockets import reachable
from infra.sources.vault_audit.line import Written
from infra.sources.vault_audit.listener import MOST_CONNECTIONS, AuditListener
from infra.sources.vault_audit.position import Position
from infra.sources.vault_audit.source import AuditSource, Surroundings
from infra.sources.vault_audit.tail import FileTail
from infra.stores.vault.client import VaultClient

FILE, SOCKET, POSITION = "LOCKSTEP_AUDIT_FILE", "LOCKSTEP_AUDIT_SOCKET", "LOCKSTEP_AUDIT_POSITION"
UNIX = "unix:"
_LOOPBACK = re.compile(r"127\..*|localhost|\[?::1\]?")
_NO_TLS = "; give the loopback or unix:/path: audit devices speak no TLS"
_MODE = 0o660  # the authority runs as somebody else: the socket's group, which a setgid directory gives it


@dataclass(frozen=True, slots=True)
class Followed:
    """What is followed, "" and None for nothing. `position`: where it is kept how far the file was read."""

    file: Path | None = None
    socket: str = ""
    position: Path | None = None

    def __bool__(self) -> bool:
        return self.file is not None or bool(self.socket)


def configured(audit: Audit, own_file: Path | None, state: Path) -> Followed:
    """What lockstep.yaml asks to follow. `own_file` is the embedded authority's, None for an existing authority.

    Raises ConfigurationError for another file than the embedded authority's own.
    """
    if own_file is not None and (audit.file or audit.socket):
        raise ConfigurationError(
            "audit.file and audit.socket are for an existing authority; the embedded one has a file of its own, "
            "which is followed unless audit.embedded is false"
        )
    file = (own_file if audit.embedded else None) if own_file is not None else Path(audit.file or ".")
    named = file if own_file is not None or audit.file else None
    return Followed(named, audit.socket, state / "audit-position.json")


def from_environment(environ: Mapping[str, str]) -> Followed:
    """What LOCKSTEP_AUDIT_FILE, _SOCKET and _POSITION ask to follow. Raises ConfigurationError."""
    file, address, position = (environ.get(name, "").strip() for name in (FILE, SOCKET, POSITION))
    for name, value in ((FILE, file), (POSITION, position)):
        if value and not Path(value).is_absolute():
            raise ConfigurationError(f"{name} is {value!r}; give an absolute path")
    return Followed(Path(file) if file else None, address, Path(position) if position else None)


def port_beyond_loopback(address: str) -> int:
    """At which port of an `audit.socket` others than this machine may write; 0 for a Unix socket and the loopback."""
    host, _, port = address.rpartition(":")
    if not host or address.startswith(UNIX) or _LOOPBACK.fullmatch(host):
        return 0
    return int(port)


def source(
    followed: Followed, around: Surroundings, *, namespace: str = "", plain: bool = False, gap: str = ""
) -> AuditSource:
    """The source, not started yet; it records its position where `followed` says.

    `plain`: somebody vouched for a TCP socket beyond the loopback. `gap`: why lines may have been missed before it,
    where nobody sweeps at the start. Raises ListenError.
    """
    position = _saved(followed.position)
    tail = FileTail(followed.file, position) if followed.file else None
    listener = AuditListener(bound(followed.socket, plain=plain)) if followed.socket else None
    kept = followed.position
    if kept is not None:
        around = replace(around, save=lambda found: _keep(kept, found))
    missed = gap if position is None else ""
    return AuditSource(around, tail=tail, listener=listener, namespace=namespace, gap=missed)


def bound(address: str, *, plain: bool = False) -> socket.socket:
    """A socket that listens at `unix:/path` or `HOST:PORT`. Raises ListenError."""
    if not address.startswith(UNIX):
        try:
            return _listening(tcp_socket(address, None, plain=plain), address)
        except ListenError as error:
            reason = str(error).replace("--listen", "audit.socket")
            raise ListenError(re.sub(r": that needs --tls.*", _NO_TLS, reason)) from None
    path = Path(address.removeprefix(UNIX))
    if not path.is_absolute():
        raise ListenError(f"audit.socket {address!r}: give an absolute path, such as unix:/run/lockstep/audit.sock")
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _make_room(path)
        os.fchmod(made.fileno(), _MODE)
        with reachable(path) as short:
            made.bind(short)
            Path(short).chmod(_MODE)
    except OSError as error:
        made.close()
        raise ListenError(f"audit.socket {path}: {error.strerror}; see that its directory is there and ours") from None
    return _listening(made, address)


def _listening(made: socket.socket, address: str) -> socket.socket:
    """Two may bind one TCP address as long as neither listens: the second one learns of it only here."""
    try:
        made.listen(MOST_CONNECTIONS)
    except OSError as error:
        made.close()
        raise ListenError(f"audit.socket {address}: {error.strerror}; give another address") from None
    return made


def wired(wiring: SnapshotWiring) -> Callable[[PathRef], bool]:
    """Whether a manifest names a path, has it rotated, or searches where it is."""

    def named(path: PathRef) -> bool:
        index = wiring.snapshot()
        return bool(
            index.producers_of_path(path) or index.consumers_of_path(path) or index.rotation_of_path(path) is not None
        )

    return named


class OwnWrites:
    """Whether a step of ours made a write: by the policy of its role, or by the entity that all steps share.

    `client` is one of the steps at an existing authority, where they may share an identity of any name; it is asked
    once, when there is the first write to judge. A write that cannot be told from others' is another look at its
    path, and nothing worse; `notice` then says what to do.
    """

    def __init__(self, client: VaultClient | None = None, notice: Callable[[str], object] = lambda _: None) -> None:
        self._policies = frozenset({WARDEN, *(policy_name(step.name) for step in STEPS)})
        self._client = client
        self._notice = notice
        self._entity = ""

    def __call__(self, written: Written) -> bool:
        """Raises nothing."""
        if written.policies & self._policies:
            return True
        if self._client is not None:
            self._ask(self._client)
        return bool(self._entity) and written.entity == self._entity

    def _ask(self, client: VaultClient) -> None:
        try:
            answer = client.call("GET", "auth/token/lookup-self", kind="lookup")
        except StepFailure:
            return  # the next write asks again
        self._client = None
        data = answer.body.get("data")
        entity = data.get("entity_id") if isinstance(data, dict) else None
        self._entity = entity if isinstance(entity, str) else ""
        if not self._entity:
            self._notice(
                "the steps' token at the authority has no entity, so its audit stream does not tell our writes from "
                "others', and each is looked at once more; log in with AppRole or Kubernetes auth instead"
            )


def _saved(file: Path | None) -> Position | None:
    if file is None:
        return None
    try:
        return Position.read(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _keep(file: Path, position: Position) -> None:
    """Written whole, and not synced: a power cut may cost a sweep, and every change would wait for this disk."""
    temporary = file.with_name(f".{file.name}.new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as opened:
        opened.write(position.text().encode())
    temporary.replace(file)


def _make_room(path: Path) -> None:
    """Remove a socket that nobody listens on any more; anything else stays, and binding fails."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, reachable(path) as short:
            try:
                probe.connect(short)
            except ConnectionRefusedError:
                path.unlink()
