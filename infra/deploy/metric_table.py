"""The page of metrics, rendered from their declarations (DESIGN, principle 4)."""

from collections.abc import Iterable
from typing import Protocol

PAGE = "docs/metrics.md"

_HEAD = """# Metrics

Rendered from `infra/hosts/metrics.py` by `make generate`; change that, not this page.

`GET /metrics` answers in Prometheus' text format. Metrics count and measure; none is labelled with a secret's name, and
none holds a value. Times are seconds.

| Metric | Kind | Labels | Says |
|---|---|---|---|
"""


class Declared(Protocol):
    """A metric's declaration, as `infra.hosts.metrics` has it."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def help(self) -> str: ...
    @property
    def labels(self) -> tuple[str, ...]: ...


def render(metrics: Iterable[Declared]) -> dict[str, str]:
    """The page as {path: text}. The metrics are handed in: what deploys does not depend on the host."""
    rows = [
        f"| `{metric.name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels) or 'none'} "
        f"| {metric.help} |"
        for metric in metrics
    ]
    return {PAGE: _HEAD + "\n".join(rows) + "\n"}
