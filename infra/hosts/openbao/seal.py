"""The key that unseals the embedded authority; whoever has it and the state directory has every value."""

import hashlib
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from infra.hosts.openbao.failures import SealKeyError
from infra.hosts.openbao.private_files import private_directory, write_private

SIZE = 32  # bytes: AES-256
CREDENTIAL = "lockstep-seal-key"  # its name in a credential directory
_MAKE = "make one with: (umask 077; head -c 32 /dev/urandom > {path})"


@dataclass(frozen=True, slots=True)
class SealKey:
    """Where the key is. `id` names it without telling it; `development` when it lies beside what it seals."""

    path: Path
    id: str
    development: bool


def seal_key(given: Path | None, state: Path, *, established: bool) -> SealKey:
    """The key to use: the given file, the credential in a given directory, or one of our own making in `state`.

    A key is generated only while nothing is sealed by one yet. Raises SealKeyError.
    """
    path = _location(given, state)
    if not path.exists():
        if established:
            raise SealKeyError(
                f"there is no seal key at {path}, and the state in {state} is sealed with one; "
                "give it with --seal-key, or restore it from where it is kept"
            )
        _generate(path)
    return SealKey(path.absolute(), _identify(path), given is None)


def _location(given: Path | None, state: Path) -> Path:
    if given is None:
        return state / "development-seal.key"
    return given / CREDENTIAL if given.is_dir() else given


def _generate(path: Path) -> None:
    try:
        private_directory(path.parent)
        write_private(path, secrets.token_bytes(SIZE))
    except OSError as error:
        raise SealKeyError(f"cannot make a seal key: {error}; {_MAKE.format(path=path)}") from error


def _identify(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        content = path.read_bytes()
    except OSError as error:
        raise SealKeyError(f"cannot read the seal key: {error}") from error
    if not stat.S_ISREG(mode):
        raise SealKeyError(f"the seal key {path} is no regular file")
    if mode & (stat.S_IWGRP | stat.S_IRWXO) and os.name == "posix":
        raise SealKeyError(f"others may read or change the seal key {path}; run: chmod 600 {path}")
    if len(content) != SIZE:
        raise SealKeyError(f"the seal key {path} has {len(content)} bytes instead of {SIZE}; {_MAKE.format(path=path)}")
    return hashlib.sha256(b"lockstep seal key id\0" + content).hexdigest()[:16]
