"""What is around the secrets: authority, access, broker, ledger, tombstones, wiring, suspensions, notices."""

from collections.abc import Iterable, Iterator

from events.references import ManifestRef
from functions._absence import still_absent
from functions._failures import StepFailure
from functions._ports import Ports, Tombstone
from functions._retraction import held_back
from infra.hosts.control.arguments import ports_of
from infra.hosts.control.documents import Document, instant
from infra.hosts.local.instance import Parts
from infra.hosts.platform import AccessPolicy, SnapshotWiring, SuspensionBook
from infra.hosts.views.contested import Confirmed, contested
from infra.hosts.views.findings import complete, findings_of
from infra.hosts.views.hindrances import Hindrance
from infra.hosts.views.place import Place
from infra.hosts.views.written import places
from infra.stores.vault.kv import KvEngine
from infra.stores.vault.tombstones import VaultTombstones
from infra.wiring.index import Index

_MOST_TOMBSTONES = 200  # read for one answer; each is a request to the authority


def authority(parts: Parts) -> Document:
    """Whether it serves, as readiness asks it."""
    health = parts.authority.gate.health()
    return {
        "address": parts.authority.settings.address,
        "embedded": parts.authority.embedded,
        "serves": health.serves,
        "reachable": health.reachable,
        "sealed": health.sealed if health.reachable else None,
        "version": health.version,
        "developmentSeal": parts.authority.development_seal,
        "reason": health.reason,
    }


def access(policy: AccessPolicy, place: Place) -> Document:
    """Whether there is a policy, where it is kept, and what is wrong with it."""
    problem = policy.reload()
    return {
        "policy": "absent" if policy.open else "present",
        "place": place.access,
        "problem": problem or "",
    }


def broker(parts: Parts) -> Document:
    """What is under way, held, given up."""
    health = parts.evidence.health()
    return {
        "pending": health.pending,
        "stalledSeconds": round(health.stalled_for, 3),
        "held": dict(sorted(health.held.items())),
        "deadLetters": health.dead_letters,
        "full": health.full,
    }


def ledger(parts: Parts) -> Document:
    """How long it is, and how much of it the authority does not vouch for yet."""
    entries, _ = parts.evidence.ledger.head()
    anchors = parts.evidence.ledger.anchors(limit=1)
    anchored = anchors[-1].n if anchors else 0
    return {"entries": entries, "anchored": anchored, "lag": max(0, entries - anchored)}


def suspensions(book: SuspensionBook) -> list[Document]:
    """What operators stopped."""
    return [{"scope": one.scope, "reason": one.reason, "by": one.by, "since": instant(one.since)} for one in book.all()]


def tombstones(parts: Parts) -> Document:
    """Noticed absences, how many are due, and why they are held; not known while the authority does not serve."""
    unknown: Document = {"known": False, "total": None, "due": None, "held": "", "items": []}
    if not parts.authority.gate.ready():
        return unknown
    ports, client = ports_of(parts)("sweep"), parts.clients["sweep"]
    try:
        mount, cluster = parts.configuration.authority.claims_mount, parts.configuration.cluster
        names = VaultTombstones(KvEngine(client), mount, cluster).ids()
        found = [one for name in names[:_MOST_TOMBSTONES] if (one := ports.tombstones.read(name))]
    except StepFailure as failure:
        return {**unknown, "held": failure.reason}
    now = ports.clock.now()
    due = [one for one in found if one.due <= now]
    return {
        "known": True,
        "total": len(names),
        "due": len(due),
        "held": held_back(due, ports),
        "items": [_tombstone(one, ports) for one in found],
    }


def _tombstone(one: Tombstone, ports: Ports) -> Document:
    try:
        back = not still_absent(one, ports)
    except StepFailure:
        back = False  # not known to be back: so it says no more than the sweep could
    return {
        "target": str(one.target),
        "policy": one.policy,
        "manifest": str(one.manifest),
        "noticed": instant(one.noticed),
        "due": instant(one.due),
        "back": back,
    }


def wiring(
    wired: SnapshotWiring, confirmed: Confirmed, namespace: str | None, hindrances: Iterable[Hindrance]
) -> Document:  # fmt: skip
    """How much is wired, and what is wrong with it, with file and line; with what hinders what was asked about."""
    index = wired.snapshot()
    problems = list(_problems(wired, index, confirmed, namespace))
    known = {one["manifest"] for one in problems}
    more = (one for one in hindrances if one.manifest is not None)
    problems += [problem(one) for one in more if one.kind != "refused" or one.name not in known]
    return {
        "complete": complete(wired),
        "pushSecrets": sum(1 for _ in index.push_secrets()),
        "externalSecrets": sum(1 for _ in index.external_secrets()),
        "rotations": sum(1 for _ in index.rotations()),
        "stores": len(index.stores),
        "findings": [
            {
                "file": one.file, "line": one.line, "rule": one.rule.id, "severity": one.severity,
                "message": one.message, "mend": one.mend,
            }
            for one in findings_of(wired)
        ],
        "problems": problems,
        "warnings": [
            {"manifest": str(ref), "message": message}
            for ref, message in index.warnings()
            if namespace in (None, ref.namespace)
        ],
    }  # fmt: skip


def _problems(wired: SnapshotWiring, index: Index, confirmed: Confirmed, namespace: str | None) -> Iterator[Document]:
    refused: dict[ManifestRef, str] = {}
    for ref, why in contested(index, confirmed):
        refused[ref] = f"{refused[ref]}; {why}" if ref in refused else why
    for ref, file, line in sorted(places(index).values(), key=lambda place: str(place[0])):
        problem = (wired.problem(ref) or refused.get(ref)) if namespace in (None, ref.namespace) else None
        if problem:
            yield {"manifest": str(ref), "file": file, "line": line, "message": problem}


def problem(one: Hindrance) -> Document:
    """What keeps a manifest from acting as it is written."""
    return {"manifest": one.name, "file": one.file, "line": one.line, "message": one.reason}
