"""The template page names every function, and the committed one is up to date."""

from pathlib import Path

from functions._templates.table import FUNCTIONS, REFUSED
from infra.deploy.template_reference import PAGE, render

ROOT = Path(__file__).parents[3]


def test_it_names_every_function() -> None:
    page = render()[PAGE]
    for name in (*FUNCTIONS, *REFUSED):
        assert f"`{name}`" in page


def test_the_committed_page_is_up_to_date() -> None:
    assert (ROOT / PAGE).read_text() == render()[PAGE]
