"""The body of an HTTP request, read to its end within a limit, for whoever takes events over ASGI."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

from infra.broker.errors import RefusedError


@dataclass(frozen=True, slots=True)
class Limit:
    """`largest` is in bytes. `too_large` and `cut_off` are told to the sender: as 413, and as 400."""

    largest: int
    too_large: str
    cut_off: str

    def check(self, size: int) -> None:
        """Raises RefusedError 413."""
        if size > self.largest:
            raise RefusedError(413, self.too_large)


async def whole_body(
    headers: Iterable[tuple[bytes, bytes]], receive: Callable[[], Awaitable[MutableMapping[str, Any]]], limit: Limit
) -> bytes:  # fmt: skip
    """All of it; what announces more than the limit is not waited for. Raises RefusedError."""
    announced = next((value for name, value in headers if name.lower() == b"content-length"), b"0")
    limit.check(int(announced[:12]) if announced.isdigit() else 0)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise RefusedError(400, limit.cut_off)
        part: bytes = message.get("body", b"")
        size += len(part)
        limit.check(size)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)
