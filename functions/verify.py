"""verify: log in at the target with the staged credential itself, and prove it where only this step writes."""

from collections.abc import Iterator

from events.event import Event
from events.rotated import RotationApplied, RotationFailed, RotationVerified
from events.rotation import PhaseRequested
from events.schedule import ScheduleTicked
from functions._capability import Capability
from functions._failures import Retry
from functions._ports import Ports
from functions._rotation_facts import awaits_revocation, fact
from functions._rotation_records import QUICK, Events, GivenUp, Stuck, advance, ask, look, ticked
from functions._rotation_rights import check_asked, limits_of
from functions._rotation_slots import count_failure
from functions._rotation_staged import StagedAhead
from functions._rotation_systems import accepted, opened
from functions._rotation_values import staged_credential
from functions._rotations import Proof, Record
from functions._step import Step


def handle(event: RotationApplied | PhaseRequested | ScheduleTicked, ports: Ports) -> Iterator[Event]:
    """Log in with what is staged."""
    if isinstance(event, ScheduleTicked):
        yield from (ask(record, ports) for record in ticked("verify", event, ports))
    elif isinstance(event, RotationApplied) or event.step in (None, "verify"):
        with StagedAhead(event.path, ports) as ahead:
            yield from look("verify", event.path, event.rotation, ports, lambda record: _act(record, ahead, ports))


def _act(record: Record, ahead: StagedAhead, ports: Ports) -> Events:
    if record.phase == "applied":
        return _verify(record, ahead, ports)
    told = fact(record) if record.phase in ("verified", "promoting") else None  # its first telling may have been lost
    return (told,) if told is not None else ()


def _verify(record: Record, ahead: StagedAhead, ports: Ports) -> Events:
    check_asked(record, ports)
    if awaits_revocation(record):
        return (ask(record, ports),)
    system = opened(record, ports)
    staged = ahead.staged_for(record)
    if not accepted(staged_credential(staged, system, record.terms), system, record, ports):
        return _not_accepted(record, ports)
    if staged.version is None:
        raise Retry(f"what is staged for {record.path} has no version")
    # Side by side: should one of the two be kept alone, `promote` finds no proof, or we find it not verified yet.
    with ports.proofs.writing(Proof(record.path, record.id, staged.version, ports.clock.now())) as kept:
        # An answer to a leak is not given up any more once it works: that `promote` writes it need not be said then.
        told = fact(advance(record, "promoting" if record.policy == "leak" else "verified", ports))
        kept()
    return (told,) if told is not None else ()


def _not_accepted(record: Record, ports: Ports) -> Events:
    """Tried again for a moment, as a target may take one; then given up. What a provider made is made anew once."""
    known = record.trouble
    if known is None or known.reason != "not-accepted" or known.tries < QUICK:
        raise Stuck("not-accepted", f"{record.terms.target} does not accept the new credential (yet)", passing=True)
    count_failure(record, limits_of(record, ports), ports)
    if record.terms.strategy == "minted" and not record.regenerated:
        return (ask(advance(record, "staged", ports, regenerated=True), ports, reason="nobody accepts what was made"),)
    raise GivenUp("not-accepted")


STEP = Step(
    name="verify",
    does="Logs in at targets with staged credentials and proves it, or has the rotation given up.",
    consumes=(RotationApplied, PhaseRequested, ScheduleTicked),
    emits=(RotationVerified, RotationFailed, PhaseRequested),
    needs=frozenset(
        {
            Capability.ROTATION_READ,
            Capability.ROTATION_WRITE,
            Capability.PENDING_READ,
            Capability.PROOF_WRITE,
            Capability.SYSTEM_LOGIN,
            Capability.BUDGET_WRITE,
            Capability.REMINDER_WRITE,
        }
    ),
    handle=handle,
)
