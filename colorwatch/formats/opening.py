"""Opening a scan safely: below a root, never through a symlink, regular files only, by descriptor."""

from __future__ import annotations

import errno
import os
import stat

from colorwatch.errors import (
    DiskError,
    ForbiddenFileError,
    GoneError,
    ScanError,
    UnreadableError,
    explain_os_error,
)

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe (fifo)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISCHR, "a character device"),
)


def open_regular(root: str, path: str) -> int:
    """Open `path`, relative to `root`, for reading, and return the descriptor (close-on-exec).

    `root` itself is followed as it stands; below it no component may be a symbolic link. Only a regular file is opened.
    Raises ForbiddenFileError (a link, folder, fifo, socket or device, or a path that leaves `root`), GoneError,
    UnreadableError, and DiskError where the disk or the share failed.
    """
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise ForbiddenFileError("The path leaves its folder, so the file was not opened.")
    try:
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise DiskError(f"The inbox cannot be opened: {explain_os_error(error)}.") from error
    try:
        for part in parts[:-1]:
            inner = _open(part, folder, _FOLDER)
            os.close(folder)
            folder = inner
        return _open_file(parts[-1], folder)
    finally:
        os.close(folder)


def _open_file(name: str, folder: int) -> int:
    # Looked at before it is opened: opening a device can already do something to it.
    _require_regular(_stat(name, folder))
    descriptor = _open(name, folder, _FILE)
    try:
        # Looked at again, by descriptor: it may have been swapped in between.
        _require_regular(os.fstat(descriptor))
    except OSError as error:
        os.close(descriptor)
        raise _scan_error(error) from error
    except ScanError:
        os.close(descriptor)
        raise
    return descriptor


def _require_regular(found: os.stat_result) -> None:
    if stat.S_ISREG(found.st_mode):
        return
    for test, kind in _KINDS:
        if test(found.st_mode):
            raise ForbiddenFileError(f"It is {kind}, not a file; put the picture itself into the inbox.")
    raise ForbiddenFileError("It is not a regular file; put the picture itself into the inbox.")


def _stat(name: str, folder: int) -> os.stat_result:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        raise _scan_error(error) from error


def _open(name: str, folder: int, flags: int) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        # A link is ELOOP, or ENOTDIR where a folder was wanted; which of them depends on the flags.
        if error.errno == errno.ELOOP or (error.errno == errno.ENOTDIR and flags & os.O_DIRECTORY):
            found = _stat(name, folder)
            if stat.S_ISLNK(found.st_mode):
                raise ForbiddenFileError(
                    "A symbolic link stands in its path, and links are never followed; put the picture itself there."
                ) from error
            raise GoneError("The folder that held it is gone.") from error
        if error.errno == errno.ENXIO:
            raise ForbiddenFileError("It is a socket or a device, not a file.") from error
        raise _scan_error(error) from error


def _scan_error(error: OSError) -> ScanError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
        return GoneError("The file is no longer there.")
    if error.errno in (errno.EACCES, errno.EPERM):
        return UnreadableError("There is no permission to read it; give the service's user read access.")
    return DiskError(f"It cannot be read: {explain_os_error(error)}.")
