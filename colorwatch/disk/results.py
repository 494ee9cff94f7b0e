"""The files of an outbox that may be results of ours, wherever below it a person has put them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from colorwatch.disk.beneath import open_beneath, stat_beneath, walk
from colorwatch.disk.names import AGAIN, GALLERY, SPOOL, below
from colorwatch.folders.messages import FolderSettings, Message, ResultsFound

SLICE = 1000  # files a message
ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff")
_NOT_OURS_TO_READ = (errno.EACCES, errno.EPERM)  # what we made we can read


def list_results(settings: FolderSettings, tell: Callable[[Message], None]) -> ResultsFound:
    """Looks through the outbox; tells what it finds in slices, and returns the last one. Raises OSError."""
    descriptor = open_beneath(settings.outbox, "")
    try:
        found = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    root = (found.st_dev, found.st_ino)
    if stat_beneath(settings.outbox, SPOOL) is None:  # it is made before the first result
        return ResultsFound(settings.name, (), last=True, ours=False, root=root)
    apart = tuple(f"{path}/" for path in (AGAIN, GALLERY, below(settings.quarantine, settings.outbox)) if path)
    files: list[tuple[str, int]] = []
    for path, entry in walk(settings.outbox, "", recursive=True, skip=_is_not_theirs, trouble=_pass_over):
        if stat.S_ISREG(entry.st_mode) and path.lower().endswith(ENDINGS) and not path.startswith(apart):
            files.append((path, entry.st_size))
        if len(files) == SLICE:
            tell(ResultsFound(settings.name, tuple(files), last=False, ours=True, root=root))
            files.clear()
    return ResultsFound(settings.name, tuple(files), last=True, ours=True, root=root)


def _is_not_theirs(name: str) -> bool:
    return name.startswith(SPOOL)


def _pass_over(_path: str, error: OSError) -> None:
    if error.errno not in _NOT_OURS_TO_READ:
        raise error
