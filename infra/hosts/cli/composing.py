"""Typed events from what somebody types: the catalogue's names, a subject, and the data that only they can know."""

import difflib
import inspect
import json
import re
from datetime import datetime
from typing import Any, get_args, get_type_hints

from pydantic import ValidationError

from events.catalogue import BY_TYPE, EVENTS
from events.consumer import WorkloadRef
from events.errors import EventError
from events.event import PREFIX, Category, Event
from events.leak import LeakRef
from events.operation import ScopeRef
from events.problems import describe
from events.references import ManifestRef, PathRef, Reference, SecretRef
from events.schedule import ShardRef
from events.schemas import subject_forms

# The segments of a subject after its first, by what it names; the mount of a path is its first segment.
_SUBJECTS: dict[str, tuple[type[Reference], str]] = {
    "namespaces": (SecretRef, "namespaces/<namespace>/secrets/<name>"),
    "paths": (PathRef, "paths/<mount>/<path>"),
    "manifests": (ManifestRef, "manifests/<kind>/<namespace>/<name>"),
    "schedules": (ShardRef, "schedules/<name>/<shard>"),
    "scopes": (ScopeRef, "scopes/<scope>"),
    "leaks": (LeakRef, "leaks/<id>"),
}
_WORKLOAD = re.compile(r"[^/]*/(deployments|statefulsets|daemonsets)/")


class ComposeError(ValueError):
    """No valid event can be made of it; the message says which part and what it takes."""


def model_named(name: str) -> type[Event]:
    """The model of a type, whose common prefix may be left out. Raises ComposeError naming the nearest ones."""
    model = BY_TYPE.get(name) or BY_TYPE.get(f"{PREFIX}{name}")
    if model is not None:
        return model
    short = [each.TYPE.removeprefix(PREFIX) for each in EVENTS]
    near = difflib.get_close_matches(name.removeprefix(PREFIX), short, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(short)}"
    raise ComposeError(f"no event type is called {name[:80]!r}; {hint}")


def compose(
    model: type[Event], given: dict[str, Any], subject: str | None, *, now: datetime, expires: datetime
) -> Event:
    """The event. `subject` fills in what it is about, `now` a member `at`, `expires` an order's expiry.

    Raises ComposeError naming the member that is wrong.
    """
    data = dict(given)
    if subject is not None:
        for member, value in _about(model, subject).items():
            data.setdefault(member, value)
    if "at" in model.model_fields:
        data.setdefault("at", now.isoformat())
    if model.CATEGORY is Category.ORDER:
        data.setdefault("expires", expires.isoformat())
        data.setdefault("reason", "asked for by an operator")
    try:
        event = model.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        raise ComposeError(f"data of {model.TYPE}: {describe(error)} (docs/events.md shows what it takes)") from None
    if subject is not None and event.about.subject != subject:
        raise ComposeError(f"--subject says {subject[:200]}, --data {event.about.subject}; leave one of them out")
    return event


def _about(model: type[Event], subject: str) -> dict[str, Any]:
    """The members that say what an event is about."""
    reference = _reference(subject)
    about = get_type_hints(inspect.getattr_static(model, "about").fget)["return"]
    if type(reference) not in (get_args(about) or (about,)):
        raise ComposeError(f"{model.TYPE} is about {' or '.join(subject_forms(model))}, not {subject[:200]}")
    if isinstance(reference, ShardRef):
        return {"schedule": {"name": reference.name}, "shard": reference.shard}
    if isinstance(reference, LeakRef):
        return {"leak": reference.id}
    for name, field in model.model_fields.items():
        if type(reference) in (get_args(field.annotation) or (field.annotation,)):
            return {name: reference.model_dump()}
    raise ComposeError(f"{model.TYPE} takes no --subject; give it in --data")


def _reference(subject: str) -> Reference:
    kind, _, rest = subject.partition("/")
    known = _SUBJECTS.get(kind)
    if known is None:
        forms = ", ".join(form for _, form in _SUBJECTS.values())
        raise ComposeError(f"subject {subject[:200]!r} names nothing known; there are {forms}")
    reference, form = known
    if reference is SecretRef and _WORKLOAD.match(rest):
        reference, form = WorkloadRef, "namespaces/<namespace>/deployments/<name>, or of a statefulset or daemonset"
    try:
        return reference.model_validate(_members(reference, rest))
    except ValidationError as error:
        raise ComposeError(f"subject {subject[:200]!r} is not {form}: {describe(error)}") from None
    except (ValueError, EventError):
        raise ComposeError(f"subject {subject[:200]!r} is not {form}") from None


def _members(reference: type[Reference], rest: str) -> dict[str, Any]:
    """The reference's members. Raises ValueError where there are too few or too many segments."""
    if reference is SecretRef:
        namespace, word, name = rest.split("/")
        if word != "secrets":
            raise ValueError(rest)
        return {"namespace": namespace, "name": name}
    if reference is WorkloadRef:
        return WorkloadRef.parse(f"namespaces/{rest}").model_dump()
    if reference is PathRef:
        mount, path = rest.split("/", 1)
        return {"mount": mount, "path": path}
    if reference is ManifestRef:
        kind, namespace, name = rest.split("/")
        return {"kind": kind, "namespace": namespace, "name": name}
    if reference is ShardRef:
        name, _, shard = rest.partition("/")
        return {"name": name, "shard": int(shard)}
    return {"id": rest} if reference is LeakRef else {"scope": rest}
