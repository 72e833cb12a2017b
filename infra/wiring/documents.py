"""Files of manifests: every document becomes a manifest, a known foreign object, or a finding; the rest goes on."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from events.references import ManifestRef
from infra.wiring import rules
from infra.wiring.finding import Finding, Rule
from infra.wiring.kinds import WiredManifest, kind_problem, platform_model, wired_model
from infra.wiring.tree import Mapping, TreeError, line_of, parse_tree
from infra.wiring.wording import worded

if TYPE_CHECKING:  # loaded where one is wired: a step that rotates nothing starts without them
    from functions._manifests.rotation_target import RotationTarget

LARGEST = 16 * 1024 * 1024  # bytes of one file

# A line that begins with '---' ends a document wherever it stands: not even a block scalar may hold one.
_SEPARATOR = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a file. `manifest` is None for a known kind that is no part of the wiring; `target` is set for
    what the platform declares beside it, where that was asked for."""

    file: str
    line: int
    body: Mapping = field(repr=False)  # may hold a Secret's values
    manifest: "WiredManifest | None" = None
    target: "RotationTarget | None" = None

    @property
    def kind(self) -> str:
        return str(self.body.get("kind", ""))

    @property
    def title(self) -> str:
        """Kind, namespace and name, as messages begin."""
        return f"{self.kind:.63} {_named(self.body)}"

    def at(self, *place: Any) -> int:
        """The line of a place within it."""
        return line_of(self.body, place)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a text held."""

    documents: tuple[Document, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether every document could be read; what is missing may not be taken for removed otherwise."""
        return not self.findings


def load_documents(raw: bytes, file: str, *, platform: bool = False) -> Loaded:
    """Read a file's content. Never raises: what is wrong is a finding with its line.

    `platform`: whether it may hold what the platform declares beside the wiring.
    """
    if len(raw) > LARGEST:
        return _failed(rules.FILE_REFUSED, file, 1, f"is {len(raw)} bytes long; at most {LARGEST} are read")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _failed(rules.UNREADABLE, file, raw.count(b"\n", 0, error.start) + 1, "is not UTF-8")
    documents: list[Document] = []
    findings: list[Finding] = []
    for line, part in _parts(text):
        try:
            tree = parse_tree(part, line)
        except TreeError as error:
            findings.append(Finding(rules.UNREADABLE, file, error.line, str(error)))
            continue
        for body in _objects(tree):
            read = _document(body, file, line, platform)
            if isinstance(read, Document):
                documents.append(read)
            else:
                findings.extend(read)
    return Loaded(tuple(documents), tuple(findings))


def _failed(rule: Rule, file: str, line: int, message: str) -> Loaded:
    return Loaded(findings=(Finding(rule, file, line, message),))


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """The documents of a text with the line each begins on; parsed apart, one broken part spoils no other."""
    starts = [0, *(match.start() for match in _SEPARATOR.finditer(text) if match.start())]
    line = 1
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        part = text[start:end]
        yield line, part
        line += part.count("\n")


def _objects(tree: Any) -> Iterator[Any]:
    if tree is None:
        return
    items = tree.get("items") if isinstance(tree, Mapping) and str(tree.get("kind", "")).endswith("List") else None
    if isinstance(items, list):
        yield from items
    else:
        yield tree


def _document(body: Any, file: str, line: int, platform: bool) -> Document | list[Finding]:
    if not isinstance(body, Mapping):
        return [Finding(rules.UNKNOWN_KIND, file, getattr(body, "line", line), "is no object with apiVersion and kind")]
    model = wired_model(body)
    declared = platform_model(body) if platform else None
    if model is None and declared is None:
        found = kind_problem(body)
        if found is None:
            return Document(file, body.line, body)
        rule, message = found
        return [Finding(rule, file, line_of(body, ("kind",)), message)]
    try:
        if declared is not None:
            return Document(file, body.line, body, target=declared.model_validate(body))
        return Document(file, body.line, body, model.model_validate(body) if model else None)
    except ValidationError as error:
        return [_invalid(body, file, each) for each in error.errors(include_url=False, include_input=False)]


def _invalid(body: Mapping, file: str, error: Any) -> Finding:
    place = tuple(error["loc"])
    text = f"{body.get('kind')} {_named(body)}: {worded(error)}"
    return Finding(rules.INVALID, file, line_of(body, place), text, _reference(body))


def _reference(body: Mapping) -> ManifestRef | None:
    """Which manifest it would be, where that much of it can be read."""
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        return None
    try:
        return ManifestRef(
            kind=str(body.get("kind")), namespace=metadata.get("namespace", "-"), name=metadata.get("name", "")
        )
    except ValidationError:
        return None


def _named(body: Mapping) -> str:
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        return "without metadata"
    return f"{metadata.get('namespace', '-')!s:.63}/{metadata.get('name', '?')!s:.253}"
