"""What somebody else wrote where a Rotation alone confirms versions: named, and never distributed.

Nobody writes it over at once: only `promote` writes live values at such a path, and what it would write back is in no
record. The next rotation replaces it; until then consumers keep the version that was confirmed.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from events.references import PathRef
from events.secret import SecretConflicted
from functions._ports import PathHead, Ports, Publication

if TYPE_CHECKING:
    from functions._manifests.rotation import Rotation
    from functions._rotations import Record

_WRITES = frozenset({"verified", "promoting"})  # `promote` has its turn: the newest version may be its own
Read = Callable[[PathRef], "Record | None"]


def foreign_write(
    rotation: "Rotation", path: PathRef, head: PathHead | None, ports: Ports, record: Read
) -> Iterator[SecretConflicted]:
    """The conflict, where the newest version is not the one that was confirmed. `record` is asked for only then.

    `head` must have been read before anything else: what is confirmed then is at least as new.
    """
    confirmed = ports.publications.read(path)
    if confirmed is None or (head is not None and _as_confirmed(head, confirmed)):
        return
    known = record(path)
    ours = head is not None and not head.deleted and known is not None and known.promoted == head.version
    if ours or (known is not None and known.phase in _WRITES):
        return  # about to be confirmed
    yield SecretConflicted(
        path=path, claimant=rotation.ref, version=head.version if head is not None else None, outcome="foreign-write",
        explanation=_explained(head, confirmed, rotation),
    )  # fmt: skip


def _as_confirmed(head: PathHead, confirmed: Publication) -> bool:
    known = confirmed.version
    return (head.version == known and not head.deleted) or known.surely_newer_than(head.version)


def _explained(head: PathHead | None, confirmed: Publication, rotation: "Rotation") -> str:
    known, again = confirmed.version, f"`lockstep rotate {rotation.namespace}/{rotation.name}` replaces the credential"
    if head is None or head.deleted:
        return f"somebody deleted what is at the path; consumers keep version {known}, and {again}"
    return (
        f"version {head.version} was not made by its rotation: somebody else wrote it. Nothing of it is distributed, "
        f"consumers keep version {known}, and {again}"
    )
