"""Wall-clock time as the database keeps it. The broker takes its clock as a parameter; scheduling is monotonic."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], float]  # seconds since the epoch, as time.time


def micros(seconds: float) -> int:
    return int(seconds * 1_000_000)


def rfc3339(at: int) -> str:
    """Microseconds since the epoch as an RFC 3339 timestamp in UTC."""
    return datetime.fromtimestamp(at / 1_000_000, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
