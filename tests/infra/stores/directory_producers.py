"""Producers of Secrets as files: one that swaps `..data` as a kubelet does, and one that just writes."""

import json
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from events.references import SecretRef


def place(root: Path, ref: SecretRef) -> Path:
    return root / "namespaces" / ref.namespace / ref.name


def swap(root: Path, ref: SecretRef, data: Mapping[str, bytes], labels: Mapping[str, str] | None = None) -> None:
    """Write a content and swap it in: one rename (kubernetes, pkg/volume/util/atomic_writer.go)."""
    directory = place(root, ref)
    directory.mkdir(parents=True, exist_ok=True)
    content = directory / f"..2026_01_01_00_00_00.{uuid.uuid4().hex[:12]}"
    content.mkdir()
    for key, raw in data.items():
        (content / key).write_bytes(raw)
    if labels is not None:
        (content / "..metadata.json").write_text(json.dumps({"labels": dict(labels)}))
    link = directory / "..data"
    before = os.readlink(link) if link.is_symlink() else None
    temporary = directory / "..data_tmp"
    temporary.symlink_to(content.name)
    temporary.rename(link)
    for key in data:
        if not (directory / key).is_symlink():
            (directory / key).symlink_to(f"..data/{key}")
    for entry in directory.iterdir():
        if not entry.name.startswith("..") and entry.name not in data:
            entry.unlink()
    if before:
        shutil.rmtree(directory / before)


def write(root: Path, ref: SecretRef, data: Mapping[str, bytes]) -> None:
    """Write the files where they lie."""
    directory = place(root, ref)
    directory.mkdir(parents=True, exist_ok=True)
    for key, raw in data.items():
        (directory / key).write_bytes(raw)


def remove(root: Path, ref: SecretRef) -> None:
    """Remove it in one step, as whoever deletes a Secret does."""
    doomed = root / f"removed-{uuid.uuid4().hex}"
    place(root, ref).rename(doomed)
    shutil.rmtree(doomed)


def values(root: Path, ref: SecretRef) -> dict[str, bytes]:
    """What a consumer sees by the visible names."""
    return {entry.name: entry.read_bytes() for entry in place(root, ref).iterdir() if not entry.name.startswith("..")}
