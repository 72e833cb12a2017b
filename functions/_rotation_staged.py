"""What is staged for a rotation, if it is exactly what the rotation's record names."""

from functions._ports import Ports
from functions._rotation_records import GivenUp
from functions._rotations import Record, Staged


def staged_for(record: Record, ports: Ports) -> Staged:
    """The staged value of the record's rotation. Raises GivenUp where it is gone, or another one stands there."""
    staged = ports.pending.read(record.path)
    if staged is None or staged.version is None or (staged.rotation, staged.version) != (record.id, record.staged):
        raise GivenUp("staged-lost")
    return staged


def found(record: Record, ports: Ports) -> Staged | None:
    """What is staged for this rotation, whichever version of it; None where nothing is."""
    staged = ports.pending.read(record.path)
    return staged if staged is not None and staged.rotation == record.id else None
