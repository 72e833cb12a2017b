"""GET explain: the way of a secret, the first hop that is broken, its cause, and what mends it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from events.event import Event
from functions._ports import Ports
from infra.hosts.control.arguments import lookups, optional_text, ports_of, records_of, text
from infra.hosts.control.documents import Document, trouble
from infra.hosts.control.request import Arguments, ControlError
from infra.hosts.control.surroundings import problem
from infra.hosts.local.instance import Parts
from infra.hosts.views.changes import Blocked
from infra.hosts.views.explaining import Explainer, Setting
from infra.hosts.views.hindrances import of_named
from infra.hosts.views.hops import Hop, Way
from infra.hosts.views.pipeline import Lookups
from infra.hosts.views.place import Place
from infra.hosts.views.rehearsal import Rehearsal
from infra.hosts.views.rotations import of_path
from infra.hosts.views.selection import Selection, UnknownName, select, states
from infra.hosts.views.standing import standings_of
from infra.hosts.views.trouble import Troubles
from infra.hosts.views.written import position_in


def explain(parts: Parts, arguments: Arguments, by: str) -> Document:
    """`name` is a Secret, a manifest or a path; `namespace` completes a bare name."""
    name = text(arguments, "name")
    asked = lookups(parts)
    try:
        selection = select(name, optional_text(arguments, "namespace"), asked)
    except UnknownName as unknown:
        raise ControlError(404, str(unknown)) from None
    explainer = Explainer(asked, Troubles(parts.evidence), _setting(parts), rehearsing(ports_of(parts)))
    probe = parts.configuration.delivery.backoff_cap_seconds
    return explained(name, selection, asked, explainer, probe=probe)


def explained(
    name: str, selection: Selection, asked: Lookups, explainer: Explainer, *, probe: float
) -> Document:  # fmt: skip
    """What an explanation answers; `probe` is how often a held delivery is tried, in seconds."""
    chosen = tuple((state, selection.chosen(state)) for state in states(selection, asked))
    ways = [explainer.explain(state, consumers) for state, consumers in chosen]
    broken = next((hop for way in ways if (hop := way.first_broken())), None)
    problems = [problem(one) for one in of_named((selection,), chosen, asked)]
    return {
        "name": name,
        "inStep": broken is None and not problems,
        "ways": [_way(way) for way in ways],
        "firstBroken": _hop(broken) if broken else None,
        "problems": problems,
        "heldProbeSeconds": probe,
    }


def _setting(parts: Parts) -> Setting:
    health = parts.authority.gate.health()
    return Setting(
        place=Place.of(parts.platform, parts.root),
        authority=health.reason,
        revive=_revive(parts, sealed=health.reachable and health.sealed),
        expires=datetime.now(UTC) + timedelta(seconds=parts.shared.settings.order_lifetime),
        where=position_in(parts.wiring.snapshot()),
        workloads=standings_of(parts.platform, ports_of(parts)),
        rotation=lambda path: of_path(path, parts.lookups, records_of(parts)),
    )


def _revive(parts: Parts, *, sealed: bool) -> tuple[str, ...]:
    """What brings the authority back."""
    address = parts.authority.settings.address
    if parts.authority.embedded:
        log = parts.root / "state" / "openbao"
        return ("it is started again by itself; if it stays away, restart `lockstep up`", f"see the log below {log}")
    if sealed:
        return (f"VAULT_ADDR={address} vault operator unseal",)
    return (f"see why nothing answers at {address}: VAULT_ADDR={address} vault status",)


def rehearsing(ports: Callable[[str], Ports]) -> Callable[[Event], tuple[Blocked, ...]]:
    """Runs an order's step over drafts."""

    def rehearse(event: Event) -> tuple[Blocked, ...]:
        rehearsal = Rehearsal(ports)
        rehearsal.tell(event)
        return tuple(rehearsal.blocked)

    return rehearse


def _way(way: Way) -> Document:
    return {
        "path": str(way.path),
        "hops": [_hop(hop) for hop in way.hops],
        "branches": [
            {"consumer": str(branch.consumer), "hops": [_hop(hop) for hop in branch.hops]} for branch in way.branches
        ],
    }


def _hop(hop: Hop) -> Document:
    return {
        "hop": hop.name,
        "state": hop.state,
        "subject": hop.subject,
        "says": hop.says,
        "trouble": trouble(hop.trouble),
        "mend": list(hop.mend),
    }
