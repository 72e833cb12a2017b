"""Whose the files of a namespace are, and with which modes."""

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Owner:
    """The user and group that a namespace's Secrets belong to; None leaves them to the running process.

    Directories are 0700 and files 0600; with a group, 0750 and 0640; `directory_mode` and `file_mode` override.
    """

    uid: int | None = None
    gid: int | None = None
    directory_mode: int | None = None
    file_mode: int | None = None

    @property
    def directories(self) -> int:
        if self.directory_mode is not None:
            return self.directory_mode
        return 0o700 if self.gid is None else 0o750

    @property
    def files(self) -> int:
        if self.file_mode is not None:
            return self.file_mode
        return 0o600 if self.gid is None else 0o640

    def take(self, handle: int, mode: int) -> None:
        """Give what is behind an open handle to this owner. A handle, so that nobody can swap what is given."""
        if self.uid is not None or self.gid is not None:
            os.fchown(handle, -1 if self.uid is None else self.uid, -1 if self.gid is None else self.gid)
        os.fchmod(handle, mode)  # after chown, which may clear bits; and whatever the umask is

    def trusted(self) -> frozenset[int]:
        """The users whose files are believed: root, ourselves, and this owner."""
        return frozenset({0, os.geteuid()} | (set() if self.uid is None else {self.uid}))
