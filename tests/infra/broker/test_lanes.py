"""Order per key, and who overtakes whom."""

from infra.broker.lanes import Delivery, Lane, Lanes, LaneState


def delivery(sequence: int, key: str = "k", type_: str = "t") -> Delivery:
    return Delivery(sequence, "route", key, (type_, key), ttl=255)


def come(lanes: Lanes, delivery: Delivery, *, ordered: bool) -> list[Lane]:
    """A delivery that is durable at once; the lanes to start."""
    return lanes.add(delivery, ordered) + lanes.announce(delivery)


def test_what_is_not_durable_yet_overtakes_nothing() -> None:
    lanes = Lanes()
    old, early = delivery(1), delivery(2)
    (lane,) = lanes.add(old, ordered=True)
    lanes.announce(old)
    old.attempts = 1
    lanes.wait(lane)
    assert lanes.add(early, ordered=True) == []
    assert not lanes.overtaken(old)
    assert lanes.announce(early) == [lane]
    assert lanes.overtaken(old)


def test_one_at_a_time_per_key_in_order() -> None:
    lanes = Lanes()
    first, second, other = delivery(1), delivery(2), delivery(3, "other")
    (lane,) = come(lanes, first, ordered=True)
    assert come(lanes, second, ordered=True) == []
    (beside,) = come(lanes, other, ordered=True)
    assert beside is not lane
    assert lane.head is first
    assert lanes.remove(lane, [first]) is lane
    assert lane.head is second
    assert lanes.remove(lane, [second]) is None
    assert come(lanes, delivery(4), ordered=True) != [], "an empty lane begins anew"


def test_without_order_everything_starts() -> None:
    lanes = Lanes()
    assert len(come(lanes, delivery(1), ordered=False)) == 1
    assert len(come(lanes, delivery(2), ordered=False)) == 1


def test_a_newer_event_wakes_the_one_that_waits_to_retry() -> None:
    lanes = Lanes()
    old = delivery(1)
    (lane,) = come(lanes, old, ordered=True)
    lane.enter(LaneState.BUSY)
    assert come(lanes, delivery(2), ordered=True) == [], "while it is attempted nothing is overtaken"
    old.attempts = 1
    lanes.wait(lane)
    assert come(lanes, delivery(3, type_="another"), ordered=True) == [], "another type is not newer news of the same"
    newest = delivery(4)
    assert come(lanes, newest, ordered=True) == [lane]
    assert lanes.overtaken(old)
    assert [one.sequence for one in lanes.superseded(lane)] == [1, 2]
    assert lanes.remove(lane, lanes.superseded(lane)) is lane
    assert [one.sequence for one in lane.queue] == [3, 4]
    assert not lanes.overtaken(newest)


def test_overtaking_works_across_lanes_where_there_is_no_order() -> None:
    lanes = Lanes()
    old = delivery(1)
    (lane,) = come(lanes, old, ordered=False)
    old.attempts = 1
    lanes.wait(lane)
    started = come(lanes, delivery(2), ordered=False)
    assert lane in started
    assert len(started) == 2


def test_a_delay_before_the_first_attempt_is_no_retry() -> None:
    lanes = Lanes()
    (lane,) = come(lanes, delivery(1), ordered=True)
    lanes.wait(lane)
    assert come(lanes, delivery(2), ordered=True) == []


def test_an_echo_runs_beside_what_it_repeats() -> None:
    lanes = Lanes()
    assert len(come(lanes, delivery(1), ordered=False)) == 1
    echo = Delivery(1, "route", "k", None, ttl=255, echo=True)
    assert len(come(lanes, echo, ordered=False)) == 1
