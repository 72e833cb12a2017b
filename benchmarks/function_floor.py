"""The floor of a cold start: an empty function behind func-python, answering every event with nothing."""

from typing import Any

from func_python.cloudevent import serve


class Function:
    """Nothing but an answer."""

    async def handle(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send.http({"type": "http.response.start", "status": 204, "headers": []})
        await send.http({"type": "http.response.body", "body": b""})


def new() -> Function:
    """func's constructor of a function."""
    return Function()


if __name__ == "__main__":
    serve(new)
