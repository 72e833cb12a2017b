"""Every event type of the contract. Adding one: its model, and its line here."""

from events.claim import ClaimRequested, ClaimTaken
from events.consumer import (
    AdoptionRequested,
    ConsumerAdopted,
    ConsumerRestarted,
    ConsumerStuck,
    RestartRequested,
    WorkloadChanged,
)
from events.event import Event
from events.leak import (
    FingerprintsMade,
    IndexRequested,
    LeakConfirmed,
    LeakContained,
    LeakDismissed,
    LeakHeld,
    LeakReported,
    TriageRequested,
)
from events.lease import LeaseExpired, LeaseExpiring, LeaseRenewed, LeaseRevoked
from events.operation import SuspensionChanged
from events.orders import MaterializeRequested, PublishRequested, RetractRequested
from events.rotated import (
    RotationApplied,
    RotationCompleted,
    RotationFailed,
    RotationPromoted,
    RotationRevoked,
    RotationStaged,
    RotationVerified,
)
from events.rotation import AbortRequested, PhaseRequested, RotationRequested
from events.schedule import ScheduleTicked
from events.secret import (
    SecretChanged,
    SecretConflicted,
    SecretDrifted,
    SecretMaterialized,
    SecretPublished,
    SecretRemoved,
    SecretRetracted,
    SecretWritten,
)
from events.wiring import WiringChanged

EVENTS: tuple[type[Event], ...] = (
    WiringChanged,
    SecretChanged,
    SecretRemoved,
    SecretDrifted,
    SecretWritten,
    SecretPublished,
    SecretMaterialized,
    SecretRetracted,
    SecretConflicted,
    PublishRequested,
    MaterializeRequested,
    RetractRequested,
    ClaimRequested,
    ClaimTaken,
    SuspensionChanged,
    WorkloadChanged,
    RestartRequested,
    ConsumerRestarted,
    AdoptionRequested,
    ConsumerAdopted,
    ConsumerStuck,
    RotationRequested,
    PhaseRequested,
    AbortRequested,
    RotationStaged,
    RotationApplied,
    RotationVerified,
    RotationPromoted,
    RotationRevoked,
    RotationCompleted,
    RotationFailed,
    LeaseExpiring,
    LeaseRenewed,
    LeaseExpired,
    LeaseRevoked,
    LeakReported,
    TriageRequested,
    IndexRequested,
    LeakConfirmed,
    LeakHeld,
    LeakDismissed,
    LeakContained,
    FingerprintsMade,
    ScheduleTicked,
)

BY_TYPE: dict[str, type[Event]] = {event.TYPE: event for event in EVENTS}
