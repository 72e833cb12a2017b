"""Who sends events. Principals are made by the host from sockets and tokens, never from what an event says."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["anonymous", "step", "operator", "token", "reporter", "source", "subscriber"]


@dataclass(frozen=True, slots=True)
class Principal:
    """`str()` gives how rules, the ledger and the attribute `lockstepactor` name it: `step:publish`."""

    kind: Kind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind


ANONYMOUS = Principal("anonymous")  # somebody on the loopback interface who showed no credentials
