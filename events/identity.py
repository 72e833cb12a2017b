"""Event ids that a redelivery reproduces (DESIGN, "State identity").

A fact said twice has one id, so a ledger can tell a repetition from a second change; an order's id comes from
its cause, so that the retry of the step that gave it gives the same order again.
"""

import hashlib


def _digest(*parts: str) -> str:
    hasher = hashlib.sha256()
    for part in parts:
        raw = part.encode()
        hasher.update(len(raw).to_bytes(8, "big"))  # lengths keep ("ab","c") and ("a","bc") apart
        hasher.update(raw)
    return hasher.hexdigest()[:32]


def fact_id(event_type: str, subject: str, state: str, outcome: str) -> str:
    """The id of a fact: 32 hexadecimal digits."""
    return _digest("fact", event_type, subject, state, outcome)


def order_id(cause: str, step: str, subject: str, ordinal: int) -> str:
    """The id of an order: `cause` is the id of the event whose handling gave it, `ordinal` its place there."""
    return _digest("order", cause, step, subject, str(ordinal))
