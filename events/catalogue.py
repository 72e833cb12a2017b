"""Every event type of the contract. Adding one: its model, and its line here."""

from events.event import Event
from events.operation import ClaimTaken, SuspensionChanged
from events.orders import ClaimRequested, MaterializeRequested, PublishRequested, RetractRequested
from events.schedule import ScheduleTicked
from events.secret import (
    SecretChanged,
    SecretConflicted,
    SecretDrifted,
    SecretMaterialized,
    SecretPublished,
    SecretRetracted,
)
from events.wiring import WiringChanged

EVENTS: tuple[type[Event], ...] = (
    WiringChanged,
    SecretChanged,
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
    ScheduleTicked,
)

BY_TYPE: dict[str, type[Event]] = {event.TYPE: event for event in EVENTS}
