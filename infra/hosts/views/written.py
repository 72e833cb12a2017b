"""The wiring as people wrote it: what of it could not be read, and what is used as it was read before."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from events.references import ManifestRef
from infra.hosts.platform import SnapshotWiring
from infra.hosts.views.findings import findings_of
from infra.wiring.finding import Finding
from infra.wiring.index import Index


def _anywhere(ref: ManifestRef) -> tuple[str, int]:
    del ref
    return "its file", 0


@dataclass(frozen=True, slots=True)
class Written:
    """`findings` are what could not be read, `former` which manifests are used as they were before that, and why.

    `where` gives file and line of a manifest.
    """

    findings: tuple[Finding, ...] = ()
    former: Mapping[ManifestRef, Finding] = field(default_factory=dict)
    where: Callable[[ManifestRef], tuple[str, int]] = _anywhere

    def of(self, ref: ManifestRef) -> Finding | None:
        """Why this manifest could not be read, where it can be told that it is this one."""
        return next((one for one in self.findings if one.manifest == ref), None)

    def unread(self) -> tuple[Finding, ...]:
        """What could not be read and leaves nothing in use: what it would say is not known."""
        kept = tuple(self.former.values())
        return tuple(one for one in self.findings if one not in kept)

    def unnamed(self) -> tuple[Finding, ...]:
        """Of these, the ones that may hold any manifest."""
        return tuple(one for one in self.unread() if one.manifest is None)


def written_of(wiring: SnapshotWiring) -> Written:
    """As it is now."""
    index = wiring.snapshot()
    errors = tuple(one for one in findings_of(wiring) if one.severity == "error")
    return Written(errors, index.former, position_in(index))


def position_in(index: Index) -> Callable[[ManifestRef], tuple[str, int]]:
    """File and line of a manifest."""
    where: dict[str, tuple[ManifestRef, str, int]] = {}

    def position(ref: ManifestRef) -> tuple[str, int]:
        if not where:  # worked out when it is first asked for: most questions ask for none
            where.update(places(index))
        _, file, line = where.get(str(ref), (ref, "its file", 0))
        return file, line

    return position


def places(index: Index) -> dict[str, tuple[ManifestRef, str, int]]:
    """Where each manifest stands, by its name."""
    placed = [each.placed for found in (index.pushes(), index.externals(), index.rotated()) for each in found]
    return {str(each.ref): (each.ref, each.file, each.line) for each in placed}
