"""Ports that read for real and keep every write to themselves: what a rehearsed step writes, it reads again."""

import itertools
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

from events.references import PathRef, SecretRef, Version
from functions._failures import Conflict, Reject
from functions._manifests.selector import LabelSelector
from functions._ports import (
    Authority,
    Claim,
    Claims,
    Clock,
    LookedAt,
    PathHead,
    Ports,
    Publication,
    Publications,
    Secret,
    SecretContent,
    SecretHead,
    SourceSecrets,
    StoredSecret,
    TargetSecrets,
    Tombstone,
    Tombstones,
)
from functions._values import SecretData
from infra.hosts.views.changes import Action, Change, compare


@dataclass
class Drafts:
    """What the rehearsed steps wrote so far, shared by all of them. Nothing of it leaves the process."""

    changes: list[Change] = field(default_factory=list)
    paths: dict[PathRef, StoredSecret] = field(default_factory=dict)
    claims: dict[PathRef, Claim] = field(default_factory=dict)
    publications: dict[PathRef, Publication | None] = field(default_factory=dict)
    secrets: dict[SecretRef, Secret | None] = field(default_factory=dict)
    tombstones: dict[str, Tombstone | None] = field(default_factory=dict)
    # What each step was seen to read before it ran: by step, as each reads in its own identity.
    stored_ahead: dict[tuple[str, PathRef], StoredSecret | None] = field(default_factory=dict)
    claims_ahead: dict[tuple[str, PathRef], Claim | None] = field(default_factory=dict)
    _states: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def state(self) -> str:
        return f"draft-{next(self._states)}"

    def forget_ahead(self) -> None:
        self.stored_ahead.clear()
        self.claims_ahead.clear()

    def ports(self, step: str, real: Ports) -> Ports:
        """A step's ports, through which it changes nothing but these drafts."""
        return replace(
            real,
            sources=DraftSources(self, real.sources),
            targets=DraftTargets(step, self, real.targets),
            authority=DraftAuthority(step, self, real.authority, real.clock),
            claims=DraftClaims(step, self, real.claims),
            publications=DraftPublications(self, real.publications),
            tombstones=DraftTombstones(self, real.tombstones),
        )


class DraftAuthority:
    """`Authority` whose writes are noted as changes."""

    def __init__(self, step: str, drafts: Drafts, real: Authority, clock: Clock) -> None:
        self._step, self._drafts, self._real, self._clock = step, drafts, real, clock

    def read(self, path: PathRef, version: Version | None = None) -> StoredSecret | None:
        drafted = self._drafts.paths.get(path)
        if drafted is not None and version in (None, drafted.version):
            return drafted
        seen = (self._step, path)
        if version is None and seen in self._drafts.stored_ahead:
            return self._drafts.stored_ahead[seen]
        return self._real.read(path, version)

    @contextmanager
    def reading(self, path: PathRef, version: Version | None = None) -> Iterator[Callable[[], StoredSecret | None]]:
        yield lambda: self.read(path, version)

    def read_pinned(self, path: PathRef, pin: str) -> StoredSecret | None:
        return self._real.read_pinned(path, pin)

    def head(self, path: PathRef) -> PathHead | None:
        drafted = self._drafts.paths.get(path)
        if drafted is None:
            return self._real.head(path)
        return PathHead(path, drafted.version, drafted.data is None, (drafted.version.number,))

    @contextmanager
    def heading(self, path: PathRef) -> Iterator[Callable[[], PathHead | None]]:
        yield lambda: self.head(path)

    def list(self, mount: str, prefix: str) -> tuple[PathRef, ...]:
        below = f"{prefix}/" if prefix else ""
        drafted = {path for path in self._drafts.paths if path.mount == mount and path.path.startswith(below)}
        return tuple(sorted({*self._real.list(mount, prefix), *drafted}, key=lambda path: path.path))

    def write(self, path: PathRef, data: SecretData, base: Version | None) -> Version:
        for key, value in data.items():
            try:
                value.reveal().decode()
            except UnicodeDecodeError:
                raise Reject(  # `from None`: the decoding error holds the value
                    f"the value of {key!r} for {path} is not UTF-8 text; encode it with b64enc in the template"
                ) from None
        before = self.read(path)
        if (before.version if before else None) != base:
            raise Conflict(f"{path} changed since it was read; read it again")
        created = max(self._clock.now(), base.created + timedelta(microseconds=1)) if base else self._clock.now()
        version = Version(number=base.number + 1 if base else 1, created=created)
        keys = compare(before.data if before else None, data)
        self._drafts.changes.append(Change(self._step, "write", path, keys, base))
        self._drafts.paths[path] = StoredSecret(path, version, data)
        return version

    def delete(self, path: PathRef, versions: tuple[int, ...]) -> None:
        before = self.read(path)
        keys = compare(before.data if before else None, {})
        note = f"versions {', '.join(map(str, versions))}, which can be undeleted"
        self._drafts.changes.append(
            Change(self._step, "delete versions", path, keys, before.version if before else None, note)
        )
        if before is not None and before.version.number in versions:
            self._drafts.paths[path] = replace(before, data=None)


