"""Putting files into the store: whole or not at all, and never over another one."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from typing import IO

from colorwatch.disk.beneath import link_new, rename_new, sync_folder
from colorwatch.errors import ModelError, explain_os_error
from colorwatch.scan import printable

UNFINISHED = ".part"
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def make_folder(path: str) -> None:
    """Makes the folder and those around it, as far as they are missing. Raises ModelError."""
    try:
        os.makedirs(path, mode=0o755, exist_ok=True)
    except OSError as error:
        raise ModelError(
            f"The folder {printable(path)} cannot be made: {explain_os_error(error)}; models are kept in it."
        ) from None


@contextlib.contextmanager
def new_file(folder: str) -> Iterator[tuple[IO[bytes], str]]:
    """A new unfinished file in `folder`, open for writing, and its path; gone at the end unless it was renamed."""
    descriptor, path = tempfile.mkstemp(suffix=UNFINISHED, prefix="new-", dir=folder)
    try:
        os.fchmod(descriptor, 0o644)  # mkstemp's 0600 would hide the model from the daemon's own user
        with open(descriptor, "wb") as file:
            yield file, path
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def place(path: str, target: str) -> None:
    """Gives the finished file `path` the name `target` in the same folder; on disk when this returns.

    Raises FileExistsError where the name is taken, and other OSErrors as they are.
    """
    folder_name, name = os.path.split(path)
    folder = os.open(folder_name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _rename_new(folder, name, os.path.basename(target))
        sync_folder(folder)
    finally:
        os.close(folder)


def replace(path: str, target: str) -> None:
    """As `place`, but what has the name gives way. For files of our own making only. Raises OSError."""
    os.replace(path, target)
    folder = os.open(os.path.dirname(target), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync_folder(folder)
    finally:
        os.close(folder)


def _rename_new(folder: int, name: str, new_name: str) -> None:
    try:
        link_new(folder, name, folder, new_name)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        rename_new(folder, name, folder, new_name)
    else:
        os.unlink(name, dir_fd=folder)


def write_new(content: bytes, target: str) -> None:
    """A small file of our own, whole and on disk, in the place of what has its name. Raises OSError."""
    with new_file(os.path.dirname(target)) as (file, path):
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        replace(path, target)
