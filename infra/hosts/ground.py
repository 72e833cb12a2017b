"""What a step that runs alone stands on, wherever that is: its adapters, and what is asked and told around it."""

from collections.abc import Callable
from dataclasses import dataclass

from events.event import Event
from functions._step import Step
from infra.hosts.answering import Refusal
from infra.hosts.configuration import Configuration
from infra.hosts.platform import Notice
from infra.hosts.wiring import Shared


def _usable() -> str:
    return ""


def _unheard(event: Event) -> None:
    """Nobody shows outcomes here."""


def _unrefused(step: str, event: Event, reason: str) -> None:
    """Nobody shows refusals here."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a ground is made for, wherever that is. `address` is the authority's."""

    step: Step
    configuration: Configuration
    address: str
    notice: Notice

    @property
    def servers(self) -> tuple[str, ...]:
        """What a ClusterSecretStore's `server` may say."""
        return (self.address, *self.configuration.authority.allowed_servers)


@dataclass(frozen=True, slots=True)
class Ground:
    """`unusable` says why the place cannot be used now, "" when it can; `step` is the step as it is run there."""

    step: Step
    shared: Shared
    unusable: Callable[[], str] = _usable
    observe: Callable[[Event], None] = _unheard
    refused: Refusal = _unrefused
