import json
import re
from pathlib import Path

from events.catalogue import EVENTS
from events.cloudevent import CloudEvent
from events.envelope import read
from events.http_binding import STRUCTURED, decode
from events.schemas import schema, schema_file
from functions import STEPS
from infra.deploy.catalogue import PAGE, example, render
from tests.events.json_schema import problems

ROOT = Path(__file__).parents[3]


def _examples(page: str) -> list[CloudEvent]:
    blocks = re.findall(r"```json\n(.*?)```", page, flags=re.DOTALL)
    return [decode([("content-type", STRUCTURED)], block.encode()) for block in blocks]


def test_the_page_and_every_schema_are_rendered() -> None:
    assert set(render()) == {PAGE, *(schema_file(model) for model in EVENTS)}


def test_the_files_in_the_repository_are_up_to_date() -> None:
    for path, text in render().items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, f"{path} is out of date: run `make generate`"


def test_no_schema_is_left_over() -> None:
    assert {f"docs/schemas/{file.name}" for file in (ROOT / "docs/schemas").glob("*.json")} == set(render()) - {PAGE}


def test_every_example_on_the_page_is_valid_and_is_what_the_code_issues() -> None:
    shown = _examples(render()[PAGE])
    assert shown == [example(model) for model in EVENTS]
    assert [type(read(event).event) for event in shown] == list(EVENTS)
    for event in shown:
        document = {**event.attributes(), "data": json.loads(event.data or b"null")}
        assert problems(schema(type(read(event).event)), document) == []


def test_every_step_stands_where_it_consumes_and_emits() -> None:
    page = render()[PAGE]
    for model in EVENTS:
        told, consumed = re.findall(rf"\[{re.escape(model.TYPE)}\]\(#.*?\) \| \w+ \| (.*?) \| (.*?) \|", page)[0]
        for step in STEPS:
            assert (step.name in consumed.split(", ")) == (model in step.consumes)
            assert (step.name in told.split(", ")) == (model in step.emits)


def test_links_lead_somewhere() -> None:
    page = render()[PAGE]
    anchors = {heading.replace(".", "") for heading in re.findall(r"^## (.*)$", page, flags=re.MULTILINE)}
    for target in re.findall(r"\]\((.*?)\)", page):
        assert target.removeprefix("#") in anchors if target.startswith("#") else f"docs/{target}" in render()
