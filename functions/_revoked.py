"""No value that was revoked is ever published again (DESIGN, "Origin").

A path's claim holds fingerprints of what was revoked there. Whoever writes the path has the claim in hand anyway, and
asks the authority for fingerprints only where there is something to compare them with. A claim holds the newest; what
is older is in pages beside it, as many as it takes for as long as the path is claimed: none is forgotten.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from functions._ports import Claim, Ports
from functions._telling import telling
from functions._values import SecretData

MOST = 64  # fingerprints in a claim itself; with one more, the older half goes to a page
PAGE = 2000  # of a page: about 140 KB


def revoked_among(claim: Claim, data: SecretData, ports: Ports) -> tuple[str, ...]:
    """The names of those properties whose value was revoked at this path, ordered (FINGERPRINT_REVOKED, CLAIM_READ)."""
    if not claim.revoked:
        return ()
    values = telling(claim.path, data)
    if not values:
        return ()
    known, found = frozenset(_all(claim, ports)), set[str]()
    # By every version of the key that something was remembered by: a new one makes nothing forgotten.
    for version in sorted({key_version(one) for one in known}):
        prints = ports.fingerprints.of("revoked", tuple(values.values()), version)
        found |= {key for key, fingerprint in zip(values, prints, strict=True) if fingerprint in known}
    return tuple(sorted(found))


def with_revoked(claim: Claim, fingerprints: Iterable[str], ports: Ports) -> Claim:
    """The claim that remembers these too; equal to `claim` where it does already (CLAIM_WRITE). Raises Conflict.

    Pages are written before the claim that names them: dying between leaves something twice, and nothing out.
    """
    known = frozenset(_all(claim, ports))
    new = tuple(dict.fromkeys(one for one in fingerprints if one not in known))
    if not new:
        return claim
    kept = (*claim.revoked, *new)
    if len(kept) <= MOST:
        return replace(claim, revoked=kept)
    page = max(claim.pages, 1)
    if len(ports.claims.revoked(claim.path, page)) + len(kept) > PAGE:
        page += 1
    ports.claims.remember(claim.path, page, kept[: -MOST // 2])
    return replace(claim, revoked=kept[-MOST // 2 :], pages=page)


def key_version(fingerprint: str) -> int:
    """By which version of the key it was made."""
    return int(fingerprint.partition(".")[0].removeprefix("v"))


def refusal(keys: Iterable[str]) -> str:
    """Why a content is not written, for people."""
    named = ", ".join(sorted(keys))[:200]
    return f"the value of {named} was revoked here, and is never published again; give it a new one at its source"


def _all(claim: Claim, ports: Ports) -> Iterator[str]:
    for page in range(1, claim.pages + 1):
        yield from ports.claims.revoked(claim.path, page)
    yield from claim.revoked
