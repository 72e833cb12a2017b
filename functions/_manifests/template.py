"""The `template` of a PushSecret and of an ExternalSecret's target."""

from typing import Literal

from pydantic import Field, model_validator

from functions._manifests.shape import Shape


class TemplateMetadata(Shape):
    """Labels and annotations that the made Secret gets; their values may be templates."""

    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()


class TemplateItem(Shape):
    """One key of a ConfigMap or Secret that holds templates."""

    key: str = Field(min_length=1)
    template_as: Literal["Values", "KeysAndValues"] = "Values"


class TemplateObject(Shape):
    """A ConfigMap or Secret that holds templates."""

    name: str = Field(min_length=1)
    items: tuple[TemplateItem, ...] = ()


class TemplateFrom(Shape):
    """More templates: a literal, or (recognised, not supported) another object's keys."""

    literal: str | None = None
    config_map: TemplateObject | None = None
    secret: TemplateObject | None = None
    target: Literal["Data", "Annotations", "Labels"] = "Data"

    @model_validator(mode="after")
    def _one(self) -> "TemplateFrom":
        if [self.literal, self.config_map, self.secret].count(None) != 2:
            raise ValueError("names exactly one of literal, configMap and secret")
        return self


class SecretTemplate(Shape):
    """How the data of a Secret is made from what was read. `merge_policy` Merge keeps the read keys beside them."""

    type: str = Field(default="", max_length=253)
    engine_version: Literal["v2"] = "v2"
    metadata: TemplateMetadata = Field(default_factory=TemplateMetadata)
    merge_policy: Literal["Replace", "Merge"] = "Replace"
    data: dict[str, str] = Field(default_factory=dict)
    template_from: tuple[TemplateFrom, ...] = ()

    def literals(self, target: Literal["Data", "Annotations", "Labels"]) -> tuple[str, ...]:
        """The literal templates whose results go to one part of the Secret."""
        return tuple(one.literal for one in self.template_from if one.literal is not None and one.target == target)

    @property
    def texts(self) -> tuple[tuple[str, str], ...]:
        """Every template in it, as (where it stands, its text)."""
        return (
            *((f"data.{key}", text) for key, text in self.data.items()),
            *((f"templateFrom[{n}].literal", one.literal) for n, one in enumerate(self.template_from) if one.literal),
            *((f"metadata.labels.{key}", text) for key, text in self.metadata.labels.items()),
            *((f"metadata.annotations.{key}", text) for key, text in self.metadata.annotations.items()),
        )
