"""RotationTargets as a folder of manifests beside the wiring: the platform's alone, as access.yaml is."""

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from infra.wiring import rules
from infra.wiring.documents import Document, load_documents
from infra.wiring.files import Unusable, read_content, walk
from infra.wiring.finding import Finding

if TYPE_CHECKING:  # loaded where one is declared: a step that rotates nothing starts without it
    from functions._manifests.rotation_target import RotationTarget


class TargetFolder:
    """The declared systems. Where a file cannot be read, what it last declared stays in force."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reloading = threading.Lock()
        self._files: dict[str, tuple[Document, ...]] = {}
        self._declared: Mapping[str, RotationTarget] = {}
        self._all: tuple[RotationTarget, ...] = ()
        self.findings: tuple[Finding, ...] = ()

    def named(self, name: str) -> "RotationTarget | None":
        """The one of this name, None where none is declared, or two are."""
        return self._declared.get(name)

    def all(self) -> "tuple[RotationTarget, ...]":
        """All of them, ordered by name; the same object until something changes."""
        return self._all

    def reload(self) -> tuple[str, ...]:
        """Read the folder again; what is wrong in it, one sentence each, with file and line."""
        with self._reloading:
            files: dict[str, tuple[Document, ...]] = {}
            findings: list[Finding] = []
            for found in walk(self._folder, self._folder.name) if self._folder.is_dir() else ():
                content = found if isinstance(found, Unusable) else read_content(found)
                if isinstance(content, Unusable):
                    findings.append(content.finding)
                    files |= self._kept(content.name)
                    continue
                loaded = load_documents(content, found.name, platform=True)
                findings += [*loaded.findings, *_strangers(loaded.documents)]
                files[found.name] = self._of(found.name, loaded.documents, sound=loaded.sound)
            declared, twice = declarations(document for name in sorted(files) for document in files[name])
            self._files = files
            self._declared = declared
            if tuple(declared[name] for name in sorted(declared)) != self._all:
                self._all = tuple(declared[name] for name in sorted(declared))
            self.findings = (*findings, *twice)
            return tuple(f"{finding}; {finding.mend}" for finding in self.findings)

    def _of(self, name: str, documents: tuple[Document, ...], *, sound: bool) -> tuple[Document, ...]:
        """The targets of a file; of one that is half broken also those that it declared before and now does not."""
        targets = tuple(document for document in documents if document.target is not None)
        if sound:
            return targets
        present = {document.target.name for document in targets if document.target}
        before = self._files.get(name, ())
        return (*targets, *(each for each in before if each.target and each.target.name not in present))

    def _kept(self, lost: str) -> dict[str, tuple[Document, ...]]:
        """What is known of a file, or of everything beneath a folder, that cannot be read now."""
        return {name: file for name, file in self._files.items() if name == lost or name.startswith(lost + "/")}


def declarations(documents: Iterable[Document]) -> "tuple[dict[str, RotationTarget], tuple[Finding, ...]]":
    """Targets by name, without those that are declared twice: which one counts must not be a matter of file names."""
    declared: dict[str, list[Document]] = {}
    for document in documents:
        if document.target is not None:
            declared.setdefault(document.target.name, []).append(document)
    twice = tuple(
        Finding(rules.DUPLICATE, document.file, document.line, f"{document.title} is declared more than once")
        for found in declared.values()
        for document in (found if len(found) > 1 else ())
    )
    single = {name: found[0].target for name, found in declared.items() if len(found) == 1}
    return {name: target for name, target in single.items() if target is not None}, twice


def _strangers(documents: Iterable[Document]) -> list[Finding]:
    return [
        Finding(rules.UNKNOWN_KIND, each.file, each.line, f"{each.title} is no RotationTarget; move it to the wiring")
        for each in documents
        if each.target is None
    ]
