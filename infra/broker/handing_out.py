"""Deliveries that begin while their events become durable: a disk takes longer than most steps take to start.

An event is a hint and steps are idempotent by state, so nothing is lost by being early: who sent the event has no
answer yet, and sends again; what a step replied is lost together with the end of its delivery, which is made again. Its
steps may have gone far by then: whoever comes again carries on from the state (tests/functions/test_rewound.py). What
may not be early is everything that others rely on: the sender's answer, that an older event which still retries makes
way for this one, and the delivery to whoever takes it as proof that the event was accepted.
"""

from collections.abc import Callable, Sequence

from infra.broker.intake import Accepted, Incoming
from infra.broker.lanes import Delivery
from infra.broker.transaction import Transaction


class HandingOut:
    """What a writer's job hands out before it writes it down (`Ahead`): the job stores what is `accepted` then.

    `caused`: of a delivery that ends in the same job; its line in the timeline, `cause`, comes before theirs. `pressed`
    is asked in the thread where they were handed out: whether it goes on with one of them.
    """

    def __init__(
        self, incoming: Sequence[Incoming],
        hand_out: Callable[[list[Accepted]], list[Delivery]],
        withdraw: Callable[[list[Accepted], list[Delivery]], object],
        *, caused: bool = False, pressed: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self._incoming = incoming
        self._hand_out = hand_out
        self._withdraw = withdraw
        self._caused = caused
        self.pressed = pressed
        self._given = self._failed = False
        self.cause: int | None = None
        self.accepted: list[Accepted] = []
        self.deliveries: list[Delivery] = []

    def number(self, transaction: Transaction) -> None:
        self.cause = transaction.next() if self._caused else None
        self.accepted = [(transaction.next(), one) for one in self._incoming]

    def give(self, *, durable: bool) -> None:
        """Begin the deliveries; of what could not be stored once, no more before it is: a disk may be full for long."""
        if not self._given and (durable or not self._failed):
            self._given = True
            self.deliveries = self._hand_out(self.accepted)

    def take_back(self) -> None:
        if self._given:
            self._withdraw(self.accepted, self.deliveries)
        self.deliveries, self._given, self._failed = [], False, True
