"""The old and the new credential of a promoted rotation, and what must hold before the old one is ended."""

from contextlib import ExitStack
from dataclasses import dataclass, field

from functions._ports import Ports
from functions._rotation_records import Stuck
from functions._rotation_systems import accepted
from functions._rotation_values import credential_in, whole
from functions._rotations import Record
from functions._systems import Credential, System
from functions._values import SecretData


@dataclass(frozen=True, slots=True)
class Pair:
    """Each with its value where the authority still has it; and all that was promoted with the new one."""

    old: Credential | None
    new: Credential | None
    promoted: SecretData | None = field(repr=False)


def pair_of(record: Record, system: System, ports: Ports) -> Pair:
    """Read side by side."""
    former = record.old.version if record.old is not None else None
    latter = record.new.version if record.new is not None else None
    with ExitStack() as asked:
        replaced = asked.enter_context(ports.authority.reading(record.path, former)) if former is not None else None
        promoted = ports.authority.read(record.path, latter) if latter is not None else None
        stored = replaced() if replaced is not None else None
    data = promoted.data if promoted is not None else None
    old = credential_in((stored and stored.data) or {}, record.old, system, record.terms) if record.old else None
    new = credential_in(data or {}, record.new, system, record.terms) if record.new else None
    return Pair(old, new, data)


def refuse_given(record: Record, pair: Pair, system: System, ports: Ports) -> None:
    """Raises Stuck where the record has us end what consumers are given.

    Every step that rotates may write the record; which version consumers are given, only `promote` can confirm.
    """
    confirmed = ports.publications.read(record.path)
    if confirmed is None or pair.old is None or record.old is None or record.revoked_first:
        return
    given = pair.promoted
    if record.new is None or confirmed.version != record.new.version:
        stored = ports.authority.read(record.path, confirmed.version)
        given = stored.data if stored is not None else None
    if given is None:
        return
    if system.secret_fields and credential_in(given, record.old, system, record.terms).fields == pair.old.fields:
        raise Stuck("not-allowed", "the record names as old what consumers are given now; find out who wrote it")


def require_new(record: Record, new: Credential | None, system: System, ports: Ports) -> None:
    """The old one may be the last that works: since the promotion, somebody may have changed the account. Raises Stuck.

    A leak does not ask: what leaked must die, whatever became of its successor.
    """
    if system.verifiable and (new is None or not whole(new, system) or not accepted(new, system, record, ports)):
        detail = f"{record.terms.target} does not accept the new credential any more, so the old one is kept"
        raise Stuck("not-accepted", detail, passing=True)
