"""Replacing a Secret's content as a whole: a new directory, one rename, then what only tidies.

Durability: the projection can be made again from the authority, so what matters is that a name never leads to half
a content. The rename gives that while the machine runs; for a machine that crashes, values are synchronised before
the rename, since file systems with delayed allocation would otherwise bring back the new name with empty files
behind it. Metadata is not: one that comes back damaged is drift, and written again. Nor are directories: an old
content after a crash is caught up with.
"""

import contextlib
import os

from functions._failures import Reject
from functions._ports import SecretContent
from infra.stores.directory.handles import FileStat, Place
from infra.stores.directory.layout import DATA, OURS, is_key, is_leftover, link_target, unique
from infra.stores.directory.metadata import Ours, encode_marker, ours_of, remember
from infra.stores.directory.ownership import Owner
from infra.stores.directory.reading import Look

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def replace(place: Place, content: SecretContent, owner: Owner, current: Look | None, *, tidy: bool = True) -> str:
    """Make `content` what the directory holds; its state. Under the Secret's lock. Raises OSError, Reject.

    Whatever fails before the rename of `..data` leaves the old content, and nothing else. Without `tidy` the caller
    sweeps later.
    """
    others = _other_links(place, content)
    stamp, swap = unique(), unique("..tmp-")
    links = {key: place.link(key) for key in content.data}
    missing = [key for key, leads in links.items() if leads is None]
    try:
        _write_content(place, stamp, content, owner, current)
        _write_marker(place, content, owner, current)
        for key in missing:  # before the rename: until then they lead to nothing, afterwards to all of it
            os.symlink(link_target(key), key, dir_fd=place.handle)
        os.symlink(stamp, swap, dir_fd=place.handle)
        os.rename(swap, DATA, src_dir_fd=place.handle, dst_dir_fd=place.handle)
    except BaseException:
        if place.link(DATA) != stamp:  # an interrupt may strike after the rename
            _undo(place, stamp, [swap, *(key for key in missing if place.link(key) == link_target(key))])
        raise
    _mend_links(place, [key for key, leads in links.items() if leads not in (None, link_target(key))], others)
    if tidy:
        sweep(place, keep=stamp, replaced=current.content if current else "")
    return stamp


def sweep(place: Place, keep: str, replaced: str = "") -> int:
    """Remove what a crash left, and the content that was replaced; how many. Under the Secret's lock."""
    doomed = [name for name in place.names() if name != keep and (is_leftover(name) or name == replaced)]
    for name in doomed:
        remove(place, name)
    return len(doomed)


def remove(place: Place, name: str) -> None:
    """Remove an entry, whatever it is, following no symlink."""
    try:
        os.unlink(name, dir_fd=place.handle)
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):  # Linux says EISDIR, POSIX EPERM
        try:
            _remove_flat(place, name)
        except (OSError, Reject):  # somebody put directories into it, owns it, or removes it too
            _remove_tree(place, name)


def _remove_tree(place: Place, name: str) -> None:
    from shutil import rmtree  # here: it loads three kinds of compression, and this is rare

    rmtree(name, dir_fd=place.handle)


def _remove_flat(place: Place, name: str) -> None:
    """Remove a directory of files, as our contents are: three times as fast as a general walk."""
    with place.directory(name) as doomed:
        for entry in doomed.names():
            os.unlink(entry, dir_fd=doomed.handle)
    os.rmdir(name, dir_fd=place.handle)


# --- the content --------------------------------------------------------------------------------------------------


def _write_content(place: Place, stamp: str, content: SecretContent, owner: Owner, current: Look | None) -> None:
    os.mkdir(stamp, 0o700, dir_fd=place.handle)
    replaced = current.files if current and not current.content else {}
    with place.directory(stamp) as made:
        if made.status().st_uid != os.geteuid():
            raise Reject(f"{place.subject}: its owner exchanged the directory that was being written: stop that")
        files = _write_files(made, {key: value.reveal() for key, value in content.data.items()}, owner, sync=True)
        ours = ours_of(content, files, replaced)
        written = _write_files(made, {OURS: ours.model_dump_json().encode()}, owner, sync=False)
        remember(written[OURS], ours)
        owner.take(made.handle, owner.directories)  # last: from here on the owner may change it


def _write_files(place: Place, contents: dict[str, bytes], owner: Owner, *, sync: bool) -> dict[str, FileStat]:
    """Write all, then synchronise all, so that the journal is committed about once; their stats."""
    handles: dict[str, int] = {}
    try:
        for name, raw in contents.items():
            handles[name] = os.open(name, _NEW, 0o600 & owner.files, dir_fd=place.handle)
            _write(handles[name], raw)
            owner.take(handles[name], owner.files)
        if sync:
            for handle in handles.values():  # all are on their way before the first is waited for
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            for handle in handles.values():
                os.fdatasync(handle)
        return {name: FileStat.of(os.fstat(handle)) for name, handle in handles.items()}
    finally:
        for handle in handles.values():
            os.close(handle)


def _write(handle: int, raw: bytes) -> None:
    view = memoryview(raw)
    while view:
        view = view[os.write(handle, view) :]


def _write_marker(place: Place, content: SecretContent, owner: Owner, current: Look | None) -> None:
    """Keep whose Secret it is beside `..data` too; usually it stands there already."""
    stands = current is not None and isinstance(current.document, Ours)
    if stands and current and (current.owner, current.managed) == (content.owner, content.managed):
        return
    temporary = unique("..tmp-")
    try:
        _write_files(place, {temporary: encode_marker(content.owner, content.managed)}, owner, sync=False)
        os.rename(temporary, OURS, src_dir_fd=place.handle, dst_dir_fd=place.handle)
    except BaseException:
        _undo(place, "", [temporary])
        raise


# --- the visible names --------------------------------------------------------------------------------------------


def _other_links(place: Place, content: SecretContent) -> list[str]:
    """The symlinks of other keys. Raises Reject where a directory lies in a key's place."""
    others = []
    with os.scandir(place.handle) as entries:
        for entry in entries:
            if entry.name not in content.data:
                if is_key(entry.name) and entry.is_symlink():
                    others.append(entry.name)
            elif entry.is_dir(follow_symlinks=False):
                raise Reject(f"{place.subject}: a directory lies where key {entry.name!a} belongs: remove it")
    return others


def _mend_links(place: Place, wrong: list[str], others: list[str]) -> None:
    """Put our links where something else lay, and remove those of keys that are gone; nothing else is touched."""
    for key in wrong:
        temporary = unique("..tmp-")
        os.symlink(link_target(key), temporary, dir_fd=place.handle)
        os.rename(temporary, key, src_dir_fd=place.handle, dst_dir_fd=place.handle)
    for name in others:
        if place.link(name) == link_target(name):
            remove(place, name)


def _undo(place: Place, stamp: str, links: list[str]) -> None:
    # What failed is already being raised; what cannot be removed now is removed by the next write.
    with contextlib.suppress(OSError):
        if stamp:
            _remove_tree(place, stamp)
    for link in links:
        with contextlib.suppress(OSError):
            os.unlink(link, dir_fd=place.handle)
