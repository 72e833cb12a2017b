"""What an answer means, and how long to wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.broker.delivery import Verdict, judge, pause
from infra.broker.subscriber import NETWORK_ERROR, Answer
from infra.broker.trigger import DeliverySpec

SPEC = DeliverySpec(retry=2)


@pytest.mark.parametrize("status", [200, 202, 204])
def test_success(status: int) -> None:
    assert judge(Answer(status), 1, SPEC) is Verdict.COMPLETE


@pytest.mark.parametrize("status", [NETWORK_ERROR, 404, 408, 409, 429, 500, 502, 503, 504])
def test_retried_until_attempts_are_used_up(status: int) -> None:
    assert [judge(Answer(status), n, SPEC) for n in (1, 2, 3)] == [Verdict.RETRY, Verdict.RETRY, Verdict.GIVE_UP]


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 410, 413, 422])
def test_given_up_at_once(status: int) -> None:
    assert judge(Answer(status), 1, SPEC) is Verdict.GIVE_UP


def test_back_off_doubles_or_grows_and_is_capped() -> None:
    answer = Answer(500)
    doubling = [pause(answer, n, DeliverySpec(), cap=1.0, jitter=0.5) for n in range(1, 6)]
    assert doubling == pytest.approx([0.2, 0.4, 0.8, 1.0, 1.0])
    linear = DeliverySpec(backoff_policy="linear", backoff_delay=0.3)
    assert [pause(answer, n, linear, cap=1.0, jitter=0.5) for n in range(1, 5)] == pytest.approx([0.3, 0.6, 0.9, 1.0])


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_back_off_is_bounded_whatever_happens(failures: int, jitter: float) -> None:
    assert 0.0 < pause(Answer(500), failures, DeliverySpec(), cap=30.0, jitter=jitter) <= 30.0


def test_retry_after_is_a_lower_bound_that_is_bounded_itself() -> None:
    def wait(answer: Answer, spec: DeliverySpec) -> float:
        return pause(answer, 1, spec, cap=30.0, jitter=0.5)

    assert wait(Answer(503, retry_after=7.0), DeliverySpec()) == 7.0
    assert wait(Answer(429, retry_after=3600.0), DeliverySpec()) == 30.0
    assert wait(Answer(429, retry_after=3600.0), DeliverySpec(retry_after_max=60.0)) == 60.0
    assert wait(Answer(503, retry_after=7.0), DeliverySpec(retry_after_max=0.0)) == pytest.approx(0.2)
    assert wait(Answer(500, retry_after=7.0), DeliverySpec()) == pytest.approx(0.2)
    assert wait(Answer(503, retry_after=0.0), DeliverySpec()) == pytest.approx(0.2)
