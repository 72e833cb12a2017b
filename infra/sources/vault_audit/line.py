"""One line of an audit device: did somebody change versions of a KV path, and which path is that?

Lines are JSON objects, one for each request and one for each response (reference: rotation.md, 3). Strings of a
request's and a response's data are HMACs there, unless the device was declared with `log_raw`; this module looks at
neither, and what it returns holds a path, an id and who it was.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from events import strict_json
from events.errors import EventError
from events.references import PathRef
from functions._manifests.reserved import OWN_MOUNTS

_NESTING = 64  # containers in one another: a KV value may nest, and its HMACs do as it does
_HEAD = 256  # bytes that hold time and type
_WRITES = {"create", "update", "patch", "delete"}
# Which operations on which area of a KV v2 mount add, hide, show or take away versions. Changed custom metadata is
# none of it, and neither is a smaller max_versions: it takes away what is old.
_AREAS: Mapping[str, frozenset[str]] = {
    "data": frozenset(_WRITES),
    "delete": frozenset({"create", "update"}),
    "undelete": frozenset({"create", "update"}),
    "destroy": frozenset({"create", "update"}),
    "metadata": frozenset({"delete"}),
}
# Within a JSON string the quotes would be escaped: these bytes are a member's name and its value, wherever they are.
_OPERATION = re.compile(rb'"operation"\s{0,8}:\s{0,8}"([a-z]{1,32})"')
_MOUNT = re.compile(rb'"mount_point"\s{0,8}:\s{0,8}"([^"\\]{0,1024})"')
_REQUEST = re.compile(rb'"type"\s{0,8}:\s{0,8}"request"')
_OURS = frozenset(f"{mount}/".encode() for mount in OWN_MOUNTS)
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,256}")


class UnreadableLineError(ValueError):
    """Not a line of an audit device; it may have been one that told of a write. Says why, and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Written:
    """A successful change of a path's versions. `request` is the audited request's id, "" where it has none.

    `policies` and `entity` say in whose name: names of policies, and the id of an entity ("" for a root token).
    """

    path: PathRef
    request: str = ""
    policies: frozenset[str] = frozenset()
    entity: str = ""


def concerns(head: bytes) -> bool:
    """Whether a line, or the beginning of one, may tell of a write; most tell of reads, and need not be parsed.

    What shows no operation at all is no line that we know, and so it may.
    """
    if _REQUEST.search(head, 0, _HEAD):
        return False  # it was asked for; the response tells whether it was done
    operations = {found.decode("ascii") for found in _OPERATION.findall(head)}
    return not operations or bool(operations & _WRITES)


def ours(line: bytes) -> bool:
    """Whether a whole line is about Lockstep's own documents, of which each change of a secret writes some: they stand
    in mounts that no manifest can name."""
    mounts = _MOUNT.findall(line)  # all of them: what others choose the names of may hold such a member, too
    return bool(mounts) and _OURS.issuperset(mounts) and len(mounts) == line.count(b'"mount_point"')


def parse(line: bytes, namespace: str = "") -> Written | None:
    """What a line tells, None for whatever is no successful write to a KV path that Lockstep can name.

    `namespace` is the one that Lockstep itself works in: mounts are named from there. Raises UnreadableLineError.
    """
    if not line.strip() or not concerns(line) or ours(line):
        return None
    try:
        document = strict_json.parse(line, nesting=_NESTING)
    except EventError as error:
        raise UnreadableLineError(str(error)) from None
    if not isinstance(document, dict) or not isinstance(document.get("type"), str):
        raise UnreadableLineError("not an object with a type")
    if document["type"] != "response" or document.get("error"):
        return None
    request = _object(document, "request")
    if request.get("operation") not in _WRITES or request.get("mount_type") != "kv":
        return None
    path = _path(request, namespace)
    if path is None:
        return None
    auth, found = _object(document, "auth"), request.get("id")
    return Written(
        path=path,
        request=found if isinstance(found, str) and _REQUEST_ID.fullmatch(found) else "",
        policies=_names(auth.get("policies")),
        entity=_text(auth.get("entity_id")),
    )


def _path(request: Mapping[str, Any], namespace: str) -> PathRef | None:
    mount, whole = request.get("mount_point"), request.get("path")
    if not isinstance(mount, str) or not isinstance(whole, str) or not mount.endswith("/"):
        raise UnreadableLineError("a write to a KV mount without mount_point and path")
    area, _, path = whole.removeprefix(mount).partition("/")
    if not whole.startswith(mount) or request["operation"] not in _AREAS.get(area, frozenset()):
        return None
    full = f"{_text(_object(request, 'namespace').get('path'))}{mount}".strip("/")
    ours = f"{namespace.strip('/')}/" if namespace.strip("/") else ""
    if not full.startswith(ours):
        return None
    try:
        return PathRef(mount=full.removeprefix(ours), path=path)
    except ValidationError:
        return None  # no manifest can name it either


def _object(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise UnreadableLineError(f"{name} is not an object")
    return found


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _names(value: object) -> frozenset[str]:
    return frozenset(name for name in value if isinstance(name, str)) if isinstance(value, list) else frozenset()
