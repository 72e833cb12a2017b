"""What `lockstep manifests` makes of the example's wiring, kept in `infra/deploy/rendered/` and checked for drift."""

from functools import cache
from pathlib import Path

from infra.deploy.manifests.installation import TARGETS, Installation
from infra.hosts.configuration import Configuration
from infra.hosts.installing import KnownWiring, rendered, wiring_of

FOLDER = "infra/deploy/rendered"
WIRING = Path(__file__).resolve().parents[2] / "examples" / "postgres" / "wiring"
AUTHORITY = "https://vault.vault.svc:8200"  # the one that the example's store names


def example() -> KnownWiring:
    """The example's wiring, with the default settings."""
    return wiring_of(WIRING, Configuration())


def render() -> dict[str, str]:
    """Every file of both targets."""
    return dict(_files())


@cache  # a second of work, for whoever compares file by file
def _files() -> dict[str, str]:
    wired = example().wired
    return {
        f"{FOLDER}/{target}/{name}": text
        for target in TARGETS
        for name, text in rendered(wired, Installation(target=target, authority=AUTHORITY), Configuration()).items()
    }
