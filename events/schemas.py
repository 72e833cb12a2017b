"""JSON Schema (2020-12) of every event type, made from the models: the event in JSON, and its data within."""

import inspect
import json
import re
from typing import Any, get_args, get_type_hints

from events.attributes import SPECVERSION
from events.catalogue import EVENTS
from events.envelope import MAX_HOPS, schema_urn
from events.event import Event
from events.references import Reference

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_file(model: type[Event]) -> str:
    """Where the schema of a type is, relative to the repository."""
    return f"docs/schemas/{model.TYPE}.json"


def render_schemas() -> dict[str, str]:
    """The schema files by their path, as text."""
    return {schema_file(model): json.dumps(schema(model), indent=2, ensure_ascii=False) + "\n" for model in EVENTS}


def schema(model: type[Event]) -> dict[str, Any]:
    """The schema of a whole event in the JSON format.

    The data's schema is embedded under the URN that `dataschema` names, so that either can be used alone.
    """
    urn = schema_urn(model, model.SCHEMA_VERSION)
    return {
        "$schema": DIALECT,
        "$id": urn.replace(":event:", ":cloudevent:", 1),
        "title": model.TYPE,
        "description": " ".join((model.__doc__ or "").split()),
        "type": "object",
        "properties": {**_context(model, urn), "data": {"$ref": urn}},
        "required": ["specversion", "id", "source", "type", "data"],
        # Extensions of others may come along; CloudEvents says how they are named and what they may be.
        "patternProperties": {"^[a-z0-9]+$": True},
        "additionalProperties": False,
        "$defs": {"data": {"$id": urn, **model.model_json_schema()}},
    }


def subject_forms(model: type[Event]) -> tuple[str, ...]:
    """How the subjects of a type look, such as `schedules/<name>`."""
    about = get_type_hints(inspect.getattr_static(model, "about").fget)["return"]
    return tuple(_form(reference) for reference in (get_args(about) or (about,)))


def _form(reference: type[Reference]) -> str:
    return reference.model_construct(None, **{name: f"<{name}>" for name in reference.model_fields}).subject


def _context(model: type[Event], urn: str) -> dict[str, Any]:
    forms = "|".join(re.sub("<[a-z]+>", ".+", form) for form in subject_forms(model))
    name = {"type": "string", "minLength": 1}
    return {
        "specversion": {"const": SPECVERSION},
        "id": {**name, "description": "The same for every telling of the same fact, or of the same order."},
        "source": {**name, "format": "uri-reference", "description": "Who says it."},
        "type": {"const": model.TYPE},
        "subject": {**name, "pattern": f"^({forms})$", "description": f"As {' or '.join(subject_forms(model))}."},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "dataschema": {"const": urn},
        "correlationid": {**name, "description": "The id of the event that began it all."},
        "causationid": {**name, "description": "The id of the event whose handling gave this one."},
        "partitionkey": {**name, "description": "Events of one key are delivered in order; it is the subject."},
        "lockstephops": {
            "type": "string",
            "pattern": "^[0-9]{1,4}$",
            "description": f"Events between the first cause and this one; more than {MAX_HOPS} is a loop.",
        },
        "lockstepbegan": {
            "type": "string",
            "format": "date-time",
            "description": "When the event that began it all was issued.",
        },
        "traceparent": {**name, "description": "W3C Trace Context."},
    }
