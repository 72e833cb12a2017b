"""Orders hold for a time (DESIGN, "Who may say and do what")."""

from datetime import datetime, timedelta

from events.orders import Order
from functions._failures import Reject
from functions._ports import Ports


def expiry(ports: Ports) -> datetime:
    """Until when an order given now holds."""
    return ports.clock.now() + timedelta(seconds=ports.settings.order_lifetime)


def refuse_expired(order: Order, ports: Ports) -> None:
    """Raises Reject for an order whose time is over.

    Only where coming late does harm. To look at something again is never harmful: such an order, held while the
    authority was sealed, is carried out whenever it arrives.
    """
    if ports.clock.now() > order.expires:
        raise Reject(f"{order.TYPE} for {order.about.subject} expired at {order.expires.isoformat()}; give it again")
