"""Parts that few manifests have: a process defines one, and builds its validator, when it meets the first.

A process of one step reads every manifest before its first event, and never used a third of their models: a
twentieth of a cold start. Annotations name these parts from here; whoever makes one imports its own module.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

from pydantic_core import CoreSchema, core_schema

__all__ = [
    "Find",
    "GeneratorRef",
    "LabelRequirement",
    "LabelSelector",
    "Rare",
    "Rewrite",
    "SecretTemplate",
    "StoreCondition",
]


class Rare:
    """For pydantic: what the model of this name takes, with its errors and their places."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    @property
    def model(self) -> Any:
        """The part's own model."""
        return getattr(import_module(f"functions._manifests.{self._module}"), self._name)

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validated)

    def _validated(self, value: object) -> object:
        return self.model.model_validate(value)


if TYPE_CHECKING:
    from functions._manifests.generator import GeneratorRef
    from functions._manifests.rewriting import Rewrite
    from functions._manifests.searching import Find
    from functions._manifests.selector import LabelRequirement, LabelSelector
    from functions._manifests.store_condition import StoreCondition
    from functions._manifests.template import SecretTemplate
else:
    Find = Annotated[Any, Rare("searching", "Find")]
    GeneratorRef = Annotated[Any, Rare("generator", "GeneratorRef")]
    LabelRequirement = Annotated[Any, Rare("selector", "LabelRequirement")]
    LabelSelector = Annotated[Any, Rare("selector", "LabelSelector")]
    Rewrite = Annotated[Any, Rare("rewriting", "Rewrite")]
    SecretTemplate = Annotated[Any, Rare("template", "SecretTemplate")]
    StoreCondition = Annotated[Any, Rare("store_condition", "StoreCondition")]
