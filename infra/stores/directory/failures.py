"""What the kernel answers, as the failures of a port. Messages name references, never paths of the machine."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from functions._failures import Reject, Unavailable

_REMEDIES = {
    errno.EACCES: "permission is refused: let the user that runs Lockstep (uid {uid}) read and write there",
    errno.EPERM: "the operation is not permitted: giving files away takes root or CAP_CHOWN; clear 'chattr +i'",
    errno.ENOENT: "its directory vanished or was never made: make the root directory",
    errno.EROFS: "the file system is read-only: mount it writable",
    errno.ENOSPC: "the file system is full: free space or inodes",
    errno.EDQUOT: "the disk quota is used up: raise it or free space",
    errno.EMFILE: "this process has too many open files: raise 'ulimit -n'",
    errno.ENFILE: "the machine has too many open files: raise fs.file-max",
    errno.EBUSY: "the Secret's directory is a mount point: mount its namespace's directory instead",
    errno.EFBIG: "a file-size limit forbids the write: raise 'ulimit -f'",
}
_SHAPE = {errno.ELOOP, errno.ENOTDIR, errno.EISDIR}


@contextmanager
def translated(subject: object, doing: str) -> Iterator[None]:
    """Turn what the kernel answers into Unavailable, or Reject where only a person can mend it."""
    try:
        yield
    except OSError as error:
        # Not chained: the kernel's text names paths of the machine.
        raise _failure(error, subject, doing) from None


def _failure(error: OSError, subject: object, doing: str) -> Exception:
    code = error.errno or 0
    if code in _SHAPE:
        return Reject(f"{subject}: a symlink or a file lies where a directory belongs: remove it")
    remedy = _REMEDIES.get(code, f"the system answers {errno.errorcode.get(code, 'an error')}: look at the kernel log")
    return Unavailable("directory", f"{subject}: cannot {doing}: " + remedy.replace("{uid}", str(os.geteuid())))
