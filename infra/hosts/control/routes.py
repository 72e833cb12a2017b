"""The control API behind the command line: one function per request, JSON in and out."""

from typing import Any

from infra.hosts.local.instance import Parts


def control(parts: Parts, method: str, path: str, arguments: dict[str, Any], by: str) -> tuple[int, Any]:
    """Answer one request: HTTP status and a JSON document."""
    return 404, {"error": f"no such request: {method} {path}"}
