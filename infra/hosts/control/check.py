"""Everything that `lockstep check` looks at."""

from dataclasses import asdict
from typing import Any

from infra.hosts.checks import checks
from infra.hosts.control.request import Arguments
from infra.hosts.local.instance import Parts


def checked(parts: Parts, arguments: Arguments, by: str) -> dict[str, Any]:
    """All checks; `passed` is false where one failed."""
    found = list(checks(parts))
    return {"checks": [asdict(check) for check in found], "passed": all(check.status != "fail" for check in found)}
