"""What `lockstep check --context` looks at: a cluster without the Lockstep that runs there, in the caller's name."""

from collections.abc import Iterator
from pathlib import Path

from infra.hosts.checks.authority import authority_checks
from infra.hosts.checks.cluster import cluster_checks
from infra.hosts.checks.namespaces import cluster_namespaces
from infra.hosts.checks.pipeline import in_step_check, suspension_check
from infra.hosts.checks.result import Check, ok, warn
from infra.hosts.checks.wiring import access_check, manifest_check, source_check
from infra.hosts.views.cluster import NO_AUTHORITY, ClusterView
from infra.hosts.views.moment import at_once
from infra.hosts.views.place import Place

# What a process keeps to itself: looked at where it runs.
_INSIDE = "permissions, watches, deliveries, dead letters and the ledger are looked at where Lockstep runs (--root)"


def view_checks(view: ClusterView) -> Iterator[Check]:
    """Everything that a cluster tells, in the order in which one would mend it. Looking changes nothing."""
    place = Place(Path(), view.api)
    seen = view.authority
    if seen is None:
        yield warn("authority", NO_AUTHORITY, "set them, then run this again; all else is looked at")
    else:
        yield from authority_checks(seen.settings, seen.client, seen.gate.health())
    yield access_check(view.access, place)
    yield manifest_check(view.wiring, place, view.publications.read)
    yield source_check(view.wiring, view.sources)
    consuming = {external.namespace for external in view.wiring.external_secrets()}
    yield from cluster_namespaces(view.api, consuming, writes=False)  # whoever asks is not who writes
    yield from cluster_checks(view.api, seen.settings.address if seen is not None else "")
    yield suspension_check(view.suspensions)
    yield in_step_check(at_once(view.lookups(), view.publications, view.suspensions))
    yield ok("inside", _INSIDE)
