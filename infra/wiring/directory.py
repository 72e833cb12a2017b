"""The wiring as a folder of manifests: read, compared, and swapped in whole; readers never see half of a change."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from events.references import ManifestRef
from functions._manifests.conventions import ConventionPolicy
from infra.wiring.documents import load_documents
from infra.wiring.files import FileState, Found, Unusable, read_content, walk
from infra.wiring.finding import Finding
from infra.wiring.index import Index, Source
from infra.wiring.newest import NewestWiring


@dataclass(frozen=True, slots=True)
class Change:
    """What an event `wiring.changed` says. A manifest whose problem went away counts as changed."""

    manifest: ManifestRef
    change: Literal["added", "changed", "removed"]
    generation: str


@dataclass(frozen=True, slots=True)
class _File:
    """What one file contributes. `state` is None where it must be read again whatever its times say. `former` are the
    manifests that it contributed before it became unreadable, and why."""

    state: FileState | None
    sources: tuple[Source, ...]
    findings: tuple[Finding, ...]
    digest: bytes = b""
    former: Mapping[ManifestRef, Finding] = field(default_factory=dict)

    def says_as(self, other: "_File | None") -> bool:
        """Whether it contributes what the other did."""
        if other is None or self.sources is not other.sources:
            return False
        return self.findings == other.findings and self.former == other.former


class WiringDirectory(NewestWiring):
    """Implements the port `Wiring` over the newest snapshot; `reload` reads the folder again.

    A file that can no longer be read keeps contributing its last good manifests, with a finding and
    `complete()` False, so that a slip of the pen retracts nothing.
    """

    def __init__(self, root: Path, policy: ConventionPolicy | None = None) -> None:
        self._root = root
        self._policy = policy or ConventionPolicy()
        self._files: dict[str, _File] = {}
        self._index = Index((), policy=self._policy)
        self._reloading = threading.Lock()

    def reload(self, prepare: Callable[[Index], object] = lambda _: None) -> tuple[Change, ...]:
        """Read what changed on disk, swap the snapshot, and say what is different (at first: everything is added).

        `prepare` sees the new snapshot before anybody else does; where it raises, the old one stays.
        """
        with self._reloading:
            files = self._scan()
            same = files.keys() == self._files.keys()
            if same and all(file.says_as(self._files.get(name)) for name, file in files.items()):
                self._files = files
                return ()
            before = self._index
            sources = [source for name in sorted(files) for source in files[name].sources]
            findings = tuple(finding for name in sorted(files) for finding in files[name].findings)
            former = {ref: finding for file in files.values() for ref, finding in file.former.items()}
            after = Index(sources, findings=findings, policy=self._policy, previous=before, former=former)
            prepare(after)
            self._index = after
            self._files = files
            return tuple(changes(before, self._index))

    def _scan(self) -> dict[str, _File]:
        files: dict[str, _File] = {}
        now = time.time_ns()
        for found in walk(self._root, self._root.name):
            if isinstance(found, Unusable):
                files.update(self._kept(found))
            else:
                files[found.name] = self._read(found, now)
        return files

    def _read(self, found: Found, now: int) -> _File:
        before = self._files.get(found.name)
        if before is not None and before.state == found.state:
            return before
        raw = read_content(found)
        if isinstance(raw, Unusable):
            return self._kept(raw)[found.name]
        state = found.state if found.state.settled(now) else None
        digest = hashlib.sha256(raw).digest()
        if before is not None and before.digest == digest:
            return replace(before, state=state)
        loaded = load_documents(raw, found.name)
        sources = [Source(each.manifest, each.file, each.line) for each in loaded.documents if each.manifest]
        former: list[Source] = []
        if before is not None and not loaded.sound:
            present = {source.manifest.ref for source in sources}
            former = [source for source in before.sources if source.manifest.ref not in present]
        return _File(state, (*sources, *former), loaded.findings, digest, _because(former, loaded.findings))

    def _kept(self, lost: Unusable) -> dict[str, _File]:
        """What is known of a file, or of everything beneath a folder, that cannot be read now."""
        beneath = {name: file for name, file in self._files.items() if name.startswith(lost.name + "/")}
        kept = {  # read again, whatever they hold then, when they can be
            name: replace(file, state=None, digest=b"", former=_because(file.sources, (lost.finding,)))
            for name, file in beneath.items()
        }
        before = self._files.get(lost.name)
        sources = before.sources if before else ()
        kept[lost.name] = _File(None, sources, (lost.finding,), former=_because(sources, (lost.finding,)))
        return kept


def _because(former: Iterable[Source], findings: tuple[Finding, ...]) -> dict[ManifestRef, Finding]:
    """Why each of these is used as it was: its own text, else the part of the file that nobody could read."""
    own = {one.manifest: one for one in reversed(findings) if one.manifest is not None}
    other = next((one for one in findings if one.manifest is None), findings[0] if findings else None)
    refs = (source.manifest.ref for source in former)
    return {ref: found for ref in refs if (found := own.get(ref, other)) is not None}


def changes(before: Index, after: Index) -> Iterator[Change]:
    """What one snapshot has that the other has not."""
    old, new = before.generations(), after.generations()
    for ref, generation in new.items():
        if ref not in old:
            yield Change(ref, "added", generation)
        elif old[ref] != generation or (before.disputed(ref) and not after.disputed(ref)):
            yield Change(ref, "changed", generation)
    for ref, generation in old.items():
        if ref not in new:
            yield Change(ref, "removed", generation)
