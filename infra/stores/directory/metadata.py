"""What is written beside a Secret's data: ours (`..lockstep.json`), and a producer's (`..metadata.json`)."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from events.references import Version
from functions._failures import Reject
from functions._ports import SecretContent
from infra.stores.directory.handles import FileStat
from infra.stores.directory.layout import THEIRS

SCHEMA = 1

Numbers = tuple[int, int, int, int]

_MOST = 1024


class _Document(BaseModel):
    # Unknown fields are let through: a later version may say more. Built when a document of its kind is met.
    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    type: str = Field(default="Opaque", max_length=253)
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    immutable: bool = False


class Theirs(_Document):
    """What a producer says of its Secret. Optional."""


class Marker(BaseModel):
    """Whose Secret this is; survives a `..data` that somebody swapped."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    version: int = SCHEMA
    owner: str
    managed: tuple[str, ...]


class Ours(_Document):
    """What we wrote, and the stats by which a change of it is noticed without hashing a value.

    `files`: key -> [size in bytes, mtime in ns, inode, ctime in ns]. `replaced`: the same of the files that lay
    under these names without `..data` before; one that still lies there was not tidied yet, and is not news.
    """

    version: int = SCHEMA
    stamp: dict[str, Version] = Field(default_factory=dict)
    owner: str = ""
    managed: tuple[str, ...] = ()
    files: dict[str, Numbers] = Field(default_factory=dict)
    replaced: dict[str, Numbers] = Field(default_factory=dict)

    def recorded(self) -> dict[str, FileStat]:
        return {key: FileStat(*numbers) for key, numbers in self.files.items()}

    def covers(self, key: str, found: FileStat) -> bool:
        """Whether what lies beside `..data` is only the file that this content replaced."""
        return key in self.replaced and FileStat(*self.replaced[key]) == found


_known: dict[FileStat, Ours] = {}


def ours_of(content: SecretContent, files: Mapping[str, FileStat], replaced: Mapping[str, FileStat]) -> Ours:
    return Ours(
        type=content.type, labels=dict(content.labels), annotations=dict(content.annotations),
        immutable=content.immutable, stamp=dict(content.stamp), owner=content.owner,
        managed=tuple(sorted(content.managed)),
        files=_numbers(files), replaced=_numbers(replaced),
    )  # fmt: skip


def _numbers(files: Mapping[str, FileStat]) -> dict[str, Numbers]:
    return {key: (file.size, file.mtime, file.inode, file.ctime) for key, file in files.items()}


def encode_marker(owner: str, managed: frozenset[str]) -> bytes:
    return Marker(owner=owner, managed=tuple(sorted(managed))).model_dump_json().encode()


def decode_ours(raw: bytes) -> Ours | None:
    """None for what we cannot have written whole: damaged by a crash or by somebody, which is drift."""
    try:
        return Ours.model_validate_json(raw)
    except ValidationError:
        return None


def remember(found: FileStat, ours: Ours) -> None:
    """What a file holds that has this stat: each look at a Secret of ours would read it again."""
    if len(_known) >= _MOST:
        _known.clear()
    _known[found] = ours


def recall(found: FileStat) -> Ours | None:
    return _known.get(found)


def decode_marker(raw: bytes) -> Marker | None:
    try:
        return Marker.model_validate_json(raw)
    except ValidationError:
        return None


def decode_theirs(raw: bytes, subject: object) -> Theirs:
    """Raises Reject, with the field but never the content: what should hold no secret may hold one."""
    try:
        return Theirs.model_validate_json(raw)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in problem["loc"])[:80] or "the document"
        raise Reject(
            f'{subject}: {THEIRS} is not {{"labels": {{}}, "annotations": {{}}}} ({where}: {problem["type"]}): mend it'
        ) from None
