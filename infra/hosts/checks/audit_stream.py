"""The authority's audit stream: whether it is followed, and whether a socket is all that there is of it."""

from collections.abc import Iterator, Mapping
from typing import Any

from functions._failures import StepFailure
from infra.hosts.checks.result import Check, ok, warn
from infra.hosts.local.instance import Parts

_NAME = "audit stream"
_BESIDE = (
    "declare a file device beside it (docs/authority.md): an authority refuses every request that no audit device takes"
)


def audit_checks(parts: Parts, *, serves: bool) -> Iterator[Check]:
    """What follows from lockstep.yaml, and from the authority's list of devices where it lets us see that."""
    source = parts.audit
    if source is None:
        yield ok(_NAME, "not followed: what others write at the authority is found by the sweep")
        return
    if source.last_error:
        yield warn(_NAME, source.last_error, "see that the file may be read; the sweep finds what is missed until then")
    else:
        told = source.counts
        yield ok(_NAME, f"{source.mode}: {told['told']} writes of others told, {source.gaps} gaps")
    if serves and parts.configuration.audit.socket:
        yield judged(_devices(parts))


def judged(devices: Mapping[str, Any] | None) -> Check:
    """What the audit devices (name -> {type, …}; None: not ours to see) mean for the socket that we read."""
    if devices is None:
        return ok("audit devices", "not ours to see (sys/audit); there must be one beside the socket, such as a file")
    kinds = sorted({str(device.get("type")) for device in devices.values() if isinstance(device, dict)})
    if kinds == ["socket"]:
        return warn("audit devices", "the audit socket is the authority's only kind of audit device", _BESIDE)
    return ok("audit devices", ", ".join(kinds) or "none: nothing will be told")


def _devices(parts: Parts) -> Mapping[str, Any] | None:
    try:
        answer = parts.clients["sweep"].call("GET", "sys/audit", kind="audit")
    except StepFailure:
        return None
    found = answer.body.get("data")
    return found if isinstance(found, dict) else None
