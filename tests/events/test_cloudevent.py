from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given

from events.attributes import build
from events.cloudevent import CloudEvent
from tests.events.strategies import cloud_events

EVENT = CloudEvent(id="1", source="/s", type="t", subject="x", data=b"hi")


def test_extensions_are_set_and_removed_on_a_copy() -> None:
    changed = EVENT.with_extensions(a="1", b="2").with_extensions(a=None, c=None)
    assert dict(changed.extensions) == {"b": "2"}
    assert changed.data == EVENT.data
    assert EVENT.extensions == {}


def test_an_event_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        EVENT.id = "2"  # type: ignore[misc]  # what is proved is that it fails
    with pytest.raises(TypeError):
        EVENT.extensions["a"] = "1"  # type: ignore[index]  # the same


def test_attributes_are_what_filters_see() -> None:
    assert EVENT.with_extensions(a="1").attributes() == {
        "specversion": "1.0", "id": "1", "source": "/s", "type": "t", "subject": "x", "a": "1"
    }  # fmt: skip


@given(cloud_events())
def test_attributes_rebuild_the_event(event: CloudEvent) -> None:
    assert build(event.attributes(), event.data) == event
