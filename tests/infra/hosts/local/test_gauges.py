"""What `/metrics` says follows what is: out of step, dead letters, anchors, calls."""

from collections.abc import Iterator

import pytest

from events.references import SecretRef
from infra.hosts.local import gauges
from infra.hosts.local.gauges import Gauges
from infra.hosts.local.instance import Instance
from infra.hosts.views.pipeline import Lookups, PathState, pipeline
from tests.infra.hosts.exposition import parsed
from tests.infra.stores import directory_producers as producers
from tests.instance import wait_for

pytestmark = pytest.mark.e2e
SOURCE = SecretRef(namespace="platform-data", name="temporal.credentials")


def value(instance: Instance, name: str, labels: str = "") -> float:
    family = parsed(Gauges(instance.parts, fresh=0).page())[f"lockstep_{name}"]
    return family.samples.get((f"lockstep_{name}", labels), 0.0)


def test_gauges_follow_what_is(instance: Instance) -> None:
    assert (value(instance, "wired_paths"), value(instance, "authority_up")) == (1, 1)
    writes = value(instance, "authority_calls_total", 'kind="write"')
    producers.swap(instance.parts.root, SOURCE, {"username": b"u"})  # a key that the manifest asks for is missing
    wait_for(lambda: value(instance, "dead_letters") >= 1, "the dead letter to be counted")
    assert value(instance, "out_of_step") == 1
    producers.swap(instance.parts.root, SOURCE, {"username": b"u", "password": b"canary-4711"})
    wait_for(lambda: value(instance, "out_of_step") == 0, "the path to be in step")
    wait_for(lambda: value(instance, "pending_events") == 0, "an idle broker")
    assert value(instance, "stall_seconds") == 0
    assert value(instance, "authority_calls_total", 'kind="write"') > writes
    assert value(instance, "ledger_entries") > 0
    assert value(instance, "anchor_lag_entries") <= value(instance, "ledger_entries")
    page = Gauges(instance.parts).page()
    assert "canary" not in page
    propagation = parsed(page)["lockstep_propagation_seconds"].samples
    assert propagation["lockstep_propagation_seconds_count", ""] == 1


def test_states_are_computed_once_for_many_scrapes(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    computed = []

    def counted(lookups: Lookups) -> Iterator[PathState]:
        computed.append(lookups)
        return pipeline(lookups)

    monkeypatch.setattr(gauges, "pipeline", counted)
    page = Gauges(instance.parts, fresh=3600)
    first = [page.page() for _ in range(5)]
    assert len(computed) == 1
    assert all("lockstep_wired_paths 1" in each for each in first)
