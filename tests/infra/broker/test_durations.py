"""ISO 8601 durations."""

import pytest

from infra.broker.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT0.2S", 0.2), ("PT1M30S", 90), ("P1D", 86400), ("P1DT2H", 93600), ("PT0S", 0), ("PT1,5S", 1.5)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "P", "PT", "P1DT", "1S", "PT1", "P1Y", "P1M", "PT-1S", "PT1S ", "0.2s", "PT٣S"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not an ISO 8601 duration"):
        parse_duration(text)