class DraftClaims:
    """`Claims` whose changes of owner are noted; what only refreshes a claim is not worth a line."""

    def __init__(self, step: str, drafts: Drafts, real: Claims) -> None:
        self._step, self._drafts, self._real = step, drafts, real

    def read(self, path: PathRef) -> Claim | None:
        seen = (self._step, path)
        if path not in self._drafts.claims and seen in self._drafts.claims_ahead:
            return self._drafts.claims_ahead[seen]
        return self._drafts.claims.get(path) or self._real.read(path)

    @contextmanager
    def reading(self, path: PathRef) -> Iterator[Callable[[], Claim | None]]:
        yield lambda: self.read(path)

    def create(self, claim: Claim) -> Claim:
        if self.read(claim.path) is not None:
            raise Conflict(f"{claim.path} is claimed already; read its claim")
        return self._keep(claim, "claim", f"by {claim.owner}")

    def update(self, claim: Claim) -> Claim:
        known = self.read(claim.path)
        if known is None or known.revision != claim.revision:
            raise Conflict(f"the claim of {claim.path} changed since it was read; read it again")
        if known.epoch != claim.epoch:
            return self._keep(claim, "take over", f"by {claim.owner} from {known.owner} ({known.state})")
        if known.state != claim.state:
            return self._keep(claim, "release", f"{claim.owner} gives it up ({claim.state})")
        return self._keep(claim, None)

    def revoked(self, path: PathRef, page: int) -> tuple[str, ...]:
        return self._real.revoked(path, page)

    def remember(self, path: PathRef, page: int, fingerprints: tuple[str, ...]) -> None:
        """Nothing is revoked in a rehearsal."""

    def _keep(self, claim: Claim, action: Action | None, note: str = "") -> Claim:
        if action is not None:
            self._drafts.changes.append(Change(self._step, action, claim.path, note=note))
        kept = replace(claim, revision=claim.revision + 1)
        self._drafts.claims[claim.path] = kept
        return kept


class DraftPublications:
    """`Publications` that forgets what it recorded with the rehearsal."""

    def __init__(self, drafts: Drafts, real: Publications) -> None:
        self._drafts, self._real = drafts, real

    def read(self, path: PathRef) -> Publication | None:
        if path in self._drafts.publications:
            return self._drafts.publications[path]
        return self._real.read(path)

    def record(self, publication: Publication) -> None:
        known = self.read(publication.path)
        if known is None or publication.version.number >= known.version.number:
            self._drafts.publications[publication.path] = publication

    def forget(self, path: PathRef) -> None:
        self._drafts.publications[path] = None


class DraftSources:
    """`SourceSecrets` that see what was drafted as targets: a derived source is one of them."""

    def __init__(self, drafts: Drafts, real: SourceSecrets) -> None:
        self._drafts, self._real = drafts, real

    def read(self, ref: SecretRef) -> Secret | None:
        return self._drafts.secrets[ref] if ref in self._drafts.secrets else self._real.read(ref)

    @contextmanager
    def reading(self, ref: SecretRef) -> Iterator[Callable[[], Secret | None]]:
        yield lambda: self.read(ref)

    def head(self, ref: SecretRef) -> SecretHead | None:
        if ref not in self._drafts.secrets:
            return self._real.head(ref)
        return _head(self._drafts.secrets[ref])

    def heads(self, refs: Collection[SecretRef]) -> LookedAt:
        found = self._real.heads([ref for ref in refs if ref not in self._drafts.secrets])
        return lambda ref: _head(self._drafts.secrets[ref]) if ref in self._drafts.secrets else found(ref)

    def select(self, namespace: str, selector: LabelSelector) -> tuple[SecretRef, ...]:
        found = {ref for ref in self._real.select(namespace, selector) if ref not in self._drafts.secrets}
        for ref, secret in self._drafts.secrets.items():
            if secret is not None and ref.namespace == namespace and selector.matches(secret.labels):
                found.add(ref)
        return tuple(sorted(found, key=lambda ref: ref.name))


