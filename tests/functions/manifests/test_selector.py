"""Label selectors as Kubernetes evaluates them."""

from typing import Any

import pytest
from pydantic import ValidationError

from functions._manifests.selector import LabelSelector


def _expression(operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": "app", "operator": operator, **({"values": list(values)} if values else {})}]}


@pytest.mark.parametrize(
    ("selector", "labels", "matches"),
    [
        ({}, {}, True),
        ({"matchLabels": {"app": "x"}}, {"app": "x", "b": "c"}, True),
        ({"matchLabels": {"app": "x"}}, {}, False),
        (_expression("In", "x", "y"), {"app": "y"}, True),
        (_expression("In", "x"), {}, False),
        (_expression("NotIn", "x"), {"app": "y"}, True),
        (_expression("NotIn", "x"), {}, True),
        (_expression("NotIn", "x"), {"app": "x"}, False),
        (_expression("Exists"), {"app": ""}, True),
        (_expression("Exists"), {}, False),
        (_expression("DoesNotExist"), {}, True),
        (_expression("DoesNotExist"), {"app": "x"}, False),
    ],
)
def test_matching(selector: dict[str, Any], labels: dict[str, str], matches: bool) -> None:
    assert LabelSelector.model_validate(selector).matches(labels) is matches


@pytest.mark.parametrize(
    "wrong", [_expression("In"), _expression("Exists", "x"), _expression("Like", "x"), {"labels": {}}]
)
def test_what_kubernetes_would_refuse_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LabelSelector.model_validate(wrong)
