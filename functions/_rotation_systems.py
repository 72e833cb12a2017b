"""Calls of a rotation's target, with its failures as reasons to wait: no outage of a target is a dead letter."""

from collections.abc import Iterator
from contextlib import contextmanager

from functions._failures import Reject, Unavailable
from functions._ports import Ports
from functions._rotation_records import QUICK, Stuck
from functions._rotation_rights import limits_of
from functions._rotation_slots import count_failure
from functions._rotations import Record
from functions._systems import AdminRefused, Credential, System

_AUTHORITY = "authority"  # what its adapters call it; while it is away, nothing can be recorded either


def opened(record: Record, ports: Ports) -> System:
    """The rotation's target. Raises Stuck where it is not declared, or not as its type takes it."""
    try:
        return ports.systems.open(record.terms.target)
    except Reject as failure:
        raise Stuck("not-allowed", failure.reason) from None


@contextmanager
def speaking(record: Record, ports: Ports) -> Iterator[None]:
    """Around every call that reaches the target. Raises Stuck, and what the authority's own absence raises."""
    try:
        yield
    except AdminRefused as failure:
        _count("admin-refused", record, ports)
        raise Stuck("admin-refused", failure.reason) from None
    except Unavailable as failure:
        if failure.dependency == _AUTHORITY:
            raise
        _count("target-unavailable", record, ports)
        raise Stuck("target-unavailable", failure.reason, passing=True, after=failure.after) from None
    except Reject as failure:
        raise Stuck("not-allowed", failure.reason) from None


def _count(reason: str, record: Record, ports: Ports) -> None:
    """What lasts counts for the breaker; one unanswered call does not."""
    known = record.trouble
    if known is not None and known.reason == reason and known.tries >= QUICK:
        count_failure(record, limits_of(record, ports), ports)


def accepted(credential: Credential, system: System, record: Record, ports: Ports) -> bool:
    """Whether somebody can log in with it now; where nothing accepts credentials, none is refused."""
    if not system.verifiable:
        return True
    with speaking(record, ports):
        return system.accepts(credential)
