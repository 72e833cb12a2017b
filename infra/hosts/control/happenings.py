"""GET events: the timeline, as `lockstep events` prints and follows it."""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from events.cloudevent import CloudEvent
from events.envelope import read
from events.errors import EventError
from events.references import PathRef
from events.secret import SecretMaterialized, SecretPublished
from infra.broker.records import Line
from infra.hosts.control.arguments import optional_text, seconds, whole
from infra.hosts.control.documents import Document, instant
from infra.hosts.control.request import Arguments, ControlError
from infra.hosts.local.instance import Parts
from infra.hosts.views.selection import as_path
from infra.hosts.views.trouble import moment

LONGEST = 2.0  # seconds that one request waits
_MOST = 1000  # lines of one answer
_BACK = 2000  # positions looked at in one step backwards
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
Wanted = Callable[[Line], bool]


def events(parts: Parts, arguments: Arguments, by: str) -> Document:
    """Lines after `since` (a position, or a duration such as `10m`), or the newest `limit`.

    `subject`, `correlation` and `namespace` narrow them. With `seconds`, waits that long while there is nothing.
    `position` is where the next request goes on.
    """
    limit = min(whole(arguments, "limit", 100) or _MOST, _MOST)
    wanted = _wanted(parts, arguments)
    since = arguments.get("since")
    if since is None:
        position = parts.evidence.whereabouts.position()
        return _document(parts, _newest(parts, wanted, position, limit), position)
    begin = _position(parts, since)
    lines, position = _after(parts, wanted, begin, limit, seconds(arguments, "seconds", LONGEST))
    return _document(parts, lines, position)


def _position(parts: Parts, since: object) -> int:
    if isinstance(since, int) and not isinstance(since, bool) and since >= 0:
        return since
    text = str(since)
    if text.isdecimal():
        return int(text)
    parsed = _DURATION.fullmatch(text)
    if parsed is None:
        raise ControlError(400, "`since` is a position (a number) or a duration such as 30s, 10m, 2h, 1d")
    ago = float(parsed[1]) * _UNITS[parsed[2]]
    return parts.evidence.whereabouts.position_at(int((time.time() - ago) * 1_000_000))


def _newest(parts: Parts, wanted: Wanted, position: int, limit: int) -> list[Line]:
    found: list[Line] = []
    end = position
    while end > 0 and len(found) < limit:
        begin = max(0, end - _BACK)
        lines = parts.evidence.timeline.lines(begin, end - begin)
        found = [line for line in lines if line.sequence <= end and wanted(line)] + found
        end = begin
    return found[-limit:]


def _after(parts: Parts, wanted: Wanted, begin: int, limit: int, budget: float) -> tuple[list[Line], int]:
    """Lines after a position, and how far was looked: what does not match is passed over only once."""
    end, position = time.monotonic() + budget, begin
    found: list[Line] = []
    while len(found) < limit:
        left = end - time.monotonic()
        page = parts.evidence.timeline.follow(position, left, _MOST) if left > 0 and not found else ()
        page = page or parts.evidence.timeline.lines(position, _MOST)
        if not page:
            if found or time.monotonic() >= end:
                break
            continue
        for line in page:
            position = line.sequence
            if wanted(line):
                found.append(line)
                if len(found) >= limit:
                    break
    return found, position


def _wanted(parts: Parts, arguments: Arguments) -> Wanted:
    subject, correlation = optional_text(arguments, "subject"), optional_text(arguments, "correlation")
    namespace = optional_text(arguments, "namespace")

    def wanted(line: Line) -> bool:
        event = line.event
        return (
            (correlation is None or event.correlation == correlation)
            and (subject is None or is_about(event.subject, subject))
            and (namespace is None or _concerns(parts, event.subject or "", namespace))
        )

    return wanted


def is_about(subject: str | None, wanted: str) -> bool:
    """Whether a subject is what was asked for: as it is, or as people write it (`namespace/name`, `mount/path`)."""
    return subject is not None and wanted in (subject, short(subject), short(subject).partition(" ")[2])


def _concerns(parts: Parts, subject: str, namespace: str) -> bool:
    kind, _, rest = subject.partition("/")
    if kind == "namespaces":
        return rest.startswith(f"{namespace}/")
    if kind == "manifests":
        return rest.split("/")[1:2] == [namespace]
    if kind == "scopes":
        return rest == "*" or rest.split("/")[0] == namespace
    path = as_path(rest, parts.wiring.snapshot()) if kind == "paths" else None
    return path is not None and namespace in _namespaces(parts, path)


def _namespaces(parts: Parts, path: PathRef) -> Iterator[str]:
    yield from (push.namespace for push in parts.wiring.snapshot().producers_of_path(path))
    yield from (external.namespace for external in parts.wiring.snapshot().consumers_of_path(path))


def short(subject: str) -> str:
    """A subject as people name the thing."""
    parts = subject.split("/")
    if parts[0] == "namespaces" and len(parts) == 4:
        return f"{parts[1]}/{parts[3]}"
    if parts[0] == "manifests" and len(parts) == 4:
        return f"{parts[1]} {parts[2]}/{parts[3]}"
    return subject.partition("/")[2] if parts[0] in ("paths", "schedules", "scopes") else subject


def _document(parts: Parts, lines: Iterable[Line], position: int) -> Document:
    lines = list(lines)
    wires = parts.evidence.whereabouts.events(line.event.sequence for line in lines)
    versions = {sequence: _versions(wire) for sequence, wire in wires.items()}
    return {"position": position, "events": [_line(line, versions.get(line.event.sequence, {})) for line in lines]}


def _line(line: Line, versions: dict[str, Any]) -> Document:
    event = line.event
    return {
        "sequence": line.sequence,
        "at": instant(moment(line.at)),
        "step": line.route or event.principal,
        "outcome": line.outcome,
        "event": event.sequence,
        "type": event.type.removeprefix("dev.lockstep."),
        "subject": event.subject,
        "about": short(event.subject or ""),
        "versions": versions,
        "tookMs": round(line.took / 1000, 3) if line.route else None,
        "attempts": line.attempts,
        "status": line.status,
        "reason": line.reason or "",
        "id": event.id,
        "correlation": event.correlation,
        "principal": event.principal,
        "repeated": event.repeated,
    }


def _versions(wire: CloudEvent) -> dict[str, int]:
    """The versions that an event of ours names, by path. What others sent is not looked into."""
    try:
        event = read(wire).event
    except EventError:
        return {}
    if isinstance(event, SecretPublished):
        return {str(event.path): event.version.number}
    if isinstance(event, SecretMaterialized):
        return {path: version.number for path, version in event.stamp.items()}
    return {}
