"""SourceSecrets and TargetSecrets over directories."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

from events.references import SecretRef
from functions._failures import Conflict, Reject, Retry, StepFailure
from functions._manifests.rare import LabelSelector
from functions._ports import LookedAt, Secret, SecretContent, SecretHead
from functions._values import SecretValue
from infra.stores.directory.failures import translated
from infra.stores.directory.handles import Opening, Place
from infra.stores.directory.layout import DATA, DELETED, is_deleted, is_leftover, refuse_names, refuse_size, unique
from infra.stores.directory.locking import locked
from infra.stores.directory.ownership import Owner
from infra.stores.directory.reading import Look, look
from infra.stores.directory.recent import RecentLooks
from infra.stores.directory.tidying import Tidier
from infra.stores.directory.writing import remove, replace, sweep

NAMESPACES = "namespaces"


class DirectorySecrets:
    """Secrets below ROOT/namespaces; safe to share between threads and processes.

    All methods raise Unavailable("directory", …) where the file system refuses, Retry while a Secret is half-written
    or locked, Reject for what can never be a Secret. `settle` is how long, in seconds, the files of a producer that
    swaps no `..data` must have lain still: longer than the kernel's clock tick, by which changes are told apart.
    `lock_wait` is how long, in seconds, a write waits for another one of the same Secret. A content that was replaced
    is removed within `tidy_after` seconds, 0 for at once.
    """

    def __init__(
        self, root: Path, *, owners: Mapping[str, Owner] | None = None, default: Owner | None = None,
        settle: float = 0.02, lock_wait: float = 2.0, tidy_after: float = 0.0,
    ) -> None:  # fmt: skip
        self._root = root
        self._owners = dict(owners or {})
        self._default = default or Owner()
        self._settle = settle
        self._lock_wait = lock_wait
        self._recent = RecentLooks(settle)
        self._tidier = Tidier(self._clean_later, tidy_after) if tidy_after > 0 else None

    # --- reading ---------------------------------------------------------------------------------------------

    def read(self, ref: SecretRef) -> Secret | None:
        found = self._look(ref, values=True)
        if found is None:
            return None
        document = found.document
        return Secret(
            ref=ref, data={key: SecretValue(raw) for key, raw in found.values.items()}, state=found.state,
            type=document.type, labels=document.labels, annotations=document.annotations,
            immutable=document.immutable, stamp=found.stamp, owner=found.owner, managed=found.managed,
            drifted=found.drifted,
        )  # fmt: skip

    @contextmanager
    def reading(self, ref: SecretRef) -> Iterator[Callable[[], Secret | None]]:
        """Read at once, while the authority's answer, which was asked for before, is on its way.

        Not in a thread: handing over, and sharing the interpreter, costs more than these few system calls.
        """
        try:
            found = self.read(ref)
        except StepFailure as error:
            yield partial(_raise, error)
        else:
            yield lambda: found

    def head(self, ref: SecretRef) -> SecretHead | None:
        """As `read`, from names, stats and metadata alone: no value is opened."""
        found = self._look(ref, values=False)
        if found is None:
            return None
        return SecretHead(
            ref=ref, state=found.state, stamp=found.stamp, owner=found.owner, drifted=found.drifted,
            labels=found.document.labels, annotations=found.document.annotations,
        )  # fmt: skip

    def heads(self, refs: Collection[SecretRef]) -> LookedAt:
        """Each when it is asked for: a look at a directory is no request."""
        return self.head

    def select(self, namespace: str, selector: LabelSelector) -> tuple[SecretRef, ...]:
        """The matching Secrets, ordered by name. One that cannot be judged fails the whole: it may not look absent."""
        heads = (self.head(ref) for ref in self.list(namespace))
        return tuple(head.ref for head in heads if head and selector.matches(head.labels))

    def list_namespaces(self) -> tuple[str, ...]:
        """The namespaces that have a directory, ordered."""
        with translated("the namespaces", "list them"), suppress(FileNotFoundError), self._namespaces() as place:
            return tuple(name for name in _directories(place) if _reference(name, "any"))
        return ()

    def list(self, namespace: str) -> tuple[SecretRef, ...]:
        """The Secrets of a namespace that have a directory, ordered by name; `head` tells whether one is there."""
        with translated(f"namespace {namespace}", "list it"), suppress(FileNotFoundError):
            with self._namespace(namespace) as place:
                names = _directories(place)
            return tuple(ref for name in names if (ref := _reference(namespace, name)))
        return ()

    # --- writing ---------------------------------------------------------------------------------------------

    def create(self, ref: SecretRef, content: SecretContent) -> str:
        _accept(ref, content)
        with translated(ref, "create it"):
            self._make_namespace(ref.namespace)
            with self._namespace(ref.namespace) as namespace:
                made = self._make_directory(namespace, ref.name, ref.namespace)
                try:
                    return self._create(namespace, ref, content)
                finally:
                    if made:  # removes it if it stayed empty: a refusal leaves nothing behind
                        with suppress(OSError):
                            os.rmdir(ref.name, dir_fd=namespace.handle)

    def update(self, ref: SecretRef, content: SecretContent, expected: str) -> str:
        _accept(ref, content)
        with translated(ref, "write it"):
            try:
                with self._locked(ref) as place:
                    current = self._unchanged(place, ref, expected)
                    if current.document.immutable:
                        self._refuse_change(place, content)
                    later = self._tidier is not None and is_leftover(current.content)
                    state = replace(place, content, self._owner(ref.namespace), current, tidy=not later)
            except FileNotFoundError:
                raise Conflict(f"{ref} was deleted since it was read") from None
        if self._tidier is not None:
            self._tidier.soon(ref)
        return state

    def delete(self, ref: SecretRef, expected: str) -> None:
        with translated(ref, "delete it"), suppress(FileNotFoundError), self._namespace(ref.namespace) as namespace:
            with locked(namespace, ref.name, subject=ref, wait=self._lock_wait) as place:
                if look(place, values=False, settle=self._settle) is None:
                    return
                self._unchanged(place, ref, expected)
                # One rename, so that nobody ever sees a part of it, whichever layout it has.
                os.rename(ref.name, unique(DELETED), src_dir_fd=namespace.handle, dst_dir_fd=namespace.handle)
            _remove_deleted(namespace)

    def clean(self) -> int:
        """Remove what crashes left behind; how many entries. For the start, when nobody else writes yet."""
        removed = 0
        for name in self.list_namespaces():
            with translated(f"namespace {name}", "clean it"), suppress(FileNotFoundError):
                with self._namespace(name) as namespace:
                    removed += _remove_deleted(namespace)
                removed += sum(self._clean(ref) for ref in self.list(name))
        return removed

    def close(self) -> None:
        """Wait for what is still to be tidied up."""
        if self._tidier is not None:
            self._tidier.finish()

    # --- inside ----------------------------------------------------------------------------------------------

    def _look(self, ref: SecretRef, *, values: bool) -> Look | None:
        with (
            translated(ref, "read it"),
            suppress(FileNotFoundError),
            self._namespace(ref.namespace) as namespace,
            namespace.directory(ref.name, ref) as place,
        ):
            directory = place.status().st_ctime_ns
            found = look(place, values=values, settle=self._settle)
            if found is not None:
                self._recent.note(ref, directory, found)
            return found
        return None

    def _create(self, namespace: Place, ref: SecretRef, content: SecretContent) -> str:
        try:
            with locked(namespace, ref.name, subject=ref, wait=self._lock_wait) as place:
                if look(place, values=False, settle=self._settle) is not None:
                    raise Conflict(f"{ref} exists already")
                return replace(place, content, self._owner(ref.namespace), None)
        except FileNotFoundError:
            raise Conflict(f"{ref} was deleted while it was made") from None

    def _unchanged(self, place: Place, ref: SecretRef, expected: str) -> Look:
        current = self._recent.still(ref, place, expected) or look(place, values=False, settle=self._settle)
        if current is None or current.state != expected:
            raise Conflict(f"{ref} is no longer in the state that was read")
        return current

    def _refuse_change(self, place: Place, content: SecretContent) -> None:
        current = look(place, values=True, settle=self._settle)
        new = {key: value.reveal() for key, value in content.data.items()}
        if current is None or dict(current.values) != new or not content.immutable:
            raise Reject(f"{place.subject} is immutable: delete it, and it is made anew")

    def _clean(self, ref: SecretRef) -> int:
        try:
            with self._locked(ref, wait=0.0) as place:
                return sweep(place, keep=place.link(DATA) or "")
        except (Retry, Reject):
            return 0  # somebody is writing it and cleans up after; or it is not ours to touch

    def _clean_later(self, ref: SecretRef) -> None:
        with suppress(StepFailure, FileNotFoundError), translated(ref, "tidy it up"):
            self._clean(ref)  # what cannot be removed now is removed by the next write

    def _owner(self, namespace: str) -> Owner:
        return self._owners.get(namespace, self._default)

    def _namespaces(self) -> Opening:
        # ROOT itself is the operator's and may be reached through symlinks; what is below it may not.
        return Opening(f"{self._root}/{NAMESPACES}", None, "the namespaces' directory", self._default.trusted())

    @contextmanager
    def _namespace(self, name: str) -> Iterator[Place]:
        with self._namespaces() as namespaces:
            place = Place(namespaces.handle, f"namespace {name}", self._owner(name).trusted())
            with place.directory(name) as namespace:
                yield namespace

    @contextmanager
    def _locked(self, ref: SecretRef, wait: float | None = None) -> Iterator[Place]:
        with self._namespace(ref.namespace) as namespace:
            limit = self._lock_wait if wait is None else wait
            with locked(namespace, ref.name, subject=ref, wait=limit) as place:
                yield place

    def _make_namespace(self, name: str) -> None:
        with suppress(FileExistsError):
            os.mkdir(self._root / NAMESPACES, 0o755)  # consumers of any namespace pass through; names are no secret
        with self._namespaces() as namespaces:
            self._make_directory(namespaces, name, name)

    def _make_directory(self, place: Place, name: str, namespace: str) -> bool:
        owner = self._owner(namespace)
        try:
            os.mkdir(name, 0o700, dir_fd=place.handle)
        except FileExistsError:
            return False
        with Place(place.handle, place.subject, owner.trusted()).directory(name) as made:
            owner.take(made.handle, owner.directories)
        return True


def _raise(failure: StepFailure) -> NoReturn:
    raise failure


def _accept(ref: SecretRef, content: SecretContent) -> None:
    refuse_names(ref, tuple(content.data))
    refuse_size(ref, sum(len(value) for value in content.data.values()))


def _directories(place: Place) -> tuple[str, ...]:
    with os.scandir(place.handle) as entries:
        return tuple(sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False)))


def _reference(namespace: str, name: str) -> SecretRef | None:
    """None for what no Secret can be called, such as `lost+found` or our own leftovers."""
    try:
        return SecretRef(namespace=namespace, name=name)
    except ValidationError:
        return None


def _remove_deleted(namespace: Place) -> int:
    doomed = [name for name in namespace.names() if is_deleted(name)]
    for name in doomed:
        with suppress(FileNotFoundError):  # another deletion in this namespace removes them too
            remove(namespace, name)
    return len(doomed)
