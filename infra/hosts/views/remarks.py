"""What an operator is told of the wiring without having asked: when Lockstep starts, and when a file changes."""

from collections.abc import Iterator

from infra.hosts.located import located
from infra.hosts.platform import SnapshotWiring
from infra.hosts.views.written import position_in
from infra.wiring.index import Index

_MOST = 20  # manifests; a wiring may be wrong in thousands in the same way


def unread_files(index: Index) -> dict[str, str]:
    """Every file that could not be read as a whole, with the first reason, and what is used meanwhile."""
    found: dict[str, str] = {}
    former = tuple(index.former.values())
    for one in index.findings:
        kept = "the former manifest is used" if one in former else "what it says is not used"
        found.setdefault(one.file, f"{located(one.file, one.line)}: {one.message}; {kept} until it is mended")
    return found


def wiring_remarks(wiring: SnapshotWiring) -> Iterator[str]:
    """What cannot be read, and which manifests may not act, but for those that another controller is to serve."""
    index = wiring.snapshot()
    where = position_in(index)
    remarks = list(unread_files(index).values())
    for ref in index.generations():
        if ref.kind != "ClusterSecretStore" and index.mode(ref) == "own" and (problem := wiring.problem(ref)):
            remarks.append(f"{located(*where(ref))}: {ref}: {problem}")
    yield from remarks[:_MOST]
    if len(remarks) > _MOST:
        yield f"and {len(remarks) - _MOST} more that is wrong in the wiring; `lockstep status` lists it"
