"""Which part of the wiring one tick of a sharded schedule is about."""

import hashlib

from events.references import Reference
from events.schedule import ScheduleTicked

SWEEP = "sweep"  # the schedule of the rounds that find what events missed
START = "start"  # ticks once, when a process starts that delivers what steps say before it is durable


def in_shard(reference: Reference, event: ScheduleTicked) -> bool:
    """Every reference is in exactly one shard of a round."""
    digest = hashlib.sha256(reference.subject.encode()).digest()
    return int.from_bytes(digest[:4], "big") % event.shards == event.shard
