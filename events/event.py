"""What every typed event has in common."""

from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from events.references import Reference

PREFIX = "dev.lockstep."


class Category(StrEnum):
    """Who may say it, and how its id is made."""

    HINT = "hint"  # something may have changed; harmless when forged, as the step reads the store
    FACT = "fact"  # only the emitting step says it
    ORDER = "order"  # `*.requested`: only named principals give it, with an expiry and a base version


class Event(BaseModel):
    """The typed data of one event type. Frozen; pure data; holds no secret value.

    Subclasses name their type, category and schema version, and say what identifies them: `about` gives the
    CloudEvents subject, `state` the state identity that makes a fact's id.
    """

    # Built when first used: a process of one step knows all types, and uses two.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", defer_build=True)

    TYPE: ClassVar[str]
    CATEGORY: ClassVar[Category]
    SCHEMA_VERSION: ClassVar[int] = 1
    WAKES: ClassVar[bool] = False  # said of another thing than its cause is about, it begins a chain of its own

    @property
    def about(self) -> Reference:
        """What the event is about; its `subject` orders deliveries (`partitionkey`)."""
        raise TypeError(f"{type(self).__name__} says nothing of what it is about")

    @property
    def state(self) -> str:
        """The state identity the fact was seen at; orders have none."""
        return ""

    @property
    def result(self) -> str:
        """What came of it, where one type reports several outcomes."""
        return ""
