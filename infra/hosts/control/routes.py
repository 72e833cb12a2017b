"""The control API behind the command line: one function per request, JSON in and out.

It is served on the Unix socket only, to the user who runs Lockstep and to root. Documents are stable: fields are
added, never renamed. Nothing here holds a value.
"""

from typing import Any

from functions._failures import StepFailure
from infra.broker.errors import BrokerError
from infra.hosts.control.request import Arguments, ControlError
from infra.hosts.control.table import ROUTES
from infra.hosts.local.instance import Parts


def control(parts: Parts, method: str, path: str, arguments: Arguments, by: str) -> tuple[int, Any]:
    """Answer one request: HTTP status and a JSON document."""
    handler = ROUTES.get((method, path))
    if handler is None:
        return 404, {"error": f"no such request: {method} {path}; is this `lockstep` as new as the running one?"}
    try:
        return 200, handler(parts, arguments, by)
    except ControlError as error:
        return error.status, {"error": error.message}
    except StepFailure as failure:
        return 503, {"error": failure.reason}
    except BrokerError as failure:
        return 503, {"error": str(failure)}
