"""The verbs of the Kubernetes API, each one request, whose refusals are the failures of ports."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, TypeVar
from urllib.parse import urlencode

from functions._failures import StepFailure, Unavailable
from infra.http.answers import Response
from infra.kubernetes.credentials import DEPENDENCY
from infra.kubernetes.refusals import Absent, Call, Expired, refusal
from infra.kubernetes.resources import Object, Resource
from infra.kubernetes.settings import ClusterSettings
from infra.kubernetes.transport import Transport

OnCall = Callable[[str, str], None]
T = TypeVar("T")
Reduced = tuple[Sequence[T], str]  # what was made of each object, and the resource version of all of them

_JSON = "application/json"
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_RESTARTS = 3  # of a list whose continuation expired


class Patch(Enum):
    """How a patch is meant (Kubernetes, "API concepts")."""

    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    JSON = "application/json-patch+json"
    APPLY = "application/apply-patch+yaml"  # server-side apply; JSON is YAML


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects of a list, and the resource version that a watch may begin at."""

    items: tuple[Object, ...] = field(repr=False)
    resource_version: str


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list. `following` asks for the next, "" after the last; `remaining` is how many objects are in those,
    0 too where the server does not say (it does where nothing selects)."""

    items: Sequence[Object] = field(repr=False)
    resource_version: str
    following: str
    remaining: int


def _uncounted(verb: str, resource: str) -> None:
    """The hook that counts nothing."""


class Api:
    """One API server in one identity. Thread-safe. `on_call(verb, resource)` runs before every request that is sent.

    All methods raise Unavailable (down, overloaded, not allowed), Conflict or Reject (see refusals).
    `metadata_only` asks the server to answer with apiVersion, kind and metadata alone: no value crosses the wire.
    """

    def __init__(
        self, settings: ClusterSettings, on_call: OnCall = _uncounted, field_manager: str = "lockstep"
    ) -> None:
        self.settings = settings
        self.field_manager = field_manager
        self.on_call = on_call
        self._transport = Transport(settings)

    @property
    def transport(self) -> Transport:
        """For watches, which hold a connection of their own."""
        return self._transport

    # --- reading ---------------------------------------------------------------------------------------------

    def get(
        self, resource: Resource, name: str, namespace: str | None = None, *, metadata_only: bool = False
    ) -> Object | None:
        """The object, None when there is none."""
        call = Call("get", resource, namespace, name)
        try:
            return self._send(_Request("GET", call, _METADATA if metadata_only else _JSON))
        except Absent:
            return None

    @contextmanager
    def getting(
        self, resource: Resource, name: str, namespace: str | None = None, *, not_older: str = ""
    ) -> Iterator[Callable[[], Object | None]]:
        """`get`, sent now and waited for when it is called (at most once): other requests go beside it.

        What it raises it raises then, and sending raises nothing. `not_older` is a resource version that is new enough:
        the server then answers from memory, as soon as that is there, and does not ask etcd for the newest.
        """
        query = {"resourceVersion": not_older}
        request = _Request("GET", Call("get", resource, namespace, name), query=query)
        headers = {"Accept": request.accept}
        credentials = self.settings.credentials

        def again() -> Object | None:
            return self.get(resource, name, namespace)

        try:
            token = credentials.token()
        except StepFailure:
            yield again  # which says why
            return
        sent = self._transport.sending(
            request.target, self._transport.authorized(headers, token), lambda: self.on_call("get", request.call.kind)
        )
        with sent as answer:

            def found() -> Object | None:
                response = answer()
                if response is None or (response.status == 401 and credentials.renew(token)):
                    return again()
                if not_older and response.status not in (200, 404):
                    return again()  # it knows no such version (etcd was restored): the newest is what it has
                try:
                    return _decoded(response, request.call)
                except Absent:
                    return None

            yield found

    def list(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = "",
        metadata_only: bool = False, page: int = 500,
    ) -> Listing:  # fmt: skip
        """All objects of a namespace or, without one, of the cluster, page by page. One state of the cluster."""
        items, version = self.reduced(
            resource, lambda found: found, namespace,
            labels=labels, fields=fields, metadata_only=metadata_only, page=page,
        )  # fmt: skip
        return Listing(tuple(items), version)

    def reduced(
        self, resource: Resource, make: Callable[[Object], T], namespace: str | None = None, *, labels: str = "",
        fields: str = "", metadata_only: bool = False, page: int = 500,
    ) -> Reduced[T]:  # fmt: skip
        """What `make` makes of each object of a list, and the list's resource version.

        Of a page no more is held than that, before the next is asked for: thousands of Secrets may be large.
        """
        for _ in range(_RESTARTS):
            try:
                return self._pages(
                    Call("list", resource, namespace), {"labelSelector": labels, "fieldSelector": fields}, page,
                    _METADATA_LIST if metadata_only else _JSON, make,
                )  # fmt: skip
            except Expired:
                continue  # it took longer than the server remembers (5 minutes): begin anew
        raise Unavailable(DEPENDENCY, f"listing {resource.qualified} takes longer than the API server remembers")

    def page(
        self, resource: Resource, namespace: str | None = None, following: str = "", *, metadata_only: bool = False,
        size: int = 500,
    ) -> Page:  # fmt: skip
        """A part of a list, the first or the one `following` another, for who may have enough before the end.

        All parts are of one state of the cluster. Raises Unavailable where the server remembers that no more.
        """
        accept = _METADATA_LIST if metadata_only else _JSON
        try:
            return self._page(Call("list", resource, namespace), {"continue": following}, size, accept)
        except Expired:
            raise Unavailable(
                DEPENDENCY, f"listing {resource.qualified} takes longer than the API server remembers"
            ) from None

    def get_raw(self, path: str) -> Object:
        """What is at a path of the server itself: `/version`, discovery documents."""
        return self._send(_Request("GET", Call("get", Resource("", "v1", path, path, namespaced=False)), path=path))

    # --- writing ---------------------------------------------------------------------------------------------

    def create(
        self, resource: Resource, body: Mapping[str, Any], namespace: str | None = None, *, name: str = "",
        subresource: str = "", metadata_only: bool = False, dry_run: bool = False,
    ) -> Object:  # fmt: skip
        """Make an object that must not exist (Conflict), or post to the subresource of one."""
        call = Call("create", resource, namespace, name or (body.get("metadata") or {}).get("name", ""), subresource)
        request = _Request("POST", call, body=body)
        return self._write(request, metadata_only=metadata_only, dry_run=dry_run)

    def replace(
        self, resource: Resource, name: str, body: Mapping[str, Any], namespace: str | None = None, *,
        subresource: str = "", metadata_only: bool = False, dry_run: bool = False,
    ) -> Object:  # fmt: skip
        """Put an object in another's place; `metadata.resourceVersion` and `uid` in it are preconditions (Conflict)."""
        request = _Request("PUT", Call("update", resource, namespace, name, subresource), body=body)
        return self._write(request, metadata_only=metadata_only, dry_run=dry_run)

    def patch(
        self, resource: Resource, name: str, body: Mapping[str, Any] | Sequence[Any], namespace: str | None = None,
        *, strategy: Patch = Patch.MERGE, subresource: str = "", force: bool = False, metadata_only: bool = False,
        dry_run: bool = False,
    ) -> Object:  # fmt: skip
        """Change a part of an object. `force` takes fields over from other managers; for APPLY alone."""
        call = Call("patch", resource, namespace, name, subresource)
        query = {"force": "true"} if force else {}
        request = _Request("PATCH", call, query=query, body=body, content_type=strategy.value)
        return self._write(request, metadata_only=metadata_only, dry_run=dry_run)

    def delete(
        self, resource: Resource, name: str, namespace: str | None = None, *, uid: str = "",
        resource_version: str = "", propagation: str = "", dry_run: bool = False,
    ) -> Object | None:  # fmt: skip
        """Delete an object that is still what was read (Conflict). None: it is gone, or was.

        An object: it is only marked for deletion, and what holds it (`metadata.finalizers`) is still there.
        """
        conditions = {"uid": uid, "resourceVersion": resource_version}
        body: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        body["preconditions"] = {name: value for name, value in conditions.items() if value}
        if propagation:
            body["propagationPolicy"] = propagation
        if dry_run:
            body["dryRun"] = ["All"]
        try:
            left = self._send(_Request("DELETE", Call("delete", resource, namespace, name), _METADATA, body=body))
        except Absent:
            return None
        return None if left.get("kind") == "Status" or not left.get("metadata", {}).get("deletionTimestamp") else left

    def close(self) -> None:
        self._transport.close()

    # --- inside ----------------------------------------------------------------------------------------------

    def _pages(
        self, call: Call, query: Mapping[str, str], page: int, accept: str, make: Callable[[Object], T]
    ) -> Reduced[T]:
        items: list[T] = []
        following = ""
        while True:
            found = self._page(call, {**query, "continue": following}, page, accept)
            items += [make(each) for each in found.items]
            following = found.following
            if not following:
                return items, found.resource_version

    def _page(self, call: Call, query: Mapping[str, str], size: int, accept: str) -> Page:
        answer = self._send(_Request("GET", call, accept, {**query, "limit": str(size)}))
        metadata = answer.get("metadata") or {}
        return Page(
            answer.get("items") or (), metadata.get("resourceVersion") or "", metadata.get("continue") or "",
            metadata.get("remainingItemCount") or 0,
        )  # fmt: skip

    def _write(self, request: "_Request", *, metadata_only: bool, dry_run: bool) -> Object:
        query = {"fieldManager": self.field_manager, **request.query, **({"dryRun": "All"} if dry_run else {})}
        return self._send(replace(request, query=query, accept=_METADATA if metadata_only else _JSON))

    def _send(self, request: "_Request") -> Object:
        headers = {"Accept": request.accept}
        payload = None
        if request.body is not None:
            headers["Content-Type"] = request.content_type
            payload = json.dumps(request.body, separators=(",", ":")).encode()
        return _decoded(self._authenticated(request, headers, payload), request.call)

    def _authenticated(self, request: "_Request", headers: Mapping[str, str], payload: bytes | None) -> Response:
        credentials = self.settings.credentials
        token = credentials.token()
        answer = self._exchange(request, self._transport.authorized(headers, token), payload)
        if answer.status != 401 or not credentials.renew(token):
            return answer
        # Whoever is not known has not been served: the request may go out again, in whichever name is valid now.
        return self._exchange(request, self._transport.authorized(headers, credentials.token()), payload)

    def _exchange(self, request: "_Request", headers: Mapping[str, str], payload: bytes | None) -> Response:
        call = request.call
        return self._transport.send(
            request.method, request.target, headers, payload, lambda: self.on_call(call.verb, call.kind)
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    call: Call
    accept: str = _JSON
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | Sequence[Any] | None = field(default=None, repr=False)
    content_type: str = _JSON
    path: str = ""  # instead of the resource's own

    @property
    def target(self) -> str:
        call = self.call
        collection = call.verb == "create" and not call.subresource  # although the call names the object
        path = self.path or call.resource.path(call.namespace, "" if collection else call.name, call.subresource)
        query = urlencode({name: value for name, value in self.query.items() if value})
        return f"{path}?{query}" if query else path


def _decoded(response: Response, call: Call) -> Object:
    if response.status >= 300:
        raise refusal(response, call)
    try:
        document = json.loads(response.body)
    except (ValueError, RecursionError):
        document = None  # the decoding error holds the document: it goes no further
    if not isinstance(document, dict):
        raise Unavailable(DEPENDENCY, "what answers is no API server (no JSON object); correct the kubeconfig's server")
    return document
