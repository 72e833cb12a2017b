"""Every event type of the contract. Adding one: its model, and its line here."""

from events.consumer import ConsumerAdopted, ConsumerRestarted, ConsumerStuck, WorkloadChanged
from events.event import Event
from events.operation import ClaimTaken, SuspensionChanged
from events.orders import (
    AdoptionRequested,
    ClaimRequested,
    MaterializeRequested,
    PublishRequested,
    RestartRequested,
    RetractRequested,
)
from events.schedule import ScheduleTicked
from events.secret import (
    SecretChanged,
    SecretConflicted,
    SecretDrifted,
    SecretMaterialized,
    SecretPublished,
    SecretRemoved,
    SecretRetracted,
)
from events.wiring import WiringChanged

EVENTS: tuple[type[Event], ...] = (
    WiringChanged,
    SecretChanged,
    SecretRemoved,
    SecretDrifted,
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
    ScheduleTicked,
)

BY_TYPE: dict[str, type[Event]] = {event.TYPE: event for event in EVENTS}
