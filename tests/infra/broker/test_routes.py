"""Which routes an event takes; remembered by type only where nothing but the type counts."""

from typing import Any

from events.cloudevent import CloudEvent
from infra.broker.routes import Routes
from infra.broker.trigger import parse_documents
from tests.infra.broker.kit import Scripted, event


def document(name: str, filters: list[Any]) -> dict[str, Any]:
    return {
        "apiVersion": "eventing.knative.dev/v1", "kind": "Trigger", "metadata": {"name": name, "namespace": "default"},
        "spec": {"broker": "default", "filters": filters, "subscriber": {"uri": "http://there"}},
    }  # fmt: skip


def routes(**filters: list[Any]) -> Routes:
    documents = [document(name, given) for name, given in filters.items()]
    return Routes(parse_documents(documents), {"http://there": Scripted()})


def about(type_: str, subject: str) -> CloudEvent:
    return event(1, type_, subject)


def test_types_alone_are_remembered() -> None:
    found = routes(a=[{"exact": {"type": "t.a"}}], every=[])
    for _ in range(2):
        assert found.matching(about("t.a", "s/1")) == ("a", "every")
        assert found.matching(about("t.b", "s/1")) == ("every",)


def test_where_anything_else_counts_each_event_is_looked_at() -> None:
    found = routes(a=[{"exact": {"type": "t.a"}}], b=[{"prefix": {"subject": "s/1"}}])
    assert found.matching(about("t.a", "s/1")) == ("a", "b")
    assert found.matching(about("t.a", "s/2")) == ("a",)
    assert found.matching(about("t.b", "s/1")) == ("b",)


def test_types_without_number_fill_no_memory() -> None:
    found = routes(every=[])
    for number in range(2000):
        assert found.matching(about(f"foreign.{number}", "s")) == ("every",)
    assert len(found._of_type) <= 1024
