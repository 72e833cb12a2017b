from events.catalogue import EVENTS
from events.envelope import issue, read
from events.examples import EXAMPLES, NOW
from events.http_binding import decode, encode_binary


def test_there_is_one_example_of_every_type() -> None:
    assert [type(event) for event in EXAMPLES] == list(EVENTS)


def test_every_example_travels() -> None:
    for event in EXAMPLES:
        assert read(decode(*encode_binary(issue(event, source="/s", now=NOW)))).event == event
