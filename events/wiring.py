"""A manifest of the wiring came, went or changed."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from events.event import Category, Event
from events.references import ManifestRef, PathRef, SecretRef


class WiringChanged(Event):
    """Drives the same steps as a change of the secrets it wires (DESIGN, "State and identity")."""

    TYPE: ClassVar[str] = "dev.lockstep.wiring.changed"
    CATEGORY: ClassVar[Category] = Category.HINT

    manifest: ManifestRef
    change: Literal["added", "changed", "removed"]
    secrets: tuple[SecretRef, ...] = ()  # targets and sources that it named before and names no longer
    paths: tuple[PathRef, ...] = ()  # paths that it named before, or names now with other properties
    generation: Annotated[str, Field(max_length=128, pattern=r"^[-A-Za-z0-9._]*$")]

    @property
    def about(self) -> ManifestRef:
        return self.manifest

    @property
    def state(self) -> str:
        return self.generation

    @property
    def result(self) -> str:
        return self.change
