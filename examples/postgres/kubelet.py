"""Write a Secret as a kubelet mounts one: a new directory, then one rename of the link `..data`."""

import os
import time
from collections.abc import Mapping
from pathlib import Path


def mount(directory: Path, values: Mapping[str, str]) -> int:
    """Make `values` what the directory holds; when that happened, in nanoseconds since the epoch."""
    directory.mkdir(parents=True, exist_ok=True)
    before = os.readlink(directory / "..data") if (directory / "..data").is_symlink() else ""
    stamp = f"..{time.time_ns()}"
    (directory / stamp).mkdir(mode=0o700)
    for key, value in values.items():
        (directory / stamp / key).write_text(value, encoding="utf-8")
        if not (directory / key).is_symlink():
            (directory / key).symlink_to(f"..data/{key}")
    (directory / "..new").symlink_to(stamp)
    moment = time.time_ns()
    (directory / "..new").rename(directory / "..data")
    if before:
        for file in (directory / before).iterdir():
            file.unlink()
        (directory / before).rmdir()
    return moment
