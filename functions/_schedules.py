"""When a scheduled rotation is due: an interval since the newest version, or a cron expression in a time zone."""

import hashlib
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from events.references import PathRef
from functions._manifests.rotation import Rotation


def parse_cron(expression: str) -> None:
    """Check a cron expression of five fields. Raises ValueError with what to write."""
    try:
        CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise ValueError(f"cron: {error}; write five fields, as in '30 3 * * sun'") from None


def zone_named(name: str) -> tzinfo:
    """A time zone by its IANA name. Raises ValueError."""
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # no such zone; no name of one; a folder of zones
        raise ValueError(f"timeZone {name[:64]!r} is none; write it as 'Europe/Berlin'") from None


def due(rotation: Rotation, path: PathRef, since: datetime) -> datetime | None:
    """When a value that became current at `since` is to be replaced, by schedule or age; None: never by itself.

    Jitter puts a scheduled rotation off, the same for every look at the same version; a maximum age it never passes.
    """
    moments = [moment for moment in (_scheduled(rotation, path, since), _aged(rotation, since)) if moment is not None]
    return min(moments, default=None)


def _scheduled(rotation: Rotation, path: PathRef, since: datetime) -> datetime | None:
    schedule = rotation.spec.schedule
    if schedule is None:
        return None
    spread = timedelta(seconds=schedule.jitter * _fraction(path, since))
    if schedule.interval is not None:
        return since + timedelta(seconds=schedule.interval) + spread
    following = next(CronSim(schedule.cron or "", since.astimezone(zone_named(schedule.time_zone))), None)
    return following.astimezone(UTC) + spread if following is not None else None


def _aged(rotation: Rotation, since: datetime) -> datetime | None:
    age = rotation.spec.maximum_age
    return since + timedelta(seconds=age) if age is not None else None


def _fraction(path: PathRef, since: datetime) -> float:
    digest = hashlib.sha256(f"{path}@{since.isoformat()}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
