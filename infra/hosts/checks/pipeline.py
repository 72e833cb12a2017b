"""What runs: watches, deliveries, dead letters, suspensions, the ledger's anchor, and whether all are in step."""

import time
from collections.abc import Iterator

from infra.hosts.checks.result import Check, fail, ok, some, warn
from infra.hosts.local.instance import Parts
from infra.hosts.platform import SuspensionBook
from infra.hosts.views.moment import at_once, known
from infra.hosts.views.pipeline import Lookups, pipeline

STALLED = 60.0  # seconds that an event may be on its way
LATE = 3  # anchor intervals that entries may wait for an anchor
_SLACK = 10.0  # seconds beyond that
_FUTURE = 5.0  # seconds that the last entry may lie ahead of our clock


def pipeline_checks(parts: Parts, *, serves: bool) -> Iterator[Check]:
    """Checks of the running pieces; whether all are in step only while the authority serves."""
    yield _watches(parts)
    yield _deliveries(parts)
    yield _dead_letters(parts)
    yield suspension_check(parts.suspensions)
    yield _anchored(parts)
    if serves:
        yield in_step_check(known(at_once(parts.lookups, parts.publications, parts.suspensions), parts.platform))


def _watches(parts: Parts) -> Check:
    if not all(watch.alive() for watch in parts.watches):
        return fail("watches", "a watch has ended", "restart Lockstep; the sweep finds changes until then")
    if errors := [watch.last_error for watch in parts.watches if watch.last_error]:
        return warn("watches", some(errors), "do what the message says; the sweep finds what a watch misses")
    if any(watch.mode == "polling" for watch in parts.watches):
        return warn("watches", "files are looked at once a second", "raise fs.inotify.max_user_watches, then restart")
    return ok("watches", ", ".join(sorted({watch.mode for watch in parts.watches})) or "none")


def _deliveries(parts: Parts) -> Check:
    health = parts.evidence.health()
    if held := {step: count for step, count in health.held.items() if count}:
        message = "; ".join(f"{count} wait for step {step} to be ready" for step, count in sorted(held.items()))
        return warn("deliveries", message, "make the authority serve; they go on by themselves")
    if health.stalled_for > STALLED:
        message = f"the oldest of {health.pending} events is {health.stalled_for:.0f} s on its way"
        return warn("deliveries", message, "run: lockstep events, and see what it retries for")
    return ok("deliveries", f"{health.pending} events on their way")


def _dead_letters(parts: Parts) -> Check:
    count = parts.evidence.dead_letters.count()
    if count:
        return warn("dead letters", f"{count} deliveries were given up", "run: lockstep dead-letters list")
    return ok("dead letters", "none")


def suspension_check(book: SuspensionBook) -> Check:
    """Whether anything stands still because somebody said so."""
    if suspended := [f"{one.scope} by {one.by}: {one.reason}" for one in book.all()]:
        return warn("suspensions", some(suspended), "run: lockstep resume SCOPE, when the reason is gone")
    return ok("suspensions", "none")


def _anchored(parts: Parts) -> Check:
    ledger = parts.evidence.ledger
    head, _ = ledger.head()
    recorded = ledger.anchors(limit=1)
    covered = recorded[-1].n if recorded else 0
    last = next(ledger.entries(head, head), None) if head else None
    now = time.time()
    if last is not None and last.at / 1_000_000 > now + _FUTURE:
        return warn(
            "ledger", "its last entry lies in the future: this clock was set back", "synchronise the clock (NTP)"
        )
    if covered >= head:
        return ok("ledger", f"all {head} entries are anchored")
    first = next(ledger.entries(covered + 1, covered + 1), None)
    age = max(0.0, now - first.at / 1_000_000) if first else 0.0
    runs = time.monotonic() - parts.began
    return judged_tail(head - covered, head, age, parts.configuration.anchor.interval_seconds, runs)


def judged_tail(waiting: int, entries: int, age: float, interval: float, runs: float) -> Check:
    """What it means that the newest `waiting` entries, the oldest `age` seconds old, have no anchor yet.

    Nobody anchors while nothing runs: what was left over is waited for since the start, `runs` seconds ago.
    """
    since = f"anchoring since the start {runs:.0f} s ago" if runs < age else f"for {age:.0f} s"
    message = f"{waiting} of {entries} entries are not anchored yet, {since}"
    if min(age, runs) > LATE * interval + _SLACK:
        return fail("ledger", message, "run: lockstep audit verify --anchor-now, and see what it says")
    return ok("ledger", message)


def in_step_check(lookups: Lookups) -> Check:
    """Whether every wired path is in step with its origin and its consumers."""
    states = list(pipeline(lookups))
    behind = [str(state.path) for state in states if not state.in_step]
    if behind:
        return warn("in step", f"{len(behind)} of {len(states)} paths are not: {some(behind)}", "run: lockstep status")
    return ok("in step", f"all {len(states)} wired paths")