class DraftTargets:
    """`TargetSecrets` whose writes are noted as changes."""

    def __init__(self, step: str, drafts: Drafts, real: TargetSecrets) -> None:
        self._step, self._drafts, self._real = step, drafts, real

    def read(self, ref: SecretRef) -> Secret | None:
        return self._drafts.secrets[ref] if ref in self._drafts.secrets else self._real.read(ref)

    @contextmanager
    def reading(self, ref: SecretRef) -> Iterator[Callable[[], Secret | None]]:
        yield lambda: self.read(ref)

    def head(self, ref: SecretRef) -> SecretHead | None:
        return _head(self._drafts.secrets[ref]) if ref in self._drafts.secrets else self._real.head(ref)

    def heads(self, refs: Collection[SecretRef]) -> LookedAt:
        found = self._real.heads([ref for ref in refs if ref not in self._drafts.secrets])
        return lambda ref: _head(self._drafts.secrets[ref]) if ref in self._drafts.secrets else found(ref)

    def create(self, ref: SecretRef, content: SecretContent) -> str:
        if self.read(ref) is not None:
            raise Conflict(f"{ref} exists already")
        return self._keep(ref, content, None, "create")

    def update(self, ref: SecretRef, content: SecretContent, expected: str) -> str:
        return self._keep(ref, content, self._expected(ref, expected), "update")

    def delete(self, ref: SecretRef, expected: str) -> None:
        if self.read(ref) is None:
            return
        before = self._expected(ref, expected)
        self._drafts.changes.append(Change(self._step, "delete", ref, compare(before.data, {})))
        self._drafts.secrets[ref] = None

    def _expected(self, ref: SecretRef, expected: str) -> Secret:
        before = self.read(ref)
        if before is None or before.state != expected:
            raise Conflict(f"{ref} is no longer in the state that was read")
        return before

    def _keep(self, ref: SecretRef, content: SecretContent, before: Secret | None, action: Action) -> str:
        keys = compare(before.data if before else None, content.data)
        note = "" if keys else "its data stays; its version stamp or metadata moves"
        self._drafts.changes.append(Change(self._step, action, ref, keys, note=note))
        state = self._drafts.state()
        self._drafts.secrets[ref] = Secret(
            ref=ref, data=content.data, state=state, type=content.type, labels=content.labels,
            annotations=content.annotations, immutable=content.immutable, stamp=content.stamp,
            owner=content.owner, managed=content.managed,
        )  # fmt: skip
        return state


class DraftTombstones:
    """`Tombstones` that are neither set nor removed."""

    def __init__(self, drafts: Drafts, real: Tombstones) -> None:
        self._drafts, self._real = drafts, real

    def list(self) -> tuple[Tombstone, ...]:
        known = {tombstone.id: tombstone for tombstone in self._real.list()}
        merged = {**known, **self._drafts.tombstones}
        return tuple(tombstone for tombstone in merged.values() if tombstone is not None)

    def read(self, tombstone_id: str) -> Tombstone | None:
        if tombstone_id in self._drafts.tombstones:
            return self._drafts.tombstones[tombstone_id]
        return self._real.read(tombstone_id)

    def create(self, tombstone: Tombstone) -> None:
        if self.read(tombstone.id) is None:
            self._drafts.tombstones[tombstone.id] = tombstone

    def remove(self, tombstone: Tombstone) -> None:
        self._drafts.tombstones[tombstone.id] = None


def _head(secret: Secret | None) -> SecretHead | None:
    if secret is None:
        return None
    return SecretHead(
        ref=secret.ref, state=secret.state, stamp=secret.stamp, owner=secret.owner, drifted=secret.drifted,
        labels=secret.labels, annotations=secret.annotations,
    )  # fmt: skip
