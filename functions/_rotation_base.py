"""What a rotation goes on from: the newest version to compare with, and the credential that consumers have now.

That is what the path's origin confirmed, not what somebody else wrote since.
"""

from dataclasses import dataclass, field

from events.references import Version
from functions._manifests.rotation import Rotation
from functions._ports import Ports, Publication, StoredSecret
from functions._rotation_records import GivenUp, Stuck
from functions._rotation_values import account_in, credential_in, whole
from functions._rotations import Holder, Record
from functions._systems import System
from functions._values import SecretData


@dataclass(frozen=True, slots=True)
class Base:
    """`newest` is what a write compares with; `version` is the one whose content counts; both None for a new path."""

    newest: Version | None
    version: Version | None
    data: SecretData = field(repr=False)
    confirmed: bool = False  # whether the origin's confirmation is on record


def based(record: Record, stored: StoredSecret | None, ports: Ports) -> Base:
    """What the path holds now; `stored` is its newest version. Raises Stuck where its content cannot be told."""
    known = ports.publications.read(record.path)
    if stored is None:
        return Base(None, None, {}, confirmed=True)
    if known is not None and known.manifest.kind == Rotation.KIND and known.version.number <= stored.version.number:
        if known.version == stored.version:
            return Base(stored.version, stored.version, stored.data or {}, confirmed=True)
        confirmed = ports.authority.read(record.path, known.version)
        if confirmed is not None and confirmed.data is not None:
            return Base(stored.version, confirmed.version, confirmed.data, confirmed=True)
        # Of what somebody else wrote over it nothing may be taken: neither a credential nor what stands beside it.
        raise Stuck(
            "conflict",
            f"version {known.version}, which consumers have, is gone, and somebody else wrote version "
            f"{stored.version}: restore it, or delete the path with its metadata and write its content anew",
        )
    if record.base is not None and record.base != stored.version:  # written since the order, and vouched for by nobody
        asked = ports.authority.read(record.path, record.base)
        if asked is not None and asked.data is not None:
            return Base(stored.version, record.base, asked.data)
    return Base(stored.version, stored.version, stored.data or {})


def confirm(record: Record, base: Base, generation: str, ports: Ports) -> None:
    """Vouch for the version that the first rotation of a path finds: what others write from now on is not ours."""
    if base.confirmed or base.version is None:
        return
    ports.publications.forget(record.path)  # of a former origin, whose number may be higher
    ports.publications.record(Publication(record.path, base.version, record.manifest, {}, generation))


def current(record: Record, base: Base, system: System) -> Holder | None:
    """The credential that consumers have, by name. Raises GivenUp where it is of an account that is not the terms'."""
    if base.version is None or not base.data:
        return None
    account = account_in(base.data, system, record.terms)
    if account is None:
        raise GivenUp("not-allowed")
    known = record.old
    named = known.id if known is not None and (known.account, known.version) == (account, base.version) else ""
    holder = Holder(account, named, base.version)
    return holder if whole(credential_in(base.data, holder, system, record.terms), system) else None
