"""What an answer means for a delivery: complete, try again and when, or give up (reference, events.md 1)."""

from enum import Enum, auto

from infra.broker.subscriber import NETWORK_ERROR, Answer
from infra.broker.trigger import DeliverySpec

_RETRIED = frozenset({NETWORK_ERROR, 404, 408, 409, 429})
_MAX_EXPONENT = 40  # beyond it every cap is reached, and floats stay finite


class Verdict(Enum):
    """What becomes of a delivery after an attempt."""

    COMPLETE = auto()
    RETRY = auto()
    GIVE_UP = auto()


def retryable(status: int) -> bool:
    return status >= 500 or status in _RETRIED


def judge(answer: Answer, failures: int, spec: DeliverySpec) -> Verdict:
    """`failures` counts this attempt too, if it failed."""
    if 200 <= answer.status < 300:
        return Verdict.COMPLETE
    if retryable(answer.status) and failures < spec.attempts:
        return Verdict.RETRY
    return Verdict.GIVE_UP


def pause(answer: Answer, failures: int, spec: DeliverySpec, *, cap: float, jitter: float) -> float:
    """Seconds until the next attempt, after `failures` failed ones (at least 1).

    `jitter` from 0 to 1 spreads the back-off over 75 % to 125 %; `cap` bounds it (eventing#9278: uncapped, it
    reaches days). A Retry-After of a 429 or 503 is a lower bound, itself bounded by retryAfterMax, else by `cap`.
    """
    if spec.backoff_policy == "linear":
        delay = spec.backoff_delay * failures
    else:
        delay = spec.backoff_delay * 2.0 ** min(failures - 1, _MAX_EXPONENT)
    delay = min(delay * (0.75 + 0.5 * jitter), cap)
    if answer.retry_after is not None and answer.status in (429, 503):
        asked = min(answer.retry_after, cap if spec.retry_after_max is None else spec.retry_after_max)
        delay = max(delay, asked)
    return delay
