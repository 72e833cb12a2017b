"""POST fingerprint/index: bring the index of fingerprints up to date. GET fingerprint/index: whether it is.

Who searches asks for it as triage does: by an order to the step that keeps the index, and looks at nothing himself.
"""

import time
from datetime import UTC, datetime, timedelta

from events.leak import IndexRequested
from functions.index import behind
from infra.hosts.control.arguments import ports_of, seconds, text, whole
from infra.hosts.control.documents import Document
from infra.hosts.control.fingerprinting import index_of, permit
from infra.hosts.control.ordering import give
from infra.hosts.control.request import Arguments, ControlError
from infra.hosts.local.instance import Parts

LONGEST = 2.0  # seconds that one request waits: it holds a thread, and the process may be told to end
_LOOK = 0.25  # seconds between two looks


def order(parts: Parts, arguments: Arguments, by: str) -> Document:
    """Order a round; `since` is what it has to be newer than, `order` its number."""
    permit(parts, by)
    now = datetime.now(UTC)
    lifetime = timedelta(seconds=parts.shared.settings.order_lifetime)
    wanted = IndexRequested(since=now, expires=now + lifetime, reason=f"{by} searches for known values")
    (sequence,) = give(parts, (wanted,), by)
    return {"since": now.isoformat(), "order": sequence}


def standing(parts: Parts, arguments: Arguments, by: str) -> Document:
    """Whether a round that began after `since` saw everything; else, whether `order` is still under way.

    Answers after `seconds` (at most LONGEST) at the latest. With `count`, the paths that are newer than the index are
    named, which takes as long as they are many.
    """
    permit(parts, by)
    since, ordered = _since(arguments), whole(arguments, "order")
    end, index = time.monotonic() + seconds(arguments, "seconds", LONGEST), index_of(parts)
    while True:
        under_way = any(one.event == ordered for one in parts.evidence.whereabouts.pending())
        newest = index.round()  # read after that: what is over has said what it saw
        done = newest is not None and newest >= since
        if done or not under_way or time.monotonic() >= end:
            break
        time.sleep(_LOOK)
    left_out = [str(path) for path in behind(ports_of(parts)("index"))] if arguments.get("count") is True else []
    return {
        "done": done, "underWay": under_way, "known": len(index.known()), "behind": left_out,
        "givenUp": _given_up(parts, ordered),
    }  # fmt: skip


def _given_up(parts: Parts, ordered: int) -> str:
    letters = parts.evidence.dead_letters.list(limit=1000)
    return next((one.reason for one in letters if one.event == ordered), "")


def _since(arguments: Arguments) -> datetime:
    try:
        since = datetime.fromisoformat(text(arguments, "since"))
    except ValueError:
        raise ControlError(400, "`since` is no RFC 3339 time") from None
    if since.tzinfo is None:
        raise ControlError(400, "`since` names no time zone")
    return since
