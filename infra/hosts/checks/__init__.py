"""What `lockstep check` looks at: is everything reachable, allowed, and safe. Looking changes nothing."""

from collections.abc import Iterator

from infra.hosts.checks.audit_stream import audit_checks
from infra.hosts.checks.authority import authority_checks
from infra.hosts.checks.cluster import cluster_checks
from infra.hosts.checks.leaks import leak_checks
from infra.hosts.checks.machine import machine_checks
from infra.hosts.checks.permissions import permission_checks
from infra.hosts.checks.pipeline import pipeline_checks
from infra.hosts.checks.result import Check
from infra.hosts.checks.targets import target_checks
from infra.hosts.checks.wiring import wiring_checks
from infra.hosts.control.arguments import ports_of
from infra.hosts.local.instance import Parts
from infra.hosts.views.place import Place

__all__ = ["Check", "checks"]


def checks(parts: Parts) -> Iterator[Check]:
    """Everything, in the order in which one would mend it."""
    health = parts.authority.gate.health()  # once: an authority that does not answer is waited for in vain
    yield from machine_checks(parts)
    yield from authority_checks(parts.authority.settings, parts.clients["sweep"], health)
    yield from permission_checks(parts, serves=health.serves)
    yield from audit_checks(parts, serves=health.serves)
    yield from wiring_checks(parts)
    if health.serves:
        yield from target_checks(parts.wiring, ports_of(parts)("apply").systems)
    if (api := Place.of(parts.platform, parts.root).api) is not None:
        yield from cluster_checks(api, parts.authority.settings.address)
    yield from pipeline_checks(parts, serves=health.serves)
    if health.serves:
        yield from leak_checks(ports_of(parts)("triage"))
