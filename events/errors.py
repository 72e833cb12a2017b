"""The one error that reading an event may raise."""


class EventError(ValueError):
    """What arrived is not an event of this contract; the message tells the sender what to mend.

    Messages quote attribute names and shapes, never data: an event that should not hold a secret may hold one.
    """
