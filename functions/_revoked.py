"""No value that was revoked is ever published again (DESIGN, "Origin").

A path's claim holds fingerprints of what was revoked there. Whoever writes the path has the claim in hand anyway, and
asks the authority for fingerprints only where there is something to compare them with.
"""

from collections.abc import Iterable
from dataclasses import replace

from functions._ports import Claim, Ports
from functions._telling import telling
from functions._values import SecretData

MOST = 64  # revoked values remembered for a path; the oldest go first


def revoked_among(claim: Claim, data: SecretData, ports: Ports) -> tuple[str, ...]:
    """The names of those properties whose value was revoked at this path, ordered (FINGERPRINT_REVOKED)."""
    if not claim.revoked:
        return ()
    values = telling(claim.path, data)
    if not values:
        return ()
    known, found = frozenset(claim.revoked), set[str]()
    # By every version of the key that something was remembered by: a new one makes nothing forgotten.
    for version in sorted({_key_version(one) for one in known}):
        prints = ports.fingerprints.of("revoked", tuple(values.values()), version)
        found |= {key for key, fingerprint in zip(values, prints, strict=True) if fingerprint in known}
    return tuple(sorted(found))


def with_revoked(claim: Claim, fingerprints: Iterable[str]) -> Claim:
    """The claim that remembers these too; equal to `claim` where it does already."""
    new = tuple(one for one in fingerprints if one not in claim.revoked)
    return replace(claim, revoked=(*claim.revoked, *new)[-MOST:]) if new else claim


def refusal(keys: Iterable[str]) -> str:
    """Why a content is not written, for people."""
    named = ", ".join(sorted(keys))[:200]
    return f"the value of {named} was revoked here, and is never published again; give it a new one at its source"


def _key_version(fingerprint: str) -> int:
    return int(fingerprint.partition(".")[0].removeprefix("v"))
