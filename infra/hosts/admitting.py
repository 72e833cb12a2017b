"""The ingress's table of who may send what, rendered from the steps (DESIGN, "Who may say and do what")."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime

from events.catalogue import BY_TYPE, EVENTS
from events.claim import ClaimRequested
from events.cloudevent import CloudEvent
from events.consumer import WorkloadChanged
from events.event import PREFIX, Category
from events.leak import FingerprintsMade, LeakReported, TriageRequested
from events.operation import SuspensionChanged
from events.rotation import AbortRequested, PhaseRequested, RotationRequested
from events.schedule import ScheduleTicked
from events.secret import SecretChanged, SecretDrifted, SecretRemoved, SecretWritten
from events.wiring import WiringChanged
from functions import STEPS
from infra.broker.admission import Admission, Rule
from infra.broker.principal import Principal
from infra.hosts import configuration
from infra.hosts.configuration import unsayable

# What each source of ours reports. A source says hints only; steps read the stores.
SOURCES: dict[str, tuple[str, ...]] = {
    "directory": (SecretChanged.TYPE, SecretRemoved.TYPE, SecretDrifted.TYPE),
    "kubernetes": (SecretChanged.TYPE, SecretRemoved.TYPE, SecretDrifted.TYPE),
    "annotations": (ClaimRequested.TYPE, RotationRequested.TYPE, AbortRequested.TYPE, PhaseRequested.TYPE),
    "audit": (SecretWritten.TYPE,),
    "wiring": (WiringChanged.TYPE,),
    "workloads": (WorkloadChanged.TYPE,),
    "schedule": (ScheduleTicked.TYPE,),
    "operators": (SuspensionChanged.TYPE, FingerprintsMade.TYPE),
}


def admission(principals: Iterable[configuration.Principal] = ()) -> Admission:
    """The whole table: steps, sources, local operators, and the named senders of lockstep.yaml."""
    hints = frozenset(event.TYPE for event in EVENTS if event.CATEGORY is Category.HINT) - unsayable()
    return Admission(
        rules=(
            *_step_rules(),
            *_source_rules(),
            *_operator_rules(),
            *_token_rules(principals),
            Rule("reporter:*", LeakReported.TYPE),
        ),
        hints=hints,
        reserved=frozenset(BY_TYPE),
        own=PREFIX,
        expiry=expired,
        pretence=pretended,
    )


def expired(event: CloudEvent, now: float) -> str | None:
    """Why an order is not taken any more; None for everything that is no order, or whose time is not over."""
    model = BY_TYPE.get(event.type)
    if model is None or model.CATEGORY is not Category.ORDER:
        return None
    try:
        document = json.loads(event.data or b"{}")
        expires = datetime.fromisoformat(str(document["expires"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return "an order carries `expires`, an RFC 3339 time"
    if expires.tzinfo is None:
        return "`expires` of an order names its time zone"
    if expires < datetime.fromtimestamp(now, UTC):
        return f"the order expired at {expires.isoformat()}; give it again"
    return None


def pretended(principal: Principal, event: CloudEvent) -> str | None:
    """Why somebody may not report or decide a leak in this name; None where it is their own, as for all else.

    What a report may set going depends on who made it: nobody makes one in another's name. Steps have findings looked
    at again, and decide none by order.
    """
    step = principal.kind == "step"
    member = {LeakReported.TYPE: "reporter", TriageRequested.TYPE: "decision" if step else "by"}.get(event.type)
    if member is None:
        return None
    try:
        said = json.loads(event.data or b"{}")[member]
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"`{member}` is missing"
    if step and member == "decision":
        return None if said == "look" else f"a step may ask to look, and not to {str(said)[:16]}"
    return None if said == str(principal) else f"`{member}` is {principal}, and nobody else"


def _step_rules() -> Iterable[Rule]:
    return [Rule(f"step:{step.name}", event.TYPE) for step in STEPS for event in step.emits]


def _source_rules() -> Iterable[Rule]:
    return [Rule(f"source:{name}", kind) for name, types in SOURCES.items() for kind in types]


def _operator_rules() -> Iterable[Rule]:
    return [Rule("operator:*", event.TYPE) for event in EVENTS if event.TYPE not in unsayable()]


def _token_rules(principals: Iterable[configuration.Principal]) -> Iterable[Rule]:
    return [
        Rule(f"token:{principal.name}", kind, prefix)
        for principal in principals
        for kind in principal.types
        for prefix in principal.subject_prefixes
    ]
