"""Names of Unix sockets that fit the kernel's limit, and of peers; apart from the server: a client needs none."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

PEER = "uid:"  # how the server names a peer of the Unix socket
_LONGEST = 100  # bytes; the kernel's limit is 108


@contextlib.contextmanager
def reachable(path: Path) -> Iterator[str]:
    """A name of the socket that fits, however deep ROOT lies. Raises OSError where its directory cannot be opened."""
    if len(os.fsencode(path)) <= _LONGEST:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
