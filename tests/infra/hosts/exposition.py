"""A strict reader of Prometheus' text format 0.0.4, written from its description."""

import re
from dataclasses import dataclass, field

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
_SAMPLE = re.compile(rf"({_NAME})(?:\{{({_LABEL}(?:,{_LABEL})*)\}})? (-?(?:[0-9.]+(?:e[-+]?[0-9]+)?|Inf|NaN))")
_OF_HISTOGRAM = ("_bucket", "_sum", "_count")


@dataclass
class Family:
    """One metric: its kind and its samples, (name, labels) -> value."""

    help: str
    kind: str = ""
    samples: dict[tuple[str, str], float] = field(default_factory=dict)


def parsed(text: str) -> dict[str, Family]:
    """Metric families by name. Raises AssertionError for anything that a scraper would refuse, or should."""
    assert text.endswith("\n")
    families: dict[str, Family] = {}
    current = ""
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# HELP "):
            current, _, help_ = line.removeprefix("# HELP ").partition(" ")
            assert re.fullmatch(_NAME, current), line
            assert current not in families, f"{current} is there twice"
            assert help_, line
            families[current] = Family(help_)
        elif line.startswith("# TYPE "):
            name, _, kind = line.removeprefix("# TYPE ").partition(" ")
            assert name == current, line
            assert kind in {"counter", "gauge", "histogram"}, line
            assert not families[name].samples, "the type comes before the samples"
            families[name].kind = kind
        else:
            _sample(line, current, families[current])
    for name, family in families.items():
        assert family.kind, f"{name} has no type"
        if family.kind == "histogram":
            _histogram(name, family)
        if family.kind == "counter":
            assert name.endswith("_total"), name
    return families


def _sample(line: str, current: str, family: Family) -> None:
    match = _SAMPLE.fullmatch(line)
    assert match, line
    name, labels, value = match[1], match[2] or "", float(match[3])
    allowed = {current + ending for ending in _OF_HISTOGRAM} if family.kind == "histogram" else {current}
    assert name in allowed, line
    assert (name, labels) not in family.samples, line
    family.samples[name, labels] = value


def _histogram(name: str, family: Family) -> None:
    buckets = [(labels, value) for (sample, labels), value in family.samples.items() if sample == f"{name}_bucket"]
    bounds = [float(labels.removeprefix('le="').removesuffix('"')) for labels, _ in buckets]
    counts = [value for _, value in buckets]
    assert bounds == sorted(set(bounds))
    assert bounds[-1] == float("inf")
    assert counts == sorted(counts), "buckets are cumulative"
    assert family.samples[f"{name}_count", ""] == counts[-1]
    assert (f"{name}_sum", "") in family.samples
