"""The state directory, the files around it, disk space, and how we are reached."""

import json
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from infra.hosts.checks.result import Check, fail, ok, some, warn
from infra.hosts.local.instance import Parts
from infra.hosts.views.place import Place

LITTLE_SPACE = 1024**3  # bytes
NO_SPACE = 100 * 1024**2
FEW_FILES = 1000  # inodes
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_WRITABLE = stat.S_IWGRP | stat.S_IWOTH
# What is secret or decides about secrets by itself, should the state directory ever be opened to others.
_PRIVATE = ("*.db", "identities", "identities/*", "openbao", "openbao/*.key", "openbao/raft", "openbao/audit.log")


def machine_checks(parts: Parts) -> Iterator[Check]:
    """Checks of this machine; no request leaves it."""
    yield _state(parts.root / "state")
    yield _surroundings(parts.root, cluster=Place.of(parts.platform, parts.root).api is not None)
    yield _seal_key(parts)
    yield _space(parts)
    yield _ingress(parts)


def _state(state: Path) -> Check:
    found = state.stat()
    action = f"run: chmod 700 {state} && chown -R {os.geteuid()} {state}"
    if found.st_uid != os.geteuid():
        return fail("state directory", f"{state} belongs to uid {found.st_uid}", action)
    if found.st_mode & _OTHERS:
        return fail("state directory", f"{state} is open to others (mode {stat.S_IMODE(found.st_mode):o})", action)
    loose = sorted(
        {str(path.relative_to(state)) for pattern in _PRIVATE for path in state.glob(pattern) if _open(path)}
    )
    if loose:
        message = f"open to others or owned by them, behind a closed directory: {some(loose)}"
        return warn("state directory", message, f"run: chmod -R go= {state}")
    return ok("state directory", f"{state} is closed to others")


def _open(path: Path) -> bool:
    found = path.lstat()
    return bool(found.st_mode & _OTHERS) or found.st_uid != os.geteuid()


def _surroundings(root: Path, *, cluster: bool) -> Check:
    """Whoever can write these can redirect secrets, or put another state in place."""
    trusted = {0, os.geteuid()}
    paths = [root, root / "lockstep.yaml"]
    if not cluster:
        paths += [root / "access.yaml", root / "wiring", root / "namespaces", *sorted((root / "wiring").glob("**/*"))]
    loose = []
    for path in paths:
        try:
            found = path.stat()
        except OSError:
            continue  # not there, or unreadable: the checks of the wiring tell
        if found.st_mode & _WRITABLE or found.st_uid not in trusted:
            loose.append(str(path))
    if loose:
        message = f"others may change what decides where secrets go: {some(loose)}"
        return warn("configuration files", message, f"run: chmod -R go-w {root}; let root or uid {os.geteuid()} own it")
    if cluster:
        return ok("configuration files", "only their owner may change them; RBAC decides who may change the wiring")
    return ok("configuration files", "only their owner may change configuration, access policy and wiring")


def _seal_key(parts: Parts) -> Check:
    authority = parts.authority
    if not authority.embedded:
        return ok("seal key", "an existing authority keeps its own")
    path = authority.seal_path
    if authority.development_seal or path is None:
        return warn(
            "seal key",
            "development seal: the key lies beside the data that it protects",
            "keep a key elsewhere and give it with --seal-key at the first start",
        )
    if path.resolve().is_relative_to(parts.root.resolve()):
        return warn("seal key", f"{path} lies within ROOT, so a copy of ROOT holds it", "move it, and give --seal-key")
    if path.stat().st_mode & _OTHERS:
        return warn("seal key", f"{path} is open to others", f"run: chmod 600 {path}")
    return ok("seal key", f"{path}, apart from ROOT")


def _space(parts: Parts) -> Check:
    state = parts.root / "state"
    free, files = shutil.disk_usage(state).free, os.statvfs(state)
    message = f"{free // 1024**2} MiB free for {state}"
    action = "free some space; while there is none, events are refused with 503 and nothing is lost"
    few = files.f_files > 0 and files.f_favail < FEW_FILES
    if few:
        message = f"{files.f_favail} more files fit on the disk of {state}"
    if parts.evidence.health().full or free < NO_SPACE:
        return fail("disk space", message, action)
    return warn("disk space", message, action) if few or free < LITTLE_SPACE else ok("disk space", message)


def _ingress(parts: Parts) -> Check:
    try:
        described = json.loads((parts.root / "state" / "instance.json").read_text(encoding="utf-8"))
        url = str(described["ingress"])
    except (OSError, ValueError, KeyError, TypeError):
        return ok("ingress", "on the Unix socket only")
    if url.startswith("https://"):
        return ok("ingress", f"{url}, with TLS")
    if url.startswith(("http://127.", "http://[::1]")):
        return ok("ingress", f"{url}, on the loopback")
    return fail(
        "ingress", f"{url} is neither on the loopback nor has TLS", "start with --tls-certificate and --tls-key"
    )
