"""Manifests, access policy, stores, and the namespaces' directories."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from functions._failures import StepFailure
from functions._ports import SourceSecrets
from functions._selection import named_sources
from infra.hosts.checks.namespaces import cluster_namespaces
from infra.hosts.checks.result import Check, fail, ok, some, warn
from infra.hosts.configuration import Ownership
from infra.hosts.local.instance import Parts
from infra.hosts.located import located
from infra.hosts.platform import AccessPolicy, SnapshotWiring
from infra.hosts.views.contested import Confirmed, contested
from infra.hosts.views.findings import findings_of
from infra.hosts.views.place import Place


def wiring_checks(parts: Parts) -> Iterator[Check]:
    """Checks of what was declared, against the policy and the machine."""
    place = Place.of(parts.platform, parts.root)
    yield access_check(parts.access, place)
    yield manifest_check(parts.wiring, place, parts.publications.read)
    yield from _stores(parts)
    yield source_check(parts.wiring, parts.lookups.sources)
    yield from _namespaces(parts)


def access_check(access: AccessPolicy, place: Place) -> Check:
    """Whether there is a policy, and it can be read."""
    if problem := access.reload():
        return fail("access policy", problem, place.correct_access)
    if access.open:
        message = "there is none: one trust domain, every wired path may be published and read by all"
        return warn("access policy", message, place.write_access)
    return ok("access policy", f"{place.access} is in force; what it does not name is denied")


def manifest_check(wiring: SnapshotWiring, place: Place, confirmed: Confirmed) -> Check:
    """Whether all manifests can be read and may act, but for those that another controller is to serve."""
    index = wiring.snapshot()
    action = place.correct_wiring
    findings = [
        f"{located(one.file, one.line)}: {one.rule.id} {one.message}"
        for one in findings_of(wiring)
        if one.severity == "error"
    ]
    refs = dict.fromkeys([*index.problems(), *index.generations()])
    # observed or assisted, as their store says: that they do not act here is meant
    left = {ref for ref in refs if ref.kind != "ClusterSecretStore" and index.mode(ref) != "own"}
    problems = [f"{ref}: {text}" for ref in refs if ref not in left and (text := wiring.problem(ref))]
    problems += [f"{ref}: {text}" for ref, text in contested(index, confirmed) if ref not in left]
    if findings or problems:
        return fail("wiring", some([*findings, *problems]), action)
    if not index.complete():
        return warn("wiring", "there are no manifests, or not all could be read; nothing is retracted", action)
    if warnings := [f"{ref}: {text}" for ref, text in index.warnings() if ref not in left]:
        return warn("wiring", some(warnings), action)
    pushes, externals = sum(1 for _ in index.pushes()), sum(1 for _ in index.externals())
    if left:
        message = f"{len(left)} of {pushes + externals} manifests are left to another controller, as their stores say"
        return ok("wiring", message)
    return ok("wiring", f"{pushes} PushSecrets and {externals} ExternalSecrets, all may act")


def _stores(parts: Parts) -> Iterator[Check]:
    """A store's `server` never chooses where values go; one that names another server is told, or refused."""
    address, allowed = parts.authority.settings.address, parts.authority.allowed_servers
    for store in parts.wiring.snapshot().stores.values():
        vault = store.spec.provider.vault
        server = vault.server.rstrip("/") if vault else ""
        name = f"store {store.name}"
        if not server:
            yield ok(name, "names no server")
        elif allowed is None:
            yield ok(name, f"{server} is ignored: the embedded authority at {address} is used")
        elif server in {one.rstrip("/") for one in allowed}:
            yield ok(name, server)
        else:
            action = "add it to authority.allowedServers in lockstep.yaml, or correct the manifest"
            yield fail(name, f"it names {server}, which is not on the list of allowed servers", action)


def source_check(wiring: SnapshotWiring, sources: SourceSecrets) -> Check:
    """Sources that are there and cannot be read: foreign owners, links, devices. Absent ones are no fault of access."""
    refused: list[str] = []
    named = named_sources(wiring.push_secrets())
    try:
        looked_at = sources.heads(named)
    except StepFailure as failure:
        return warn("sources", f"not known: {failure.reason}", "run this again when it answers")
    for ref in named:
        try:
            looked_at(ref)
        except StepFailure as failure:
            refused.append(failure.reason)
    if refused:
        return fail(
            "sources", some(sorted(refused)), "do what the message says; the Secret is looked at again by itself"
        )
    return ok("sources", "every source Secret that is there can be read")


def _namespaces(parts: Parts) -> Iterator[Check]:
    consuming = {external.namespace for external in parts.wiring.external_secrets()}
    if (api := Place.of(parts.platform, parts.root).api) is not None:
        yield from cluster_namespaces(api, consuming)
        return
    for namespace in sorted(consuming):
        directory = parts.root / "namespaces" / namespace
        owner = parts.configuration.ownership.get(namespace) or Ownership()
        yield namespace_check(f"namespace {namespace}", directory, owner)


def namespace_check(name: str, directory: Path, owner: Ownership) -> Check:
    """Whether Secrets can be written there, and belong to whom they should."""
    euid = os.geteuid()
    if owner.uid not in (None, euid) and euid != 0:
        return fail(
            name,
            f"its files are to belong to uid {owner.uid}, which only root can give",
            "run as root, or clear ownership",
        )
    try:
        found = directory.lstat()
    except FileNotFoundError:
        parent = directory.parent
        if os.access(parent, os.W_OK | os.X_OK):
            return ok(name, "its directory is made with its first Secret")
        return fail(name, f"{parent} cannot be written", "make it writable for the user who runs Lockstep")
    if not stat.S_ISDIR(found.st_mode):
        return fail(name, f"{directory} is no directory", "remove it; links are not followed")
    if found.st_uid not in {0, euid, owner.uid}:
        action = f"chown it, or set ownership.{directory.name}.uid in lockstep.yaml"
        return fail(name, f"{directory} belongs to uid {found.st_uid}, who does not own this namespace", action)
    if not os.access(directory, os.W_OK | os.X_OK, follow_symlinks=True):
        return fail(
            name, f"{directory} cannot be written", "make it writable; consumers get what they missed by themselves"
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or (found.st_mode & stat.S_IRWXO):
        return warn(
            name, f"{directory} is open to others (mode {stat.S_IMODE(found.st_mode):o})", f"run: chmod 700 {directory}"
        )
    return ok(name, "writable, and closed to others")
