"""The order of deliveries on one route: a queue per key, of which only the first is under way. Pure; no threads."""

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

from events.cloudevent import CloudEvent

Group = tuple[str, str]  # type and subject: what a newer event supersedes


@dataclass(slots=True, eq=False)
class Delivery:
    """An event on its way along one route. `event` is None until it is loaded; `delay` is seconds to its first start.

    `echo` marks a repetition that chaos made up, or an event that was handed out and could not be stored: it leaves no
    record. `proves`: whoever gets it goes by that it was accepted, so it does not begin before it is durable.
    """

    sequence: int
    route: str
    key: str
    group: Group | None
    ttl: int
    attempts: int = 0
    event: CloudEvent | None = None
    delay: float = 0.0
    held: bool = False
    echo: bool = False
    proves: bool = False

    @property
    def tried(self) -> bool:
        return self.attempts > 0 or self.held


class LaneState(Enum):
    """What the first delivery of a lane does."""

    READY = auto()  # handed to the workers
    BUSY = auto()  # being attempted, or its outcome being stored
    WAITING = auto()  # for its next attempt
    PARKED = auto()  # for its subscriber to become ready


class Lane:
    """Deliveries of one key in order. `turn` grows whenever the state changes, so that old timers are told apart."""

    __slots__ = ("key", "queue", "state", "turn")

    def __init__(self, key: str | int) -> None:
        self.key = key
        self.queue: deque[Delivery] = deque()
        self.state = LaneState.READY
        self.turn = 0

    @property
    def head(self) -> Delivery:
        return self.queue[0]

    def enter(self, state: LaneState) -> int:
        self.state = state
        self.turn += 1
        return self.turn


class Lanes:
    """All lanes of one route."""

    def __init__(self) -> None:
        self._lanes: dict[str | int, Lane] = {}
        self._newest: dict[Group, int] = {}
        self._retrying: dict[Group, Lane] = {}

    def add(self, delivery: Delivery, ordered: bool) -> list[Lane]:
        """Queue a delivery. The lanes to start: its own, if it is the first there."""
        key: str | int = delivery.key if ordered else delivery.sequence
        if delivery.echo:
            key = -delivery.sequence  # beside the lane of what it repeats
        lane = self._lanes.get(key)
        if lane is not None:
            lane.queue.append(delivery)
            return []
        lane = self._lanes[key] = Lane(key)
        lane.queue.append(delivery)
        return [lane]

    def announce(self, delivery: Delivery) -> list[Lane]:
        """A queued delivery is durable, so that older ones of its type and subject make way. The lanes to start: one
        that waits to retry such a one."""
        start = self._waiting_behind(delivery)
        if delivery.group is not None:
            self._newest[delivery.group] = max(self._newest.get(delivery.group, 0), delivery.sequence)
        return start

    def overtaken(self, delivery: Delivery) -> bool:
        """Whether a newer event of the same type and subject came for this route and is not through."""
        return delivery.group is not None and self._newest.get(delivery.group, 0) > delivery.sequence

    def superseded(self, lane: Lane) -> list[Delivery]:
        """The first of the lane, and those behind it that the same newer event overtook."""
        group, newest = lane.head.group, self._newest.get(lane.head.group or ("", ""), 0)
        return [d for d in lane.queue if d is lane.head or (d.group == group and d.sequence < newest)]

    def wait(self, lane: Lane) -> int:
        """The first of the lane waits for a retry; the turn that its timer must show."""
        if lane.head.group is not None and lane.head.tried:
            self._retrying[lane.head.group] = lane
        return lane.enter(LaneState.WAITING)

    def start(self, lane: Lane) -> None:
        """The first of the lane goes to the workers."""
        self._forget_retrying(lane)
        lane.enter(LaneState.READY)

    def remove(self, lane: Lane, gone: list[Delivery]) -> Lane | None:
        """Take out deliveries that are over. The lane, if there is more in it to start."""
        self._forget_retrying(lane)
        if len(gone) == 1 and gone[0] is lane.head:
            lane.queue.popleft()
        else:
            over = set(map(id, gone))
            lane.queue = deque(d for d in lane.queue if id(d) not in over)
        for delivery in gone:
            if delivery.group is not None and self._newest.get(delivery.group) == delivery.sequence:
                del self._newest[delivery.group]
        if lane.queue:
            return lane
        del self._lanes[lane.key]
        return None

    def _waiting_behind(self, delivery: Delivery) -> list[Lane]:
        lane = self._retrying.get(delivery.group) if delivery.group is not None else None
        if lane is None or lane.state is not LaneState.WAITING or lane.head.sequence >= delivery.sequence:
            return []
        return [lane]

    def _forget_retrying(self, lane: Lane) -> None:
        group = lane.head.group
        if group is not None and self._retrying.get(group) is lane:
            del self._retrying[group]
