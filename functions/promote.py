"""promote: make the proven credential the path's newest version, by compare-and-set over exactly the base.

The one step that writes live values at rotation paths. It goes by what only `verify` can have written, and records
that it is about to write before it does: from then on the rotation can no longer be given up by order.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from typing import Literal

from events.event import Event
from events.references import PathRef, Version
from events.rotated import RotationFailed, RotationPromoted, RotationVerified
from events.rotation import PhaseRequested
from events.schedule import ScheduleTicked
from events.secret import SecretConflicted, SecretPublished
from functions._capability import Capability
from functions._ports import Claim, Ports, Publication, StoredSecret
from functions._rotation_claims import held
from functions._rotation_facts import awaits_revocation, fact
from functions._rotation_records import Events, GivenUp, Stuck, advance, ask, look, ticked
from functions._rotation_rights import check_asked, check_unsuspended
from functions._rotation_staged import is_staged
from functions._rotation_values import same_content
from functions._rotations import Proof, Record, Staged
from functions._step import Step
from functions._values import SecretData

MOST_CONFLICTS = 3
MOST_KEYS = 256  # named in an event


def handle(event: RotationVerified | PhaseRequested | ScheduleTicked, ports: Ports) -> Iterator[Event]:
    """Publish what is proven."""
    if isinstance(event, ScheduleTicked):
        yield from (ask(record, ports) for record in ticked("promote", event, ports))
    elif isinstance(event, RotationVerified) or event.step in (None, "promote"):
        with ExitStack() as asked:
            ahead = _Ahead(event.path, asked, ports) if isinstance(event, RotationVerified) else None
            yield from look("promote", event.path, event.rotation, ports, lambda record: _act(record, ahead, ports))


def _act(record: Record, ahead: "_Ahead | None", ports: Ports) -> Events:
    if record.phase in ("verified", "promoting"):
        return _promote(record, ahead, ports)
    # Also of one that ended meanwhile: nobody may have been told of the new version yet.
    return _told(record, ports) if record.phase in ("promoted", "completed") else ()


@dataclass(frozen=True, slots=True)
class _Found:
    """What a promotion goes by, read side by side.

    Claim and data may be older than the record, and than each other: whoever takes a path over writes a version before
    the claim, and then the version that is written over is not the base any more.
    """

    staged: Staged | None
    proof: Proof | None
    stored: StoredSecret | None
    claim: Claim | None

    def fits(self, record: Record) -> bool:
        """Whether somebody logged in with exactly this, and it is what the record names."""
        proven = self.proof is not None and (self.proof.rotation, self.proof.staged) == (record.id, record.staged)
        return proven and is_staged(self.staged, record)


class _Ahead:
    """It is asked for beside the record, once. Good is what fits the record: a proof of what it names, and that."""

    def __init__(self, path: PathRef, asked: ExitStack, ports: Ports) -> None:
        self._answers: tuple[Callable[[], _Found], ...] = (_asked(path, asked, ports),)

    def found(self, record: Record) -> _Found | None:
        answers, self._answers = self._answers, ()
        return next((found for answer in answers if (found := answer()).fits(record)), None)


def _asked(path: PathRef, asked: ExitStack, ports: Ports) -> Callable[[], _Found]:
    claim = asked.enter_context(ports.claims.reading(path))
    staged = asked.enter_context(ports.pending.reading(path))
    proof = asked.enter_context(ports.proofs.reading(path))
    stored = asked.enter_context(ports.authority.reading(path))
    return lambda: _Found(staged(), proof(), stored(), claim())


def _promote(record: Record, ahead: _Ahead | None, ports: Ports) -> Events:
    if record.phase == "verified":
        check_asked(record, ports)
        if awaits_revocation(record):
            return (ask(record, ports),)
    else:
        check_unsuspended(record, ports.wiring.rotation(record.manifest), ports)
    found = ahead.found(record) if ahead is not None else None
    found = found or _found(record, ports)
    staged = _proven(record, found)
    if staged is None:
        return (ask(advance(record, "applied", ports), ports, reason="nothing proves what is staged"),)
    stored, claim = found.stored, found.claim
    with _revoking(claim, staged, ports) as revoked:
        if record.phase == "verified":
            record = advance(record, "promoting", ports)
        if stored is not None and same_content(stored.data, staged.data):
            return _promoted(record, staged, stored.version, ports)  # an earlier try wrote it, and died
        if claim is None or not held(record, claim, ports):
            raise GivenUp("claim-lost")
        if revoked():
            raise GivenUp("revoked-value")
    if _newest(stored) != record.base:
        return _conflicted(record, stored, ports)
    return _promoted(record, staged, ports.authority.write(record.path, staged.data, record.base), ports)


def _found(record: Record, ports: Ports) -> _Found:
    with ExitStack() as asked:
        return _asked(record.path, asked, ports)()


def _proven(record: Record, found: _Found) -> Staged | None:
    """The staged value that somebody logged in with; None where that is not proven of exactly this one."""
    if not is_staged(found.staged, record):
        if record.phase == "promoting" and _newest(found.stored) != record.base:
            # Whether an earlier try wrote the new credential cannot be told, so nothing of it may be taken back.
            raise Stuck("staged-lost", f"what was staged is gone, and {record.path} has a newer version")
        raise GivenUp("staged-lost")
    return found.staged if found.fits(record) else None


def _revoking(claim: Claim | None, staged: Staged, ports: Ports) -> AbstractContextManager[Callable[[], bool]]:
    """Whether something of it was revoked since it was staged: what stands beside the credential may leak, too."""
    if claim is None or not claim.revoked:
        return nullcontext(lambda: False)
    from functions._revoked import revoked_among  # here: at most paths nothing was ever revoked

    return ports.beside(lambda: bool(revoked_among(claim, staged.data, ports)))


def _newest(stored: StoredSecret | None) -> Version | None:
    return stored.version if stored is not None else None


def _conflicted(record: Record, stored: StoredSecret | None, ports: Ports) -> Events:
    """Somebody else wrote the path: told, verified again, and written over; not for ever."""
    version = _newest(stored)
    told = SecretConflicted(
        path=record.path, claimant=record.manifest, version=version, outcome="foreign-write",
        explanation=(
            f"version {version} was written while the path is rotated, by somebody who does not own it; "
            "nothing of it is distributed"
        ),
    )  # fmt: skip
    if record.conflicts >= MOST_CONFLICTS:
        moved = advance(record, "aborting", ports, ending="promote:conflict", base=version)
    else:
        moved = advance(record, "applied", ports, base=version, conflicts=record.conflicts + 1)
    return (told, ask(moved, ports, reason="the path changed meanwhile"))


def _promoted(record: Record, staged: Staged, version: Version, ports: Ports) -> Events:
    new = replace(staged.credential, version=version)
    # Side by side: should the record be kept alone, whoever tells it again confirms the version.
    with ports.beside(lambda: _confirm(record, version, ports)) as confirmed:
        moved = advance(record, "promoted", ports, new=new, promoted=version)
        confirmed()
    return _told(moved, ports, staged.data)


def _confirm(record: Record, version: Version, ports: Ports) -> None:
    known = ports.publications.read(record.path)
    if known is not None and known.version.number > version.number:
        ports.publications.forget(record.path)  # the path began anew meanwhile: what was confirmed is no more
    ports.publications.record(Publication(record.path, version, record.manifest, {}))


def _told(record: Record, ports: Ports, data: SecretData | None = None) -> Events:
    """Consumers first: what is staged still and the slot, `revoke` sees to while they move."""
    told = fact(record)
    if told is None or record.promoted is None:
        return ()
    outcome: Literal["written", "unchanged"] = "written" if data is not None else "unchanged"
    if data is None:
        ports.publications.record(Publication(record.path, record.promoted, record.manifest, {}))
        stored = ports.authority.read(record.path, record.promoted)
        data = (stored.data if stored is not None else None) or {}
    published = SecretPublished(
        path=record.path, version=record.promoted, keys=tuple(sorted(data))[:MOST_KEYS], origin=record.manifest,
        outcome=outcome,
    )  # fmt: skip
    return (published, told)


STEP = Step(
    name="promote",
    does="Makes proven credentials the newest version of their path, by compare-and-set.",
    consumes=(RotationVerified, PhaseRequested, ScheduleTicked),
    emits=(RotationPromoted, SecretPublished, SecretConflicted, RotationFailed, PhaseRequested),
    needs=frozenset(
        {
            Capability.AUTHORITY_READ,
            Capability.ROTATED_WRITE,
            Capability.CLAIM_READ,
            Capability.PUBLICATION_READ,
            Capability.PUBLICATION_WRITE,
            Capability.FINGERPRINT_REVOKED,
            Capability.ROTATION_READ,
            Capability.ROTATION_WRITE,
            Capability.PENDING_READ,
            Capability.PROOF_READ,
            Capability.SYSTEM_READ,
            Capability.REMINDER_WRITE,
        }
    ),
    handle=handle,
)
