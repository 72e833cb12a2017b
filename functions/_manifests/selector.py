"""Kubernetes' label selectors (LabelSelector of apimachinery)."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from functions._manifests.shape import Shape

# The one label of a namespace that Kubernetes itself sets, so that it is known without asking.
NAME_LABEL = "kubernetes.io/metadata.name"


class LabelRequirement(Shape):
    """One expression over a label: `key operator values`."""

    key: str = Field(min_length=1, max_length=317)
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _arity(self) -> "LabelRequirement":
        needs = self.operator in ("In", "NotIn")
        if needs and not self.values:
            raise ValueError(f"operator {self.operator} needs values")
        if not needs and self.values:
            raise ValueError(f"operator {self.operator} takes no values")
        return self

    def matches(self, labels: Mapping[str, str]) -> bool:
        if self.operator == "In":
            return labels.get(self.key) in self.values
        if self.operator == "NotIn":
            return labels.get(self.key) not in self.values  # an absent label is not in any list, as in Kubernetes
        return (self.key in labels) == (self.operator == "Exists")


class LabelSelector(Shape):
    """All of `matchLabels` and all of `matchExpressions`; an empty selector matches everything."""

    match_labels: dict[str, str] = Field(default_factory=dict)
    match_expressions: tuple[LabelRequirement, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.match_labels and not self.match_expressions

    @property
    def keys(self) -> frozenset[str]:
        """The label names that it looks at."""
        return frozenset(self.match_labels) | {each.key for each in self.match_expressions}

    def matches(self, labels: Mapping[str, str]) -> bool:
        if any(labels.get(key) != value for key, value in self.match_labels.items()):
            return False
        return all(each.matches(labels) for each in self.match_expressions)
