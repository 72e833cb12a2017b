"""Tables of parameters, rendered from the models of the types."""

from pydantic import Field

from functions._manifests.shape import Duration
from infra.deploy import target_pages
from infra.deploy.target_pages import parameters_table
from infra.deploy.target_rules import rules_table
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


def test_the_pages_of_engines_say_what_the_steps_are_let_at() -> None:
    pages = target_pages.render()
    static = pages["docs/targets/openbao-static.md"]
    assert "| `verify` | `read` on `database/static-creds/<account>` |\n<!-- end of rules -->" in static
    dynamic = pages["docs/targets/openbao-dynamic.md"]
    assert "| `verify`, `contain`, `sweep` | `update` on `sys/leases/lookup` |" in dynamic
    root = pages["docs/targets/openbao-root.md"]
    assert "| `apply` | `update` on `database/reset/<account>`, `update` on `database/rotate-root/<account>` |" in root


def test_no_value_that_an_engine_keeps_is_given_to_a_step_that_only_looks_after_leases() -> None:
    for name in ("openbao-static", "openbao-root"):
        table = rules_table(name)
        assert not [step for step in ("renew", "contain", "sweep", "create", "promote") if f"`{step}`" in table]
