"""What every request to the control API is, and how it fails. Handlers import this; `table.py` imports handlers."""

from collections.abc import Callable
from typing import Any

from infra.hosts.local.instance import Parts

Arguments = dict[str, Any]
Handler = Callable[[Parts, Arguments, str], Any]  # parts, arguments, who asks -> a JSON document


class ControlError(Exception):
    """A request that cannot be carried out: `status` as HTTP, a message that says what to do next."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
