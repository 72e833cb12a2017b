"""`Claims` as documents `lockstep/claims/<sha256 of str(path)>`, mirrored to custom_metadata for people.

`lockstep/claims/<sha256 of str(path)>/revoked/<page>` holds what was revoked there, beyond the newest in the claim.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal, TypeVar

from events.references import PathRef
from functions._failures import Conflict, Reject, StepFailure
from functions._ports import Claim
from infra.stores.vault.documents import MOUNT, RESTORE, SCHEMA, kept, number, numbers, parsed, text, texts
from infra.stores.vault.kv import KvEngine, KvVersion

_Word = TypeVar("_Word", bound=str)
_ORIGINS: tuple[Literal["producer", "rotation", "authority"], ...] = ("producer", "rotation", "authority")
_STATES: tuple[Literal["active", "released", "retired"], ...] = ("active", "released", "retired")
_REMOVALS: tuple[Literal["keep", "delete"], ...] = ("keep", "delete")
_METADATA_VALUE = 512  # characters that custom_metadata takes


def claim_name(path: PathRef) -> str:
    """Where a path's claim is in the mount."""
    return f"claims/{hashlib.sha256(str(path).encode()).hexdigest()}"


class VaultClaims:
    """Ownership documents under compare-and-set: a revision is the document's version.

    `notice` is told, in a sentence, when the mirror for people could not be written; the claim itself stands.
    """

    def __init__(self, engine: KvEngine, notice: Callable[[str], None], mount: str = MOUNT) -> None:
        self._engine = engine
        self._notice = notice
        self._mount = mount

    def read(self, path: PathRef) -> Claim | None:
        return self._held(path, self._engine.read(self._mount, claim_name(path)))

    @contextmanager
    def reading(self, path: PathRef) -> Iterator[Callable[[], Claim | None]]:
        with self._engine.reading(self._mount, claim_name(path)) as found:
            yield lambda: self._held(path, found())

    def create(self, claim: Claim) -> Claim:
        return self._write(claim, 0)

    def update(self, claim: Claim) -> Claim:
        if claim.revision < 1:
            raise Conflict(f"the claim of {claim.path} was never read; read it first")
        return self._write(claim, claim.revision)

    def revoked(self, path: PathRef, page: int) -> tuple[str, ...]:
        return self._page(path, page)[0]

    def remember(self, path: PathRef, page: int, fingerprints: tuple[str, ...]) -> None:
        known, revision = self._page(path, page)
        wanted = tuple(dict.fromkeys((*known, *fingerprints)))
        if wanted != known:
            document = {"schema": SCHEMA, "mount": path.mount, "path": path.path, "revoked": list(wanted)}
            self._engine.write(self._mount, _page_name(path, page), document, revision)

    def _page(self, path: PathRef, page: int) -> tuple[tuple[str, ...], int]:
        name, where = _page_name(path, page), f"page {page} of what was revoked at {path}"
        found = self._engine.read(self._mount, name)
        if found is None:
            return (), 0
        data = self._undeleted(where, name, found)
        return parsed(where, data, lambda data: texts(data, "revoked")), found.number

    def _held(self, path: PathRef, found: KvVersion | None) -> Claim | None:
        where = f"the claim of {path}"
        if found is not None:
            self._undeleted(where, claim_name(path), found)
        return kept(where, found, _claim, lambda claim: claim.path, path, mend=RESTORE)

    def _undeleted(self, where: str, name: str, found: KvVersion) -> Mapping[str, Any]:
        """What a document holds. Raises Reject for one that was deleted, which nothing of ours does.

        To begin anew would forget whose the path is, and which values were revoked and may never come back.
        """
        if found.data is None:
            raise Reject(
                f"{where} was deleted at the authority; restore it (`bao kv undelete -mount={self._mount} "
                f"-versions={found.number} {name}`), or have it forgotten for good (`bao kv metadata delete`)"
            )
        return found.data

    def _write(self, claim: Claim, revision: int) -> Claim:
        try:
            written = self._engine.write(self._mount, claim_name(claim.path), _document(claim), revision)
        except Conflict:
            raise Conflict(f"the claim of {claim.path} changed since it was read; read it again") from None
        self._mirror(claim)
        return replace(claim, revision=written.number)

    def _mirror(self, claim: Claim) -> None:
        entries = {
            "managed-by": "lockstep",  # what makes other operators leave the path alone
            "lockstep-owner": claim.owner,
            "lockstep-cluster": claim.cluster,
            "lockstep-origin": claim.origin,
            "lockstep-state": claim.state,
            "lockstep-epoch": str(claim.epoch),
        }
        cut = {key: value[:_METADATA_VALUE] for key, value in entries.items()}
        try:
            self._engine.merge_custom_metadata(claim.path.mount, claim.path.path, cut)
        except StepFailure as failure:
            # The claim is written and is the truth; failing here would only repeat a step that has nothing to do.
            self._notice(f"the owner of {claim.path} is not shown in its custom_metadata: {failure.reason}")


def _page_name(path: PathRef, page: int) -> str:
    return f"{claim_name(path)}/revoked/{page}"


def _document(claim: Claim) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "mount": claim.path.mount,
        "path": claim.path.path,
        "owner": claim.owner,
        "cluster": claim.cluster,
        "uid": claim.uid,
        "origin": claim.origin,
        "epoch": claim.epoch,
        "state": claim.state,
        "on_removal": claim.on_removal,
        "properties": list(claim.properties),
        "deleted": list(claim.deleted),
        **({"revoked": list(claim.revoked)} if claim.revoked else {}),
        **({"revoked_pages": claim.pages} if claim.pages else {}),
    }


def _claim(data: Mapping[str, Any], revision: int) -> Claim:
    return Claim(
        path=PathRef(mount=text(data, "mount"), path=text(data, "path")),
        owner=text(data, "owner"),
        cluster=text(data, "cluster"),
        uid=text(data, "uid"),
        origin=_one_of(data, "origin", _ORIGINS),
        epoch=number(data, "epoch"),
        state=_one_of(data, "state", _STATES),
        on_removal=_one_of(data, "on_removal", _REMOVALS),
        properties=texts(data, "properties"),
        deleted=numbers(data, "deleted"),
        revoked=texts(data, "revoked") if "revoked" in data else (),
        pages=number(data, "revoked_pages") if "revoked_pages" in data else 0,
        revision=revision,
    )


def _one_of(data: Mapping[str, Any], key: str, known: tuple[_Word, ...]) -> _Word:
    value = text(data, key)
    for word in known:
        if value == word:
            return word
    raise ValueError(key)
