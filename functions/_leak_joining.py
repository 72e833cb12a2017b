"""Findings of what is known to be out already: they join the one that is being answered (seed 000, 5.6).

A scanner finds one value in a thousand files, and whoever can make alerts fire can make up places without end: neither
may fill the authority with records, nor hide one finding among many.
"""

from collections.abc import Iterator
from dataclasses import replace

from events.leak import Exposure
from events.references import PathRef
from functions._leak_mapping import Found
from functions._leak_records import SOON, happened, keep, reminder_of
from functions._leak_seen import Seen
from functions._leak_standing import decided
from functions._leaks import Leak
from functions._ports import Ports

MOST = 256  # findings that a record names; what joins after those is on record as an event alone


def answered(leak: Leak, known: Leak | None, found: tuple[Found, ...], seen: Seen, ports: Ports) -> Leak | None:
    """Another finding of the same versions of the same secrets that is confirmed, or was contained; None: none is."""
    standing = tuple(decided(one, ports) for one in found)
    fresh = known is None or known.state != "confirmed"  # none joins it as one that answers
    hosts = _others(leak, found[0].path, seen, ports, settled=None not in standing, younger=fresh)
    return next((one for one in hosts if _answers(one, found, standing)), None)


def waiting(leak: Leak, known: Leak | None, found: tuple[Found, ...], seen: Seen, ports: Ports) -> Leak | None:
    """Another that waits for the same thing; None: none does. What its reporter may set going stays as it is."""
    for one in _others(leak, found[0].path, seen, ports, settled=False, younger=known is None):
        if one.state == "reported" and one.held == leak.held and all(_exposed(one, each, "held") for each in found):
            return one
    return None


def taken_in(host: Leak, leak: Leak, found: tuple[Found, ...], ports: Ports) -> Leak:
    """The older one, which speaks for this one too. This one has no record any more. Raises Conflict."""
    grown = _widened(host, found)
    grown = replace(grown, joined=tuple(dict.fromkeys((*host.joined, leak.id, *leak.joined)))[:MOST])
    reporter = leak.reporters[0]
    if not any((line.what, line.by) == ("joined", reporter) for line in grown.timeline):
        grown = happened(grown, "joined", reporter, ports, "other findings of the same")
    # Widened, it is another fact: said until it is known to have been heard.
    again = ports.clock.now() + SOON if grown.exposures != host.exposures else host.due
    return keep(grown, host, again, ports)


def forget(leak: Leak, ports: Ports) -> None:
    """Remove its record, and what leads to it. Raises Conflict."""
    for path in leak.paths:
        ports.leaks.unlink(path, leak.id)
    ports.leaks.remove(leak)
    reminder = reminder_of(leak)
    if reminder is not None:
        ports.reminders.remove(reminder)


def _others(
    leak: Leak, path: PathRef, seen: Seen, ports: Ports, *, settled: bool, younger: bool
) -> Iterator[Leak]:  # fmt: skip
    """Others about the path. Of two that may join each other only the younger does: looked at side by side, each
    would disappear into the other."""
    ids = list(seen.open(path))
    if settled:
        ids += reversed(ports.leaks.settled(path))
    for leak_id in ids:
        other = ports.leaks.read(leak_id) if leak_id != leak.id else None
        if other is not None and (younger or (other.received, other.id) < (leak.received, leak.id)):
            yield other


def _answers(host: Leak, found: tuple[Found, ...], standing: tuple[str | None, ...]) -> bool:
    if host.state == "contained":  # for good: it is about exactly what it was about
        return None not in standing and all(
            any(_same(one, each) and one.key in (None, each.key) for one in host.exposures) for each in found
        )
    if host.state != "confirmed":
        return False
    return all(
        _exposed(host, one, "rotating", "revoked")
        # What its owner had to replace may be rotated by now.
        or (how is not None and _exposed(host, one, "owner"))
        for one, how in zip(found, standing, strict=True)
    )


def _exposed(host: Leak, found: Found, *standings: str) -> bool:
    return any(_same(one, found) and one.standing in standings for one in host.exposures)


def _same(exposure: Exposure, found: Found) -> bool:
    return (exposure.path, exposure.version) == (found.path, found.version)


def _widened(host: Leak, found: tuple[Found, ...]) -> Leak:
    """Another property of the same version is out, too: who vouched for the first did not know."""
    if host.state == "contained":
        return host
    exposures = tuple(
        one.model_copy(update={"key": None}) if any(_same(one, each) and one.key != each.key for each in found) else one
        for one in host.exposures
    )
    return host if exposures == host.exposures else replace(host, exposures=exposures, attested_by="", told=False)
