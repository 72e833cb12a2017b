"""Lines of an audit device, as OpenBao 2.7 writes them, shortened to what is looked at and a little more."""

import json
from typing import Any

from events.references import PathRef

HMAC = "hmac-sha256:97b4de828b420c0316ee5b5a2fc613777b1036e81bf3dcf011641b6e865f8fa8"
PATH = PathRef(mount="secret", path="auth/app")


def document(
    operation: str = "create", path: str = "secret/data/auth/app", *, kind: str = "response", request_id: str = "r-1",
    policies: tuple[str, ...] = ("people",), entity: str = "e-1", **request: Any,
) -> dict[str, Any]:  # fmt: skip
    """A line's object; further arguments are members of its request (None: without it)."""
    asked = {
        "id": request_id, "client_id": entity, "operation": operation, "mount_point": "secret/", "mount_type": "kv",
        "namespace": {"id": "root"}, "path": path, "data": {"data": {"x": HMAC}}, "remote_address": "127.0.0.1",
        **request,
    }  # fmt: skip
    found: dict[str, Any] = {
        "time": "2026-11-22T10:00:27.640090633Z", "type": kind,
        "auth": {"client_token": HMAC, "display_name": "token", "policies": list(policies), "entity_id": entity},
        "request": {name: value for name, value in asked.items() if value is not None},
    }  # fmt: skip
    if kind == "response":
        found["response"] = {"mount_type": "kv", "data": {"created_time": "2026-11-22T10:00:27Z", "version": 1}}
    return found


def line(*args: Any, **kwargs: Any) -> bytes:
    """As the device writes it, without its end."""
    return text(document(*args, **kwargs))


def text(found: object) -> bytes:
    return json.dumps(found, separators=(",", ":")).encode()
