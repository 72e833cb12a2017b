"""ISO 8601 durations as Knative's delivery specification writes them (PT0.2S, PT1M30S, P1D)."""

import re

_DURATION = re.compile(
    r"P(?:(?P<days>\d{1,4})D)?(?:T(?:(?P<hours>\d{1,5})H)?(?:(?P<minutes>\d{1,6})M)?"
    r"(?:(?P<seconds>\d{1,8}(?:[.,]\d{1,9})?)S)?)?",
    re.ASCII,
)
_SECONDS = {"days": 86400.0, "hours": 3600.0, "minutes": 60.0, "seconds": 1.0}


def parse_duration(text: str) -> float:
    """Seconds of an ISO 8601 duration. Raises ValueError: years and months have no fixed length, and are refused."""
    match = _DURATION.fullmatch(text)
    parts = {name: value for name, value in match.groupdict().items() if value} if match else {}
    if not parts or text.endswith("T"):
        raise ValueError(f"{text[:40]!r} is not an ISO 8601 duration of days and time, such as PT0.2S or PT1M")
    return sum(float(value.replace(",", ".")) * _SECONDS[name] for name, value in parts.items())
