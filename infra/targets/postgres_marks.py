"""When a role's password was set, kept where everybody who may set it may write: at the end of the role's comment.

The server keeps no such moment, and revocation needs it by the server's own clock: sessions that began before it used
the former password. What people wrote in the comment stays.
"""

import re
from datetime import datetime

_MARK = re.compile(r" ?\[lockstep: password set at ([^\],]{19,40})(?:, rotation [0-9a-zA-Z-]{1,64})?\]\Z")


def marked(comment: str, now: str, rotation: str) -> str:
    """The comment with this mark in place of the former. `now`: ISO 8601 with the time zone."""
    return f"{_MARK.sub('', comment)} [lockstep: password set at {now}{rotation and f', rotation {rotation}'}]".lstrip()


def set_at(comment: str) -> datetime | None:
    """When the mark says; None without one, or with one that nobody can read."""
    found = _MARK.search(comment)
    try:
        moment = datetime.fromisoformat(found[1]) if found else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
