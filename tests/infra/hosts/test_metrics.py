"""Metrics as Prometheus reads them."""

import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from events.envelope import Received, read
from events.references import ManifestRef
from events.secret import SecretMaterialized
from infra.hosts.metrics import METRICS, PROPAGATION, PROPAGATION_BUCKETS, Histogram, Metric, Recent, render
from tests.infra.hosts.exposition import parsed
from tests.infra.hosts.steps import SECRET, changed, order

CALLS = Metric("lockstep_authority_calls_total", "counter", "Requests.", ("kind", "to"))


def _page(histogram: Histogram) -> str:
    return "\n".join(histogram.render(PROPAGATION)) + "\n"


def test_a_histogram_counts_up_to_each_bound() -> None:
    histogram = Histogram()
    for seconds in (0.0, 0.005, 0.006, 0.3, 400.0):
        histogram.observe(seconds)
    samples = parsed(_page(histogram))["lockstep_propagation_seconds"].samples
    name = "lockstep_propagation_seconds"
    assert len(samples) == len(PROPAGATION_BUCKETS) + 3
    expected = {"0.005": 2, "0.01": 3, "0.25": 3, "0.5": 4, "300": 4, "+Inf": 5}
    assert {bound: samples[f"{name}_bucket", f'le="{bound}"'] for bound in expected} == expected
    assert samples[f"{name}_sum", ""] == pytest.approx(400.311)


def test_an_empty_histogram_is_valid() -> None:
    parsed(_page(Histogram()))


def test_observations_of_many_threads_are_all_counted() -> None:
    histogram = Histogram()

    def work() -> None:
        for _ in range(500):
            histogram.observe(0.5)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (
        parsed(_page(histogram))["lockstep_propagation_seconds"].samples["lockstep_propagation_seconds_count", ""]
        == 2000
    )


def materialized(outcome: str = "updated") -> SecretMaterialized:
    consumer = ManifestRef(kind="ExternalSecret", namespace="team", name="app")
    return SecretMaterialized.model_validate(
        {"secret": SECRET, "consumer": consumer, "stamp": {}, "keys": (), "seen": "s", "outcome": outcome}
    )


def cause(seconds_ago: float | None) -> Received:
    began = None if seconds_ago is None else datetime.now(UTC) - timedelta(seconds=seconds_ago)
    return replace(read(changed()), began=began)


def _counted(histogram: Histogram) -> tuple[float, float]:
    samples = parsed(_page(histogram))["lockstep_propagation_seconds"].samples
    return samples["lockstep_propagation_seconds_count", ""], samples["lockstep_propagation_seconds_sum", ""]


def test_a_propagation_is_measured_from_the_first_event() -> None:
    histogram = Histogram()
    histogram.observe_propagation(materialized("created"), cause(100))
    count, seconds = _counted(histogram)
    assert count == 1
    assert 100 <= seconds < 160


def test_what_is_no_propagation_is_not_counted() -> None:
    histogram = Histogram()
    histogram.observe_propagation(materialized("unchanged"), cause(1))
    histogram.observe_propagation(order(), cause(1))
    histogram.observe_propagation(materialized(), cause(None))
    assert _counted(histogram) == (0, 0)


def test_a_clock_moved_back_makes_no_negative_duration() -> None:
    histogram = Histogram()
    histogram.observe_propagation(materialized(), cause(-3600))
    assert _counted(histogram) == (1, 0)


def test_labels_are_escaped() -> None:
    lines = list(render(CALLS, [({"kind": 'a"b\\c\nd', "to": "x"}, 3)]))
    assert lines[-1] == 'lockstep_authority_calls_total{kind="a\\"b\\\\c\\nd",to="x"} 3'
    parsed("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (7, "7"), (1_234_567, "1234567"), (12_345_678_901.0, "12345678901"), (0.25, "0.25")]
)
def test_numbers_keep_their_digits(value: float, text: str) -> None:
    """Rounded to six digits, a counter of a million would stand still and then jump."""
    assert list(render(CALLS, [({"kind": "k", "to": "t"}, value)]))[-1].rpartition(" ")[2] == text


def test_a_metric_without_samples_is_valid() -> None:
    parsed("\n".join(render(CALLS, [])) + "\n")


def test_declarations() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert metric.name.startswith("lockstep_")
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert metric.help.endswith(".")
        assert not {"secret", "name", "path", "namespace"} & set(metric.labels), "names are no labels"


def test_recent_is_computed_again_only_when_it_is_old() -> None:
    now, computed = [0.0], itertools.count(1)
    recent = Recent(lambda: next(computed), 5.0, lambda: now[0])
    assert [recent(), recent()] == [1, 1]
    now[0] = 4.9
    assert recent() == 1
    now[0] = 5.0
    assert [recent(), recent()] == [2, 2]


def test_a_failure_is_not_kept() -> None:
    answers: Iterator[ValueError | int] = iter([ValueError("not yet"), 7])

    def compute() -> int:
        found = next(answers)
        if isinstance(found, ValueError):
            raise found
        return found

    recent = Recent(compute, 3600.0)
    with pytest.raises(ValueError, match="not yet"):
        recent()
    assert recent() == 7
