import json
from typing import Any

import pytest
from hypothesis import given

from events.catalogue import EVENTS
from events.envelope import issue, schema_urn
from events.event import Event
from events.examples import EXAMPLES, NOW
from events.http_binding import encode_structured
from events.schemas import DIALECT, render_schemas, schema, schema_file, subject_forms
from tests.events.json_schema import problems
from tests.events.strategies import TYPED


def _document(event: Event) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(encode_structured(issue(event, source="/s", now=NOW))[1])
    return document


@pytest.mark.parametrize("model", EVENTS, ids=lambda model: model.TYPE)
def test_the_schema_accepts_whatever_the_model_says(model: type[Event]) -> None:
    rules = schema(model)

    @given(TYPED[model])
    def holds(event: Event) -> None:
        assert problems(rules, _document(event)) == []

    holds()


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.TYPE)
class TestSchemasRefuse:
    def test_another_type(self, event: Event) -> None:
        assert problems(schema(type(event)), {**_document(event), "type": "dev.lockstep.other"})

    def test_an_event_without_data(self, event: Event) -> None:
        document = _document(event)
        del document["data"]
        assert problems(schema(type(event)), document) == ["$.data: missing"]

    def test_data_with_a_member_more_or_less(self, event: Event) -> None:
        document, rules = _document(event), schema(type(event))
        assert problems(rules, {**document, "data": {**document["data"], "more": 1}}) == ["$.data.more: not allowed"]
        for name in rules["$defs"]["data"]["required"]:
            less = {key: value for key, value in document["data"].items() if key != name}
            assert problems(rules, {**document, "data": less}) == [f"$.data.{name}: missing"]

    def test_a_subject_of_another_kind(self, event: Event) -> None:
        assert problems(schema(type(event)), {**_document(event), "subject": "elsewhere"})

    def test_names_that_climb(self, event: Event) -> None:
        document, rules = _document(event), schema(type(event))
        data = json.dumps(document["data"]).replace("temporal", "../x").replace('"sweep"', '"../x"')
        changed = json.loads(data.replace("0b4a7f9d3e8a1b2c4d6e8f5f2b0c0e6c", "../x"))
        assert problems(rules, {**document, "data": changed})

    def test_not_the_extensions_of_others(self, event: Event) -> None:
        rules = schema(type(event))
        assert problems(rules, {**_document(event), "knativearrivaltime": "x"}) == []
        assert problems(rules, {**_document(event), "Bad-Name": "x"})


def test_there_is_a_file_of_every_type() -> None:
    files = render_schemas()
    assert list(files) == [f"docs/schemas/{model.TYPE}.json" for model in EVENTS]
    for model in EVENTS:
        rules = json.loads(files[schema_file(model)])
        assert rules["$schema"] == DIALECT
        assert rules["$defs"]["data"]["$id"] == schema_urn(model, model.SCHEMA_VERSION)


def test_no_two_schemas_have_one_id() -> None:
    ids = [one for model in EVENTS for one in (schema(model)["$id"], schema(model)["$defs"]["data"]["$id"])]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.TYPE)
def test_subjects_look_as_told(event: Event) -> None:
    assert event.about.subject.split("/")[0] in {form.split("/")[0] for form in subject_forms(type(event))}


def test_rendering_is_stable() -> None:
    assert render_schemas() == render_schemas()
