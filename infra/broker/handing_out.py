"""Deliveries that begin while their events become durable: a disk takes longer than most steps take to start.

An event is a hint and steps are idempotent by state, so nothing is lost by being early: who sent the event has no
answer yet, and sends again. What may not be early is everything that others rely on: the sender's answer, and that an
older event which still retries makes way for this one.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from infra.broker.lanes import Delivery
from infra.broker.settler import Accepted

T = TypeVar("T")


class HandingOut(Generic[T]):
    """What a writer's job hands out before its commit (`Ahead`). `events` reads its result."""

    def __init__(
        self,
        events: Callable[[T], list[Accepted]],
        hand_out: Callable[[list[Accepted]], list[Delivery]],
        withdraw: Callable[[list[Accepted], list[Delivery]], object],
    ) -> None:
        self._events = events
        self._hand_out = hand_out
        self._withdraw = withdraw
        self._accepted: list[Accepted] = []
        self.deliveries: list[Delivery] = []

    def give(self, result: T, /) -> None:
        self._accepted = self._events(result)
        self.deliveries = self._hand_out(self._accepted)

    def take_back(self) -> None:
        self._withdraw(self._accepted, self.deliveries)
        self.deliveries = []
