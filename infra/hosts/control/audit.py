"""The ledger: proven, anchored, and read."""

from datetime import UTC, datetime
from typing import Any

from functions._failures import Conflict, Reject
from infra.broker.chain import Entry
from infra.broker.clock import rfc3339
from infra.hosts.anchoring import AnchoredLedger
from infra.hosts.auditing import NEWEST, LedgerAudit, Report
from infra.hosts.control.arguments import optional_text, whole
from infra.hosts.control.happenings import is_about
from infra.hosts.control.request import Arguments, ControlError
from infra.hosts.local.instance import Parts, ledger_id
from infra.stores.vault.anchors import Anchor, VaultAnchors
from infra.stores.vault.kv import KvEngine
from infra.stores.vault.transit import TransitSigner

PAGE = 1000
_SCANNED = 20_000  # entries that one request looks at; the next one goes on from there
_EVERY = 2**40

CANNOT_SHOW = (
    "that everything that happened was recorded: the ledger holds what the broker accepted and what was done to it",
    "a rewriting by somebody who has the state directory: the record step's credential lies there, and with it the "
    "ledger can be signed and anchored anew; the authority's audit log shows such signatures and anchors",
    "a rewriting older than the versions of the anchor that the authority keeps, where all recorded anchors went too",
)


def verified(parts: Parts, arguments: Arguments, by: str) -> dict[str, Any]:
    """Recompute the chain and hold every kind of anchor against it. `every`: all recorded anchors' signatures."""
    audit = _audit(parts)
    return _report(audit.report(_EVERY if arguments.get("every") else NEWEST))


def anchored(parts: Parts, arguments: Arguments, by: str) -> dict[str, Any]:
    """Sign and anchor the ledger's head now. 409 where the ledger contradicts what was anchored before."""
    try:
        try:
            _ledger(parts).anchor()
        except Conflict:
            _ledger(parts).anchor()  # the schedule anchored at the same moment: theirs is the newest now
    except Conflict:
        raise ControlError(503, "somebody else anchors at the same time; try again") from None
    except Reject as refused:
        raise ControlError(409, refused.reason) from None
    entries, _ = parts.evidence.ledger.head()
    return {"entries": entries}


def entries(parts: Parts, arguments: Arguments, by: str) -> dict[str, Any]:
    """Entries from `first` on that match `since` (RFC 3339), `subject`, `correlation` and `kind`, at most `limit`.

    `last` counts from the end instead of `first`. `next` is the number to go on with, null at the end.
    """
    limit = max(1, min(whole(arguments, "limit", PAGE), PAGE))
    head, _ = parts.evidence.ledger.head()
    last = whole(arguments, "last")
    first = max(1, head - last + 1) if last else max(1, whole(arguments, "first"))
    filters = {name: optional_text(arguments, name) for name in ("subject", "correlation", "kind")}
    since = _micros(optional_text(arguments, "since"))
    final = min(head, first + _SCANNED - 1)
    found: list[dict[str, Any]] = []
    following: int | None = final + 1 if final < head else None
    for entry in parts.evidence.ledger.entries(first, final):
        if entry.at < since or not _matches(entry, **filters):
            continue
        if len(found) == limit:
            following = entry.n
            break
        found.append(_entry(entry))
    return {"items": found, "next": following, "entries": head}


def _matches(entry: Entry, subject: str | None, correlation: str | None, kind: str | None) -> bool:
    below = subject is not None and (entry.subject or "").startswith(f"{subject}/")
    if subject is not None and not below and not is_about(entry.subject, subject):
        return False
    return correlation in (None, entry.correlation) and kind in (None, entry.kind)


def _micros(text: str | None) -> int:
    if text is None:
        return 0
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        raise ControlError(400, "`since` is no RFC 3339 time") from None


def _entry(entry: Entry) -> dict[str, Any]:
    """Everything that is hashed, so that an export can be verified with `infra.broker.chain` alone."""
    return {
        "n": entry.n,
        "at": rfc3339(entry.at),
        "micros": entry.at,
        "kind": entry.kind,
        "id": entry.id,
        "source": entry.source,
        "type": entry.type,
        "subject": entry.subject,
        "correlation": entry.correlation,
        "causation": entry.causation,
        "principal": entry.principal,
        "detail": entry.detail,
        "digest": entry.digest.hex(),
        "previous": entry.previous.hex(),
        "hash": entry.hash.hex(),
    }


def _ledger(parts: Parts) -> AnchoredLedger:
    return AnchoredLedger(parts.evidence.ledger, _anchors(parts), _signer(parts), ledger_id(parts.root / "state"), _now)


def _audit(parts: Parts) -> LedgerAudit:
    identity = ledger_id(parts.root / "state")
    return LedgerAudit(parts.evidence.ledger, _anchors(parts), _signer(parts), identity, _ledger(parts).message)


def _anchors(parts: Parts) -> VaultAnchors:
    configuration = parts.configuration
    return VaultAnchors(KvEngine(parts.clients["record"]), configuration.authority.claims_mount, configuration.cluster)


def _signer(parts: Parts) -> TransitSigner:
    return TransitSigner(parts.clients["record"], parts.configuration.authority.transit_mount)


def _now() -> datetime:
    return datetime.now(UTC)


def _report(report: Report) -> dict[str, Any]:
    tail = report.tail
    return {
        "intact": report.intact,
        "complete": report.asked,
        "ledger": report.ledger,
        "entries": report.entries,
        "head": report.head,
        "anchors": {"recorded": report.recorded, "signatures": report.signatures},
        "authority": _authority(report.authority),
        "unanchored": (
            {"first": tail.first, "last": tail.last, "since": tail.since.isoformat() if tail.since else None}
            if tail
            else None
        ),
        "problems": [{"entry": one.entry, "what": one.what, "action": one.action} for one in report.problems],
        "notices": report.notices,
        "cannotShow": list(CANNOT_SHOW),
    }


def _authority(anchor: Anchor | None) -> dict[str, Any] | None:
    if anchor is None:
        return None
    return {
        "entries": anchor.sequence,
        "anchored": anchor.anchored.isoformat(),
        "ledger": anchor.ledger,
        "revision": anchor.revision,
        "keyVersion": anchor.key_version,
    }
