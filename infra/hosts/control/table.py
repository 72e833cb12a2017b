"""Every request of the control API: (method, name) -> handler. One line per request."""

from infra.hosts.control.request import Handler

ROUTES: dict[tuple[str, str], Handler] = {}
