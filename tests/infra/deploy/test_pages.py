"""docs/steps.md and docs/metrics.md are what their declarations say."""

import re
from pathlib import Path

from functions import STEPS
from infra.deploy import metric_table, step_table
from infra.hosts.metrics import METRICS

ROOT = Path(__file__).parents[3]


def test_the_files_in_the_repository_are_up_to_date() -> None:
    for path, text in {**step_table.render(), **metric_table.render(METRICS)}.items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, f"{path} is out of date: run `make generate`"


def test_every_step_has_its_row_and_section() -> None:
    page = step_table.render()[step_table.PAGE]
    for step in STEPS:
        assert f"\n## {step.name}\n\n{step.does}\n" in page
        row = next(line for line in page.splitlines() if line.startswith(f"| [{step.name}]"))
        assert re.findall(r"\[(dev\.[a-z.]+)\]", row) == [event.TYPE for event in (*step.consumes, *step.emits)]
        assert all(f"\n- {capability.value}\n" in page for capability in step.needs)


def test_links_lead_into_the_event_catalogue() -> None:
    events = (ROOT / "docs/events.md").read_text(encoding="utf-8")
    anchors = {f"events.md#{heading.replace('.', '')}" for heading in re.findall(r"^## (.*)$", events, re.MULTILINE)}
    links = re.findall(r"\]\((events\.md#.*?)\)", step_table.render()[step_table.PAGE])
    assert links
    assert set(links) <= anchors


def test_every_metric_has_a_row() -> None:
    page = metric_table.render(METRICS)[metric_table.PAGE]
    assert all(f"| `{metric.name}` | {metric.kind} |" in page for metric in METRICS)
