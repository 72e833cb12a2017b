"""Tables of parameters, rendered from the models of the types."""

from pydantic import Field

from functions._manifests.shape import Duration
from infra.deploy import target_pages
from infra.deploy.target_pages import parameters_table
from infra.targets.opening import Parameters
from infra.targets.registry import TYPES


class Described(Parameters):
    """Every kind of field."""

    host_name: str = Field(description="Where | there.")
    port: int = Field(default=5, description="Its port.")
    timeout: Duration = Field(default=2.5, description="For an answer.")
    nodes: tuple[str, ...] = Field(default=(), description="More.")
    tls: bool = Field(default=True, description="Whether.")
    region: str | None = Field(default=None, description="Maybe.")


class Nothing(Parameters):
    """None."""


def test_a_row_per_parameter() -> None:
    assert parameters_table(Described).splitlines()[2:] == [
        "| `hostName` | text | required | Where \\| there. |",
        "| `port` | number | `5` | Its port. |",
        "| `timeout` | duration | `2.5s` | For an answer. |",
        "| `nodes` | list of text |  | More. |",
        "| `tls` | `true` or `false` | `true` | Whether. |",
        "| `region` | text |  | Maybe. |",
    ]


def test_a_type_without_parameters() -> None:
    assert parameters_table(Nothing) == "It takes no parameters.\n"


def test_every_type_has_a_page_that_people_wrote() -> None:
    pages = target_pages.render()
    index = pages.pop("docs/targets.md")
    assert sorted(pages) == [f"docs/targets/{name}.md" for name in sorted(TYPES)]
    assert "| [postgres](targets/postgres.md) | `single`, `alternating` | 40 of `A-Z` `a-z` `0-9` `-`" in index
    assert "| `minted` | by the provider |" in index
    for name in TYPES:
        text = pages[f"docs/targets/{name}.md"]
        assert f"type: {name}\n" in text, f"the page of {name} has no example"
        assert "| Parameter | Takes |" in text
        assert "## Limits" in text
