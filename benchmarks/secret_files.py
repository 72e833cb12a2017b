"""Source Secrets as a kubelet writes them: a new content directory, then one rename of `..data`."""

import itertools
import os
from collections.abc import Mapping
from pathlib import Path

_numbers = itertools.count(1)


def write_secret(directory: Path, values: Mapping[str, str]) -> None:
    """Replace the whole content of a Secret's directory, atomically."""
    directory.mkdir(parents=True, exist_ok=True)
    content = directory / f"..{os.getpid()}-{next(_numbers)}"
    content.mkdir()
    for key, value in values.items():
        (content / key).write_text(value, encoding="utf-8")
        if not (directory / key).is_symlink():
            (directory / key).symlink_to(f"..data/{key}")
    before = os.readlink(directory / "..data") if (directory / "..data").is_symlink() else None
    swap = directory / "..data_tmp"
    swap.symlink_to(content.name)
    swap.replace(directory / "..data")
    if before is not None:
        for entry in (directory / before).iterdir():
            entry.unlink()
        (directory / before).rmdir()
