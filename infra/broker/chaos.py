"""A dispatcher that misbehaves within its promises: late, out of order, twice, at the same time, replies lost.

Whatever is correct under it is correct under any at-least-once broker. For tests; off unless asked for.
"""

import random
from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True, slots=True)
class Chaos:
    """Probabilities from 0 to 1; `delay` is the longest shuffle in seconds."""

    seed: int = 0
    repeat: float = 0.3  # a delivery comes again, later, after it was completed
    lose_reply: float = 0.2  # an answer is lost, and the delivery made again
    delay: float = 0.003


class Dice:
    """The random choices of one dispatcher; usable from several threads."""

    def __init__(self, chaos: Chaos) -> None:
        self._chaos = chaos
        self._random = random.Random(chaos.seed)  # noqa: S311 - reproducible, no secret
        self._lock = Lock()

    def delay(self) -> float:
        with self._lock:
            return self._random.uniform(0.0, self._chaos.delay)

    def repeats(self) -> bool:
        return self._roll() < self._chaos.repeat

    def loses_reply(self) -> bool:
        return self._roll() < self._chaos.lose_reply

    def _roll(self) -> float:
        with self._lock:
            return self._random.random()
