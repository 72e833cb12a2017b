"""POST fingerprint, POST fingerprint/match: values in, fingerprints or places out, on record.

Values come over the Unix socket, go to the authority's transit engine and nowhere else. Whoever may do this can tell
whether a value is a secret of ours: that takes being who runs Lockstep (or root), and where `leaks.fingerprinters` in
lockstep.yaml names users, being one of those.
"""

import base64
import binascii
import secrets
from typing import Literal

from pydantic import ValidationError

from events.leak import FingerprintsMade
from functions._leaks import Indexed, Sighting
from functions._telling import canonical, guessable
from functions._values import SecretValue
from infra.broker.errors import BrokerError
from infra.hosts.control.arguments import ports_of, text
from infra.hosts.control.documents import Document
from infra.hosts.control.request import Arguments, ControlError
from infra.hosts.local.instance import Parts
from infra.stores.vault.fingerprints import VaultFingerprintIndex
from infra.stores.vault.kv import KvEngine

MOST = 5000  # values of one request
_PURPOSES = ("fingerprint", "report", "scan")


def fingerprint(parts: Parts, arguments: Arguments, by: str) -> Document:
    """The fingerprint of each of `values` (base64), in order; null for what is too guessable to have one."""
    values = _values(arguments)
    record(parts, by, _purpose(arguments), len(values))
    return {"fingerprints": made(parts, values)}


def match(parts: Parts, arguments: Arguments, by: str) -> Document:
    """Which of `values` (base64) are secrets that are known here, by their place in the list; and which secrets."""
    values = _values(arguments)
    record(parts, by, _purpose(arguments), len(values))
    index = index_of(parts)
    known = index.known()
    found = [(number, one) for number, one in enumerate(made(parts, values)) if one is not None and one in known]
    matches = [
        {"value": number, "fingerprint": one, "secrets": [_sighting(each, index) for each in sightings]}
        for number, one in found
        if (sightings := index.find(one))
    ]
    return {"matches": matches, "known": len(known)}


def made(parts: Parts, values: list[SecretValue]) -> list[str | None]:
    """Their fingerprints; None for one that would match everything."""
    short = [canonical(value) for value in values]
    worth = [value for value in short if not guessable(value.reveal())]
    prints = iter(ports_of(parts)("index").fingerprints.of("leak", worth) if worth else ())
    return [None if guessable(value.reveal()) else next(prints) for value in short]


def record(parts: Parts, by: str, purpose: str, count: int) -> None:
    """Say in the ledger that somebody had so many made. Raises ControlError: nothing is made that is not on record."""
    permit(parts, by)
    try:
        event = FingerprintsMade.model_validate(
            {"session": secrets.token_hex(16), "by": by, "purpose": purpose, "count": count}
        )
        parts.tell["operators"](event)
    except (BrokerError, ValidationError) as failure:
        raise ControlError(503, f"it cannot be put on record ({type(failure).__name__}), and so is not done") from None


def permit(parts: Parts, by: str) -> None:
    """Raises ControlError 403 for who may not have values compared."""
    allowed = parts.configuration.leaks.fingerprinters
    if allowed and by.removeprefix("operator:uid:").removeprefix("operator:") not in {str(uid) for uid in allowed}:
        raise ControlError(403, f"{by} may not have fingerprints made; leaks.fingerprinters in lockstep.yaml says who")


def _purpose(arguments: Arguments) -> Literal["fingerprint", "report", "scan"]:
    said = text(arguments, "purpose")
    for purpose in _PURPOSES:
        if said == purpose:
            return purpose  # type: ignore[return-value]  # one of those words
    raise ControlError(400, f"`purpose` is one of {', '.join(_PURPOSES)}")


def _values(arguments: Arguments) -> list[SecretValue]:
    found = arguments.get("values")
    if not isinstance(found, list) or not 1 <= len(found) <= MOST or not all(isinstance(one, str) for one in found):
        raise ControlError(400, f"`values` is no list of 1 to {MOST} texts in base64")
    return decoded(found)


def decoded(found: list[str]) -> list[SecretValue]:
    """Values from base64. Raises ControlError 400."""
    try:
        return [SecretValue(base64.b64decode(one, validate=True)) for one in found]
    except (binascii.Error, ValueError, TypeError):
        raise ControlError(400, "`values` holds what is not base64") from None


def index_of(parts: Parts) -> VaultFingerprintIndex:
    """The index, read with the rights of the step that keeps it."""
    engine = KvEngine(parts.clients["index"])
    return VaultFingerprintIndex(engine, parts.configuration.authority.claims_mount, parts.configuration.cluster)


def _sighting(sighting: Sighting, index: VaultFingerprintIndex) -> Document:
    indexed = index.read(sighting.path) or Indexed(sighting.path)
    held = indexed.held(sighting.version)
    newest = max(indexed.versions, default=0)
    return {
        "path": str(sighting.path), "key": sighting.key, "version": sighting.version.number,
        "current": sighting.version.number == newest, "revoked": held is not None and held.revoked,
    }  # fmt: skip
