"""Metrics in Prometheus' text format: what is out of step, how old, how fast (names in docs/metrics.md)."""

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, Literal, Protocol, TypeVar

from events.envelope import Received
from events.event import Event
from events.secret import SecretMaterialized

T = TypeVar("T")
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Seconds; fine where "now" is decided, coarse where something is wrong.
PROPAGATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric's declaration; docs/metrics.md is rendered from these."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


PROPAGATION = Metric(
    "lockstep_propagation_seconds",
    "histogram",
    "Time from the first event of a change to its materialization in a consumer.",
)
STALL = Metric("lockstep_stall_seconds", "gauge", "Age of the oldest event that is not through all its steps.")
PENDING = Metric("lockstep_pending_events", "gauge", "Events that are not through all their steps.")
HELD = Metric("lockstep_held_deliveries", "gauge", "Deliveries that wait for their step to be ready.", ("step",))
DEAD_LETTERS = Metric("lockstep_dead_letters", "gauge", "Deliveries given up and neither replayed nor dropped.")
OUT_OF_STEP = Metric(
    "lockstep_out_of_step",
    "gauge",
    "Wired paths whose consumers do not carry what their source asks; at most 5 seconds old.",
)
WIRED = Metric("lockstep_wired_paths", "gauge", "Wired paths.")
LEDGER_ENTRIES = Metric("lockstep_ledger_entries", "gauge", "Entries of the ledger.")
ANCHOR_LAG = Metric("lockstep_anchor_lag_entries", "gauge", "Ledger entries that no anchor covers yet.")
AUTHORITY_UP = Metric("lockstep_authority_up", "gauge", "1 while the authority serves, 0 while it is down or sealed.")
AUTHORITY_CALLS = Metric("lockstep_authority_calls_total", "counter", "Requests to the authority.", ("kind",))
KUBERNETES_CALLS = Metric(
    "lockstep_kubernetes_calls_total",
    "counter",
    "Requests to the API server of Kubernetes; none without a cluster.",
    ("verb", "resource"),
)

AUDIT_LINES = Metric(
    "lockstep_audit_writes_total",
    "counter",
    "Writes the authority's audit stream told of, by what came of them: told (as a hint), own (a step's), unwired; "
    "and lines that were unreadable or dropped.",
    ("outcome",),
)
AUDIT_GAPS = Metric(
    "lockstep_audit_gaps_total", "counter", "How often lines of the audit stream may have been missed; a sweep follows."
)
AUDIT_FOLLOWED = Metric(
    "lockstep_audit_followed", "gauge", "1 while the audit stream is followed; 0 while it cannot be, or none is set."
)

ROTATIONS = Metric(
    "lockstep_rotations",
    "gauge",
    "Rotations by the phase that they are in (never: not once rotated); at most 30 seconds old.",
    ("phase",),
)
ROTATION_OLDEST = Metric(
    "lockstep_rotation_oldest_seconds", "gauge", "Age of the oldest version of a path that is rotated."
)
ROTATION_TROUBLE = Metric(
    "lockstep_rotation_trouble", "gauge", "Rotations that failed, or that wait for something to be mended."
)
ROTATION_OVERDUE = Metric(
    "lockstep_rotation_overdue", "gauge", "Rotations whose time has come and that have not begun."
)
REVOCATIONS_PENDING = Metric(
    "lockstep_revocations_pending", "gauge", "Old credentials that are replaced and not yet proven dead."
)

METRICS = (
    PROPAGATION, STALL, PENDING, HELD, DEAD_LETTERS, OUT_OF_STEP, WIRED, LEDGER_ENTRIES, ANCHOR_LAG, AUTHORITY_UP,
    AUTHORITY_CALLS, KUBERNETES_CALLS, AUDIT_LINES, AUDIT_GAPS, AUDIT_FOLLOWED,
    ROTATIONS, ROTATION_OLDEST, ROTATION_TROUBLE, ROTATION_OVERDUE, REVOCATIONS_PENDING,
)  # fmt: skip

Sample = tuple[Mapping[str, str], float]


class Histogram:
    """Cumulative buckets of durations in seconds. Thread-safe."""

    def __init__(self, buckets: tuple[float, ...] = PROPAGATION_BUCKETS) -> None:
        self._buckets = buckets
        self._counts = [0] * (len(buckets) + 1)
        self._sum = 0.0
        self._guard = threading.Lock()

    def observe(self, seconds: float) -> None:
        with self._guard:
            self._counts[bisect_left(self._buckets, seconds)] += 1
            self._sum += seconds

    def observe_propagation(self, event: Event, cause: Received) -> None:
        """Count a consumer that was brought to a new version, from the first event of the change on."""
        if isinstance(event, SecretMaterialized) and event.outcome != "unchanged" and cause.began is not None:
            self.observe(max(0.0, (datetime.now(UTC) - cause.began).total_seconds()))

    def render(self, metric: Metric) -> Iterable[str]:
        """The exposition lines."""
        with self._guard:
            counts, total = list(self._counts), self._sum
        yield from _head(metric)
        running = 0
        for bound, count in zip((*self._buckets, float("inf")), counts, strict=True):
            running += count
            label = "+Inf" if bound == float("inf") else f"{bound:g}"
            yield f'{metric.name}_bucket{{le="{label}"}} {running}'
        yield f"{metric.name}_sum {total:.6f}"
        yield f"{metric.name}_count {running}"


class Recent(Generic[T]):
    """What a function returned, computed again only once it is older than `lifetime` seconds. Thread-safe.

    Whoever asks while it is being computed waits for the same answer; a failure is not kept.
    """

    def __init__(
        self, compute: Callable[[], T], lifetime: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._compute, self._lifetime, self._monotonic = compute, lifetime, monotonic
        self._guard = threading.Lock()
        self._found: tuple[float, T] | None = None

    def __call__(self) -> T:
        with self._guard:
            if self._found is None or self._monotonic() - self._found[0] >= self._lifetime:
                self._found = (self._monotonic(), self._compute())
            return self._found[1]


class AuditCounts(Protocol):
    """What an audit source counts."""

    @property
    def counts(self) -> Mapping[str, int]: ...
    @property
    def gaps(self) -> int: ...
    @property
    def last_error(self) -> str | None: ...
    def alive(self) -> bool: ...


def audit_samples(source: AuditCounts | None) -> list[tuple[Metric, list[Sample]]]:
    """What an audit stream has come to; of none there is only that it is not followed."""
    if source is None:
        return [(AUDIT_FOLLOWED, [({}, 0)])]
    followed = float(source.alive() and source.last_error is None)
    outcomes: list[Sample] = [({"outcome": name}, count) for name, count in source.counts.items()]
    return [(AUDIT_LINES, outcomes), (AUDIT_GAPS, [({}, source.gaps)]), (AUDIT_FOLLOWED, [({}, followed)])]


def render(metric: Metric, samples: Iterable[Sample]) -> Iterable[str]:
    """The exposition lines of a gauge or counter."""
    yield from _head(metric)
    for labels, value in samples:
        text = ",".join(f'{name}="{_escaped(labels[name])}"' for name in metric.labels)
        yield f"{metric.name}{{{text}}} {_number(value)}" if text else f"{metric.name} {_number(value)}"


def _head(metric: Metric) -> Iterable[str]:
    yield f"# HELP {metric.name} {metric.help}"
    yield f"# TYPE {metric.name} {metric.kind}"


def _number(value: float) -> str:
    """All its digits: a counter that is rounded stands still, and then jumps."""
    return str(int(value)) if value == int(value) else repr(float(value))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
