"""Paths beneath a root, reached one folder at a time by descriptors: no link on the way is ever followed.

The root itself is opened as it is written, so it may be a link; everything below it may not.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_RENAME_NOREPLACE = 1
_CANNOT_SYNC_FOLDERS = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS}

_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def folder_beneath(root: str, path: str, *, create: bool = False) -> Iterator[int]:
    """The folder `path` (relative to `root`, "" for the root) as a descriptor, closed at the end.

    With `create` missing folders below the root are made, and their entries are on disk before it is yielded.
    Raises OSError: NotADirectoryError where a link or a file stands in the way, EINVAL for a path that would leave.
    """
    descriptor = open_beneath(root, path, create=create)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_beneath(root: str, path: str, *, create: bool = False) -> int:
    """`folder_beneath` for a descriptor that the caller closes."""
    return _descend(os.open(root, _FOLDER), path, create=create)


def stat_at(folder: int, name: str) -> os.stat_result | None:
    """What `name` in an open folder is, links not followed; None where there is nothing."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def stat_beneath(root: str, path: str) -> os.stat_result | None:
    """What `path` is, None where nothing is reached without a link. Raises OSError where the root cannot be opened."""
    folder, name = os.path.split(path)
    top = os.open(root, _FOLDER)
    try:
        parent = _descend(top, folder, create=False)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise
    try:
        return stat_at(parent, name)
    finally:
        os.close(parent)


def walk(
    root: str,
    start: str,
    *,
    recursive: bool,
    skip: Callable[[str], bool],
    trouble: Callable[[str, OSError], None],
) -> Iterator[tuple[str, os.stat_result]]:
    """Everything in the folder `start` (and below it), folders included, as (path, lstat) in no order.

    `skip(name)` leaves an entry out, and all below it. What cannot be read is told to `trouble` and passed over; what
    vanishes meanwhile is not. Raises OSError where the root itself cannot be opened.
    """
    os.close(os.open(root, _FOLDER))
    waiting = [start]
    while waiting:
        path = waiting.pop()
        try:
            with folder_beneath(root, path) as folder, os.scandir(folder) as entries:
                for entry in entries:
                    below = os.path.join(path, entry.name)
                    try:
                        found = None if skip(entry.name) else stat_at(folder, entry.name)
                    except OSError as error:
                        trouble(below, error)
                        continue
                    if found is None:
                        continue
                    if recursive and stat.S_ISDIR(found.st_mode):
                        waiting.append(below)
                    yield below, found
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            trouble(path, error)


def rename_new(source: int, name: str, target: int, new_name: str) -> None:
    """Renames without ever replacing (renameat2); FileExistsError where the new name is taken.

    EINVAL, ENOSYS or EOPNOTSUPP mean that this filesystem or system cannot do it.
    """
    renameat2 = getattr(_libc, "renameat2", None)
    if renameat2 is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), name, None, new_name)
    if renameat2(source, os.fsencode(name), target, os.fsencode(new_name), _RENAME_NOREPLACE) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), name, None, new_name)


def link_new(source: int, name: str, target: int, new_name: str) -> None:
    """Gives the file itself (never what a link points to) a second name; FileExistsError where that is taken."""
    os.link(name, new_name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)


def open_file(folder: int, name: str) -> int:
    """A regular file opened for reading, as a descriptor; EINVAL for anything else, and nothing ever blocks."""
    descriptor = os.open(name, _FILE, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", name)
    return descriptor


def digest_at(folder: int, name: str) -> str:
    """The sha256 of a regular file, in hex."""
    with open(open_file(folder, name), "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: int) -> None:
    """Brings a folder's entries to disk, where the filesystem has such a thing (some shares do not)."""
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC_FOLDERS:
            raise


def _parts(path: str) -> list[str]:
    parts = path.split("/") if path else []
    if any(part in ("", ".", "..") for part in parts):
        raise OSError(errno.EINVAL, "the path leaves its folder", path)
    return parts


def _descend(folder: int, path: str, *, create: bool) -> int:
    """Goes down from `folder`, which is closed unless it is the end, and returns the last folder's descriptor."""
    try:
        for name in _parts(path):
            below = _enter(folder, name, create=create)
            os.close(folder)
            folder = below
    except OSError:
        os.close(folder)
        raise
    return folder


def _enter(folder: int, name: str, *, create: bool) -> int:
    if create:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, dir_fd=folder)
        # Also for a folder that was there: whoever made it may have been killed before it was on disk.
        sync_folder(folder)
    return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
