"""`Proofs` as documents `lockstep/proofs/<sha256 of str(path)>`: what somebody logged in with."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from events.references import PathRef, Version
from functions._failures import Conflict
from functions._rotations import Proof
from infra.stores.vault.documents import MOUNT, SCHEMA, kept, name_of, text, time
from infra.stores.vault.kv import KvEngine, KvVersion
from infra.stores.vault.rotations import path_of

_DIRECTORY = "proofs"
_TRIES = 5  # one verification of a path writes at a time; two deliveries of the same may meet


class VaultProofs:
    """The newest proof of a path. An older one proves nothing of what is staged now, and is replaced."""

    def __init__(self, engine: KvEngine, mount: str = MOUNT) -> None:
        self._engine = engine
        self._mount = mount
        self._written: dict[PathRef, int] = {}  # the versions that we wrote last: mostly they are the newest still

    def read(self, path: PathRef) -> Proof | None:
        return _held(path, self._engine.read(self._mount, name_of(_DIRECTORY, path)))

    @contextmanager
    def reading(self, path: PathRef) -> Iterator[Callable[[], Proof | None]]:
        with self._engine.reading(self._mount, name_of(_DIRECTORY, path)) as found:
            yield lambda: _held(path, found())

    @contextmanager
    def writing(self, proof: Proof) -> Iterator[Callable[[], None]]:
        name, document = name_of(_DIRECTORY, proof.path), _document(proof)
        former = self._written.get(proof.path, 0)
        with self._engine.writing(self._mount, name, document, former) as written:

            def done() -> None:
                try:
                    self._written[proof.path] = written().number
                except Conflict:
                    self._overwrite(proof, document)

            yield done

    def _overwrite(self, proof: Proof, document: dict[str, Any]) -> None:
        name = name_of(_DIRECTORY, proof.path)
        for left in reversed(range(_TRIES)):
            found = self._engine.read(self._mount, name)
            try:
                written = self._engine.write(self._mount, name, document, found.number if found else 0)
            except Conflict:
                if not left:
                    raise
            else:
                self._written[proof.path] = written.number
                return


def _held(path: PathRef, found: KvVersion | None) -> Proof | None:
    return kept(f"the proof of {path}", found, lambda data, _: _proof(data), lambda proof: proof.path, path)


def _document(proof: Proof) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "mount": proof.path.mount,
        "path": proof.path.path,
        "rotation": proof.rotation,
        "staged": proof.staged.model_dump(mode="json"),
        "at": proof.at.isoformat(),
    }


def _proof(data: Mapping[str, Any]) -> Proof:
    return Proof(
        path=path_of(data),
        rotation=text(data, "rotation"),
        staged=Version.model_validate(data["staged"]),
        at=time(data, "at"),
    )
