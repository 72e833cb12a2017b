"""Since when a target's data is what it is: the mark that materialize leaves and that restarts go by.

A stamp moves with every version, also where the keys that a target takes stayed the same. What running containers
lack is data, so the mark moves only when a new stamp brought other data. It holds no value and no digest of one:
a digest of the stamp, and the time of writing.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime

from events.references import Version
from functions._marks import DATA_SINCE
from functions._ports import Secret
from functions._values import SecretData


def mark(target: Secret | None, data: SecretData, stamp: Mapping[str, Version], now: datetime) -> str:
    """The mark of a target written with this data and stamp; "" where its data was there before anybody marked it."""
    if target is not None and (dict(target.data) == dict(data) or dict(target.stamp) == dict(stamp)):
        return target.annotations.get(DATA_SINCE, "")
    said = "\n".join(f"{path}={v.number}@{v.created.isoformat()}{v.id}" for path, v in sorted(stamp.items()))
    return f"{hashlib.sha256(said.encode()).hexdigest()[:32]}@{now.isoformat()}"


def marked_at(text: str) -> datetime | None:
    """The time of a mark; None for none, or one that somebody spoilt."""
    try:
        moment = datetime.fromisoformat(text.partition("@")[2])
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
