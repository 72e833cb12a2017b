"""Regular expressions of manifests: RE2, so that no pattern takes more than linear time (DESIGN, "Rules")."""

from functools import lru_cache
from typing import Any

from functions._failures import Reject

LONGEST = 1000  # characters of a pattern
_MEMORY = 1 << 20  # bytes that one compiled pattern may take


@lru_cache(maxsize=4096)
def compile_expression(pattern: str) -> Any:
    """The compiled RE2 pattern (`search`, `fullmatch`, `sub`). Raises Reject naming what is wrong with it."""
    import re2  # here: a wiring without expressions starts without it

    if len(pattern) > LONGEST:
        raise Reject(f"regular expression of {len(pattern)} characters; at most {LONGEST} are allowed")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise Reject(f"regular expression {pattern[:80]!r} is not valid RE2: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else "it does not compile"
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
