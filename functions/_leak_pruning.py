"""Findings that came to nothing are forgotten after a while; the ledger keeps what was told of them.

Those that triage dismissed are kept for a week, and no more than so many: beyond that, the days before go first. What
an operator dismissed stays dismissed for a quarter after it was last told, however many others there are.
"""

from datetime import timedelta

from functions._failures import Conflict, Reject, Retry
from functions._leak_joining import forget
from functions._leak_records import DISMISSED, KEPT, reminder_of
from functions._ports import Ports

MOST = 500


def prune(ports: Ports) -> None:
    """Forget those whose time is over, and the oldest of too many (LEAK_REMOVE, REMINDER_WRITE)."""
    now = ports.clock.now()
    reminders = ports.reminders.due(DISMISSED, now + KEPT + timedelta(days=2))
    too_many = len(reminders) - MOST
    for number, reminder in enumerate(reminders):
        if number >= too_many and reminder.minute > now:
            return
        try:
            leak = ports.leaks.read(reminder.subject.removeprefix("leaks/"))
            if leak is not None and reminder_of(leak) == reminder:
                forget(leak, ports)
            else:
                ports.reminders.remove(reminder)
        except (Conflict, Retry, Reject):
            continue  # told again meanwhile, or spoilt: it holds up no other
