"""A consumer's files, swapped as the floors do it."""

import itertools
import os
from collections.abc import Mapping
from pathlib import Path

_stamps = itertools.count(1)


def swap(target: Path, values: Mapping[str, str]) -> None:
    """As a kubelet's AtomicWriter, with the durability that Lockstep gives: values are on disk before the swap."""
    stamp = f"..floor-{next(_stamps)}"
    os.mkdir(target / stamp, 0o700)
    for key, value in values.items():
        handle = os.open(target / stamp / key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(handle, value.encode())
        os.fdatasync(handle)
        os.close(handle)
        if not (target / key).is_symlink():
            os.symlink(f"..data/{key}", target / key)
    before = os.readlink(target / "..data") if (target / "..data").is_symlink() else None
    os.symlink(stamp, target / "..data_tmp")
    os.rename(target / "..data_tmp", target / "..data")
    if before is not None:
        for key in os.listdir(target / before):
            os.unlink(target / before / key)
        os.rmdir(target / before)
