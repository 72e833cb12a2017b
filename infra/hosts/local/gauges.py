"""What an instance's `/metrics` says at the moment of asking."""

from collections import Counter

from functions import STEPS
from infra.hosts import metrics
from infra.hosts.local.instance import Parts
from infra.hosts.views.moment import at_once, known
from infra.hosts.views.pipeline import pipeline
from infra.hosts.views.rotating import Counted, counted
from infra.hosts.views.rotations import rotation_states
from infra.hosts.wiring import step_ports

_READER = next(step for step in STEPS if step.name == "sweep")  # whose rights are used: it reads records, and no value
FRESH = 5.0  # seconds that the states of all paths are good for: computing them costs with every path that is wired


class Gauges:
    """The page of one instance. Names and counts only; no metric is labelled with a secret's name or a value."""

    def __init__(self, parts: Parts, fresh: float = FRESH) -> None:
        self._parts = parts
        self._counted = metrics.Recent(self._count, fresh)
        self._rotating = metrics.Recent(self._count_rotations, 6 * fresh)

    def page(self) -> str:
        """The whole page."""
        parts = self._parts
        health = parts.evidence.health()
        behind, wired = self._counted()
        entries, _ = parts.evidence.ledger.head()
        anchors = parts.evidence.ledger.anchors(limit=1)
        anchored = anchors[-1].n if anchors else 0
        gauges: list[tuple[metrics.Metric, list[metrics.Sample]]] = [
            (metrics.STALL, [({}, health.stalled_for)]),
            (metrics.PENDING, [({}, health.pending)]),
            (metrics.HELD, [({"step": step}, count) for step, count in sorted(health.held.items())]),
            (metrics.DEAD_LETTERS, [({}, health.dead_letters)]),
            (metrics.OUT_OF_STEP, [({}, behind)]),
            (metrics.WIRED, [({}, wired)]),
            (metrics.LEDGER_ENTRIES, [({}, entries)]),
            (metrics.ANCHOR_LAG, [({}, max(0, entries - anchored))]),
            (metrics.AUTHORITY_UP, [({}, float(parts.authority.gate.ready()))]),
            (metrics.AUTHORITY_CALLS, [({"kind": kind}, count) for kind, count in sorted(parts.calls.items())]),
        ]
        made = sorted(parts.platform.calls.copy().items())
        gauges.append(
            (metrics.KUBERNETES_CALLS, [({"verb": verb, "resource": kind}, count) for (verb, kind), count in made])
        )
        gauges += metrics.audit_samples(parts.audit)
        gauges += self._rotations()
        lines = list(parts.propagation.render(metrics.PROPAGATION))
        for metric, samples in gauges:
            lines += metrics.render(metric, samples)
        return "\n".join(lines) + "\n"

    def _rotations(self) -> list[tuple[metrics.Metric, list[metrics.Sample]]]:
        """Nothing is told while the authority, which keeps the records, is away."""
        if not self._parts.authority.gate.ready():
            return []
        found = self._rotating()
        return [
            (metrics.ROTATIONS, [({"phase": phase}, count) for phase, count in sorted(found.phases.items())]),
            (metrics.ROTATION_OLDEST, [({}, found.oldest)]),
            (metrics.ROTATION_TROUBLE, [({}, found.troubled)]),
            (metrics.ROTATION_OVERDUE, [({}, found.overdue)]),
            (metrics.REVOCATIONS_PENDING, [({}, found.awaiting)]),
        ]

    def _count_rotations(self) -> Counted:
        parts = self._parts
        if next(parts.wiring.rotations(), None) is None:
            return Counted(Counter())  # nothing is rotated, so no record is asked for
        records = step_ports(_READER, parts.clients[_READER.name], parts.shared, None).rotations
        return counted(rotation_states(parts.lookups, records))

    def _count(self) -> tuple[int, int]:
        """How many paths are out of step, and how many there are."""
        parts = self._parts
        lookups = known(at_once(parts.lookups, parts.publications, parts.suspensions), parts.platform)
        states = [state.in_step for state in pipeline(lookups)]
        return states.count(False), len(states)
