"""Every request of the control API: (method, name) -> handler. One line per request."""

from infra.hosts.control import (
    adopting,
    audit,
    check,
    dead_letters,
    diffing,
    explaining,
    handing_over,
    happenings,
    reconciling,
    status,
    suspending,
)
from infra.hosts.control.request import Handler

ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "status"): status.status,
    ("GET", "explain"): explaining.explain,
    ("GET", "events"): happenings.events,
    ("GET", "diff"): diffing.diff,
    ("POST", "reconcile"): reconciling.reconcile,
    ("GET", "wait"): reconciling.wait,
    ("GET", "suspensions"): suspending.suspensions,
    ("POST", "suspend"): suspending.suspend,
    ("POST", "resume"): suspending.resume,
    ("GET", "adoption"): adopting.adoption,
    ("GET", "adoption/eso"): handing_over.pushed,
    ("POST", "adopt"): adopting.adopt,
    ("GET", "outcome"): adopting.outcome,
    ("GET", "dead-letters"): dead_letters.listed,
    ("GET", "dead-letters/show"): dead_letters.shown,
    ("POST", "dead-letters/replay"): dead_letters.replayed,
    ("POST", "dead-letters/drop"): dead_letters.dropped,
    ("GET", "check"): check.checked,
    ("GET", "audit/verify"): audit.verified,
    ("GET", "audit/entries"): audit.entries,
    ("POST", "audit/anchor"): audit.anchored,
}
