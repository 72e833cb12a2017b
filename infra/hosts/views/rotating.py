"""What rotations say of themselves in the way of a secret, and counted."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from functions._rotation_facts import advice
from infra.hosts.views.hops import Hop
from infra.hosts.views.rotations import RotationState

_AT_TARGETS = frozenset({"target-unavailable", "admin-refused", "not-allowed"})


@dataclass(frozen=True, slots=True)
class Counted:
    """`oldest` is the age in seconds of the oldest version that is rotated at all; `troubled`: waiting or failed."""

    phases: Counter[str]
    oldest: float = 0.0
    troubled: int = 0
    awaiting: int = 0  # old credentials that are replaced and not yet revoked
    overdue: int = 0


def counted(states: Iterable[RotationState], now: datetime | None = None) -> Counted:
    """Numbers alone: no name, as a metric has none."""
    now, found = now or datetime.now(UTC), list(states)
    ages = [(now - state.version.created).total_seconds() for state in found if state.version is not None]
    return Counted(
        phases=Counter(state.phase for state in found),
        oldest=max(0.0, *ages) if ages else 0.0,
        troubled=sum(1 for state in found if state.trouble),
        awaiting=sum(1 for state in found if state.phase == "promoted" or (state.record and state.record.orphans)),
        overdue=sum(1 for state in found if state.due is not None and state.due < now and not state.under_way),
    )


def rotation_hop(state: RotationState) -> Hop:
    """How a path's credential is replaced, and what is in the way of that."""
    subject, name = str(state.manifest), f"{state.manifest.namespace}/{state.manifest.name}"
    if state.wrong:
        return Hop("rotation", "broken", subject, state.wrong, (f"correct {state.manifest}",))
    if state.unknown:
        return Hop("rotation", "waiting", subject, f"how far it is cannot be read: {state.unknown}")
    if state.under_way:
        return _under_way(state, subject, name)
    if state.phase == "failed":
        return Hop("rotation", "broken", subject, f"failed: {state.trouble}", (f"lockstep rotation show {name}",))
    due = f"due {state.due:%Y-%m-%d %H:%M} UTC" if state.due is not None else "never due by itself"
    if state.version is None:
        mend = (f"lockstep rotate {name}",)
        return Hop("rotation", "waiting", subject, "was never rotated: the path has no value yet", mend)
    suspended = f"; suspended: {state.suspended}" if state.suspended else ""
    return Hop("rotation", "ok", subject, f"nothing under way; {due}{suspended}")


def _under_way(state: RotationState, subject: str, name: str) -> Hop:
    works = f"; works now: {state.holds}" if state.holds else ""
    if not state.trouble:
        return Hop("rotation", "waiting", subject, f"is under way: {state.phase}{works}")
    # What is said of a target is what one call met; a rehearsal names all that is in the way there.
    found = (f"lockstep rotate {name} --dry-run",) if state.trouble in _AT_TARGETS else _advised(state.trouble)
    mend = (*(found or (f"lockstep rotation show {name}",)), f"lockstep rotation resume {name}")
    return Hop("rotation", "broken", subject, f"is {state.phase} and waits: {state.trouble_in_full}{works}", mend)


def _advised(reason: str) -> tuple[str, ...]:
    said = advice(reason)
    return (said,) if said else ()
