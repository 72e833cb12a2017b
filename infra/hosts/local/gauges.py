"""What an instance's `/metrics` says at the moment of asking."""

from infra.hosts import metrics
from infra.hosts.local.instance import Parts
from infra.hosts.views.pipeline import pipeline


def exposition(parts: Parts) -> str:
    """The whole page. Names and counts only; no metric is labelled with a secret's name or a value."""
    health = parts.broker.health()
    states = list(pipeline(parts.lookups))
    entries, _ = parts.broker.ledger.head()
    anchors = parts.broker.ledger.anchors(limit=1)
    anchored = anchors[-1].n if anchors else 0
    gauges: list[tuple[metrics.Metric, list[metrics.Sample]]] = [
        (metrics.STALL, [({}, health.stalled_for)]),
        (metrics.PENDING, [({}, health.pending)]),
        (metrics.HELD, [({"step": step}, count) for step, count in sorted(health.held.items())]),
        (metrics.DEAD_LETTERS, [({}, health.dead_letters)]),
        (metrics.OUT_OF_STEP, [({}, sum(not state.in_step for state in states))]),
        (metrics.WIRED, [({}, len(states))]),
        (metrics.LEDGER_ENTRIES, [({}, entries)]),
        (metrics.ANCHOR_LAG, [({}, max(0, entries - anchored))]),
        (metrics.AUTHORITY_UP, [({}, float(parts.authority.gate.ready()))]),
        (metrics.AUTHORITY_CALLS, [({"kind": kind}, count) for kind, count in sorted(parts.calls.items())]),
    ]
    lines = list(parts.propagation.render(metrics.PROPAGATION))
    for metric, samples in gauges:
        lines += metrics.render(metric, samples)
    return "\n".join(lines) + "\n"
