"""The event catalogue as documentation, rendered from the models and the steps' declarations.

`render()` gives every file; `make generate` writes them and `make check` compares (DESIGN, principle 4).
"""

import json
from typing import Any

from events.catalogue import EVENTS
from events.cloudevent import MAX_EVENT_BYTES, MAX_NESTING, CloudEvent
from events.envelope import MAX_HOPS, issue, read
from events.event import Category, Event
from events.examples import EXAMPLES, NOW
from events.http_binding import encode_structured
from events.schemas import render_schemas, schema, schema_file, subject_forms
from functions import STEPS
from functions._step import Step

PAGE = "docs/events.md"

_HEAD = f"""# Events

Rendered from `events/` and the steps' declarations by `make generate`; change those, not this page.

Events carry references (namespace, name, path, version), never values. They travel as CloudEvents 1.0 over HTTP in
binary or structured mode, at most {MAX_EVENT_BYTES // 1024} KiB each. Their data is JSON, nested at most
{MAX_NESTING} levels deep, and decoded strictly.

- `id`: of a fact, the hash of type, subject, state identity and outcome, so that a fact told twice has one id; of an
  order, the hash of its cause, the step, the subject and its place there, so that a retried step gives the same order.
- `source`: who says it.
- `subject`: what it is about. `partitionkey` is made from it, and events of one key are delivered in order.
- `dataschema`: `urn:lockstep:event:<noun>.<participle>:<version>`. The version before is accepted too.
- `correlationid`: the id of the event that began it all; `causationid`: of the event whose handling gave this one.
- `lockstephops`: how many events lie between. A chain longer than {MAX_HOPS} is refused as a loop.
- `lockstepbegan`: when the event that began it all was issued; it measures propagation and decides nothing.
- `traceparent`: W3C Trace Context, carried along.

A **hint** says that something may have changed and is harmless when forged, as the step reads the store. A **fact** is
said only by who establishes it. An **order** (`*.requested`) is given by steps and named operators only, expires, and
names the version that it was based on.
"""
_TELLERS = {
    Category.HINT: "sources (watches, schedules)",
    Category.FACT: "the ingress, for an operator",
    Category.ORDER: "operators",
}


def render() -> dict[str, str]:
    """Every file of the catalogue: its path relative to the repository, and its text."""
    return {PAGE: _page(), **render_schemas()}


def _page() -> str:
    rows = [_row(model) for model in EVENTS]
    table = ["| type | category | told by | consumed by |", "|---|---|---|---|", *rows]
    return "\n".join([_HEAD, *table, "", *(_section(model) for model in EVENTS)])


def _row(model: type[Event]) -> str:
    anchor = model.TYPE.replace(".", "")
    return f"| [{model.TYPE}](#{anchor}) | {model.CATEGORY} | {_tellers(model)} | {_consumers(model)} |"


def _section(model: type[Event]) -> str:
    path = schema_file(model).removeprefix("docs/")
    subjects = " or ".join(f"`{form}`" for form in subject_forms(model))
    return f"""## {model.TYPE}

{" ".join((model.__doc__ or "").split())}

- category: {model.CATEGORY}
- told by: {_tellers(model)}
- consumed by: {_consumers(model)}
- subject: {subjects}
- schema: [version {model.SCHEMA_VERSION}]({path})

{_members(model)}

```json
{json.dumps(json.loads(encode_structured(example(model))[1]), indent=2, ensure_ascii=False)}
```
"""


def example(model: type[Event]) -> CloudEvent:
    """A valid event of this type, as the code itself issues it: caused by an event that its teller consumes."""
    event = next(event for event in EXAMPLES if type(event) is model)
    step = next(iter(_emitters(model)), None)
    if step is None:
        return issue(event, source="/lockstep/local", now=NOW)
    first = next(event for event in EXAMPLES if type(event) in step.consumes)
    cause = read(issue(first, source="/lockstep/local", now=NOW))
    return issue(event, source=f"/lockstep/steps/{step.name}", now=NOW, cause=cause, step=step.name)


def _emitters(model: type[Event]) -> tuple[Step, ...]:
    return tuple(step for step in STEPS if model in step.emits)


def _tellers(model: type[Event]) -> str:
    names = [step.name for step in _emitters(model)]
    # Every order is an operator's to give as well; what no step emits comes from outside the steps.
    if model.CATEGORY is Category.ORDER or not names:
        names.append(_TELLERS[model.CATEGORY])
    return ", ".join(names)


def _consumers(model: type[Event]) -> str:
    return ", ".join(step.name for step in STEPS if model in step.consumes) or "ledger and timeline only"


def _members(model: type[Event]) -> str:
    data = schema(model)["$defs"]["data"]
    required = data.get("required", ())
    rows = [
        f"| `{name}` | {_kind(shape)} | {'yes' if name in required else 'no'} |"
        for name, shape in data["properties"].items()
    ]
    return "\n".join(["| data | kind | required |", "|---|---|---|", *rows])


def _kind(shape: dict[str, Any]) -> str:
    """A JSON Schema in a few words."""
    if "anyOf" in shape:
        return " or ".join(_kind(choice) for choice in shape["anyOf"])
    if "$ref" in shape:
        return str(shape["$ref"]).rsplit("/", 1)[-1]
    if "enum" in shape:
        return " or ".join(f"`{value}`" for value in shape["enum"])
    if shape.get("type") == "array":
        return f"list of {_kind(shape['items'])}"
    if shape.get("type") == "object":
        values = [shape.get("additionalProperties"), *shape.get("patternProperties", {}).values()]
        return f"object of {_kind(next(value for value in values if isinstance(value, dict)))}"
    return str(shape.get("format", shape.get("type")))
