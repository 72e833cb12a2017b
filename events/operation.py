"""What an operator stopped or released."""

from typing import Annotated, ClassVar

from pydantic import Field

from events.event import Category, Event
from events.references import Reference
from events.secret import Explanation


class ScopeRef(Reference):
    """What a suspension covers: everything (`*`), a namespace (`orders`), one resource (`orders/name`), or a path of
    the authority (`secret/platform-data/postgres/orders`)."""

    scope: Annotated[
        str, Field(max_length=1025, pattern=r"^(\*|[A-Za-z0-9_][-A-Za-z0-9_.]*(/[A-Za-z0-9_][-A-Za-z0-9_.]*)*)$")
    ]

    @property
    def subject(self) -> str:
        return f"scopes/{self.scope}"


class SuspensionChanged(Event):
    """An operator stopped or released writing for a scope."""

    TYPE: ClassVar[str] = "dev.lockstep.suspension.changed"
    CATEGORY: ClassVar[Category] = Category.FACT

    scope: ScopeRef
    suspended: bool
    by: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]
    explanation: Explanation
    serial: Annotated[int, Field(ge=0)]

    @property
    def about(self) -> ScopeRef:
        return self.scope

    @property
    def state(self) -> str:
        return str(self.serial)
