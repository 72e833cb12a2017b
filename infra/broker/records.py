"""What is known of events and deliveries, as plain records. Times are microseconds since the epoch."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Head:
    """An event without its data. `repeated`: this id was accepted before."""

    sequence: int
    at: int
    id: str
    source: str
    type: str
    subject: str | None
    correlation: str
    principal: str
    repeated: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened to an event. `outcome` is `accepted` or a State's name in lower case with hyphens;
    `took` is microseconds of the attempt, `route` the Trigger."""

    sequence: int
    at: int
    route: str | None
    outcome: str
    attempts: int
    took: int
    status: int
    reason: str | None
    event: Head


@dataclass(frozen=True, slots=True)
class Trace:
    """All that happened to one event, in order, and the routes that it is still to go."""

    event: Head
    lines: tuple[Line, ...]
    open: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A delivery that was given up.

    `outcome` is `replayed`, `dropped` or `superseded` (by a newer event) once `closer` closed it, else None.
    """

    n: int
    event: int
    route: str
    at: int
    destination: str
    code: int
    reason: str
    attempts: int
    closed: int | None
    outcome: str | None
    closer: str | None
    id: str
    source: str
    type: str
    subject: str | None
    correlation: str


@dataclass(frozen=True, slots=True)
class Pending:
    """A delivery that is not over. `state` is `pending`, `retried` or `held` (until its step is ready).

    `due` is when it is attempted again; None for one that waits for its turn or for its step. `status` and `reason`
    are of the last attempt (0 and "" before the first).
    """

    event: int
    route: str
    state: str
    attempts: int
    due: int | None
    status: int
    reason: str
    type: str
    subject: str | None
    accepted: int


@dataclass(frozen=True, slots=True)
class Said:
    """The newest event about a subject."""

    sequence: int
    at: int
    type: str
    principal: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """The chain's head as signed by key version `key_version` and stored at the authority as `authority_version`."""

    n: int
    hash: bytes
    signature: str
    key_version: int
    authority_version: int
    at: int


@dataclass(frozen=True, slots=True)
class Health:
    """How a broker does.

    `running`: it accepts and delivers. `stalled_for` is the age of the oldest pending event in seconds. `held` counts,
    by Trigger, deliveries that wait for their subscriber or Trigger. `full`: the last write failed for want of space.
    """

    running: bool
    pending: int
    stalled_for: float
    held: Mapping[str, int]
    dead_letters: int
    full: bool
