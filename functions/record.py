"""record: keep the ledger provable (DESIGN, "Evidence and operation").

The ledger has one writer. Embedded, that is the ingress transaction, and this step's part is to have the chain's
head signed and anchored at the authority, where whoever can rewrite the ledger's file cannot rewrite it too.
"""

from collections.abc import Iterator

from events.event import Event
from events.schedule import ScheduleTicked
from functions._capability import Capability
from functions._ports import Ports
from functions._step import Step

SCHEDULE = "anchor"


def handle(event: ScheduleTicked, ports: Ports) -> Iterator[Event]:
    """Anchor what was appended since the last anchor. Emits nothing."""
    if event.schedule.name == SCHEDULE:
        ports.ledger.anchor()
    yield from ()


STEP = Step(
    name="record",
    does="Signs the ledger's head with a key it cannot read, and anchors it at the authority.",
    consumes=(ScheduleTicked,),
    emits=(),
    needs=frozenset({Capability.LEDGER_WRITE}),
    handle=handle,
)
