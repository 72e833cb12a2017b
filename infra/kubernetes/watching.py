"""A watch: what happens to the objects of one kind from a resource version on (Kubernetes, "API concepts").

One watch lives for minutes and then ends, by the server's will or a broken connection; what follows is another from
`resource_version`. Bookmarks come about every minute, so that a connection that is silent for longer is dead.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal
from urllib.parse import urlencode

from functions._failures import StepFailure, Unavailable
from infra.http.answers import BROKEN, Response
from infra.http.streaming import Stream
from infra.kubernetes.api import Api
from infra.kubernetes.credentials import DEPENDENCY
from infra.kubernetes.refusals import Call, Expired, Status, refusal
from infra.kubernetes.resources import Object, Resource

__all__ = ["Expired", "Watch", "WatchEvent", "watch"]

_ACCEPT = "application/json"
_ACCEPT_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_ERROR_BODY = 64 * 1024  # bytes of a refusal

Happening = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
_HAPPENINGS: dict[str, Happening] = {
    "ADDED": "ADDED", "MODIFIED": "MODIFIED", "DELETED": "DELETED", "BOOKMARK": "BOOKMARK",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """What happened to one object; a bookmark's holds nothing but its resource version."""

    type: Happening
    object: Object = field(repr=False)

    @property
    def resource_version(self) -> str:
        version = (self.object.get("metadata") or {}).get("resourceVersion")
        return version if isinstance(version, str) else ""


class Watch:
    """An open watch, read by one thread. `resource_version` is the newest that was handed over.

    Ends quietly when the server ends it, the connection breaks, nothing came for longer than `silence`, or somebody
    closes it. Raises Expired where the server has forgotten the position, StepFailure for other errors it reports.
    """

    def __init__(self, stream: Stream, call: Call, resource_version: str, longest: int) -> None:
        self.resource_version = resource_version
        self._stream = stream
        self._call = call
        self._longest = longest

    def __iter__(self) -> Iterator[WatchEvent]:
        try:
            for line in self._stream.lines(self._longest):
                if line.strip():
                    yield self._event(line)
        except BROKEN:
            return  # broken, or silent: whatever it did not say is said again from `resource_version` on
        finally:
            self._stream.release()

    def __enter__(self) -> "Watch":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.release()

    def close(self) -> None:
        """End the iteration, from any thread."""
        self._stream.close()

    def _event(self, line: bytes) -> WatchEvent:
        try:
            document = json.loads(line)
            kind, content = document["type"], document["object"]
            happening = _HAPPENINGS.get(kind)
        except (ValueError, KeyError, TypeError, RecursionError):
            kind, content, happening = "", None, None  # the decoding error holds the object: it goes no further
        if kind == "ERROR":
            raise self._reported(content)
        if happening is None or not isinstance(content, dict):
            raise Unavailable(DEPENDENCY, f"the watch of {self._call.resource.qualified} says what no API server does")
        event = WatchEvent(happening, content)
        self.resource_version = event.resource_version or self.resource_version
        return event

    def _reported(self, content: object) -> StepFailure | Expired:
        status = Status(content if isinstance(content, dict) else {})
        code = status.fields.get("code")
        if not isinstance(code, int) or code < 400:
            code = 410 if status.reason in {"Expired", "Gone"} else 500
        return refusal(Response(code, {}, json.dumps(status.fields).encode()), self._call)


def watch(
    api: Api, resource: Resource, resource_version: str, namespace: str | None = None, *, labels: str = "",
    fields: str = "", metadata_only: bool = False, lifetime: float = 290.0, silence: float = 75.0,
) -> Watch:  # fmt: skip
    """Open a watch of a namespace or, without one, of the cluster. Times are seconds.

    Raises Expired, or as Api does, when it cannot be opened.
    """
    call = Call("watch", resource, namespace)
    seconds = max(1, round(lifetime * random.uniform(0.9, 1.0)))  # noqa: S311  so that not all end at once
    query = {
        "watch": "1", "allowWatchBookmarks": "true", "resourceVersion": resource_version,
        "timeoutSeconds": str(seconds), "labelSelector": labels, "fieldSelector": fields,
    }  # fmt: skip
    target = f"{resource.path(namespace)}?{urlencode({name: value for name, value in query.items() if value})}"
    stream = _open(api, call, target, _ACCEPT_METADATA if metadata_only else _ACCEPT, silence)
    return Watch(stream, call, resource_version, api.settings.max_response)


def _open(api: Api, call: Call, target: str, accept: str, silence: float) -> Stream:
    credentials = api.settings.credentials
    token = credentials.token()
    stream = _stream(api, call, target, {"Accept": accept, **api.transport.authorized({}, token)}, silence)
    if stream.status == 401 and credentials.renew(token):
        stream.release()
        headers = {"Accept": accept, **api.transport.authorized({}, credentials.token())}
        stream = _stream(api, call, target, headers, silence)
    if stream.status == 200:
        return stream
    try:
        body = stream.read(_ERROR_BODY)
    except BROKEN as error:
        raise api.transport.unreachable(error) from None
    finally:
        stream.release()
    raise refusal(Response(stream.status, stream.headers, body), call)


def _stream(api: Api, call: Call, target: str, headers: dict[str, str], silence: float) -> Stream:
    api.on_call(call.verb, call.kind)
    try:
        return Stream(api.transport.endpoint(), api.transport.target(target), headers, silence)
    except BROKEN as error:
        raise api.transport.unreachable(error) from None
    except ValueError:
        raise api.transport.unfit() from None
