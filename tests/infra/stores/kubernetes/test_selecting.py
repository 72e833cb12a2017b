"""Label selectors as the API server takes them."""

import pytest

from functions._manifests.selector import LabelRequirement, LabelSelector
from infra.stores.kubernetes.selecting import selector_text


def requirement(operator: str, *values: str, key: str = "app") -> LabelSelector:
    made = LabelRequirement.model_validate({"key": key, "operator": operator, "values": values})
    return LabelSelector(match_expressions=(made,))


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        (LabelSelector(), ""),
        (LabelSelector(match_labels={"app": "db", "example.com/x": ""}), "app=db,example.com/x="),
        (requirement("In", "a", "b"), "app in (a,b)"),
        (requirement("NotIn", "a"), "app notin (a)"),
        (requirement("Exists"), "app"),
        (requirement("DoesNotExist"), "!app"),
    ],
)
def test_every_requirement_has_its_spelling(selector: LabelSelector, text: str) -> None:
    assert selector_text(selector) == text


@pytest.mark.parametrize(
    "selector",
    [
        LabelSelector(match_labels={"app": "a,other=b"}),
        LabelSelector(match_labels={"!app": "a"}),
        LabelSelector(match_labels={"app,x": "a"}),
        requirement("In", "a)"),
        requirement("NotIn", "a,b"),
        requirement("Exists", key="a in (b)"),
    ],
)
def test_what_could_be_read_as_something_else_is_not_sent(selector: LabelSelector) -> None:
    assert selector_text(selector) == ""
