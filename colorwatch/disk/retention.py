"""Originals and quarantined scans that were kept long enough go, with their notes, and the folders they leave empty."""

from __future__ import annotations

import contextlib
import os
import stat

from colorwatch.disk.beneath import folder_beneath, open_beneath, stat_at, stat_beneath, sync_folder, unlink_at
from colorwatch.disk.names import SPOOL, below
from colorwatch.disk.notes import remove_notes
from colorwatch.disk.originals import is_stored
from colorwatch.scan import Fingerprint


def expire(where: str, stores: list[str], job_id: int, fingerprint: Fingerprint | None = None) -> str:
    """Deletes the file `where` and its notes, if it lies below one of the `stores` (archive and quarantine).

    Returns "" if it is gone, else a sentence: it is left where it is no regular file, or not of the size and time of
    `fingerprint`. Raises OSError.
    """
    store = next((store for store in stores if below(where, store)), None)
    path = below(where, store) if store else None
    if store is None or path is None:
        return "It lies neither in the archive nor in the quarantine of this folder."
    found = stat_beneath(store, path)
    if found is None and _is_bare(store):
        return "Its folder is empty, as if its disk were not mounted."
    if found is not None:
        if not stat.S_ISREG(found.st_mode) or (fingerprint is not None and not is_stored(found, fingerprint)):
            return "It is not the file that was put there."
        _remove(store, path)
    remove_notes(store, path, job_id)
    remove_empty(store, os.path.dirname(path))
    return ""


def _is_bare(store: str) -> bool:
    """Whether nothing is there at all, not even our own folder: so looks the place of a disk that is not mounted."""
    with os.scandir(store) as entries:
        return not any(entries)


def _remove(store: str, path: str) -> None:
    folder, name = os.path.split(path)
    with folder_beneath(store, SPOOL, create=True):
        pass  # from now on an empty store is one that was emptied
    with folder_beneath(store, folder) as descriptor:
        unlink_at(descriptor, name)
        sync_folder(descriptor)


def remove_empty(store: str, folder: str) -> None:
    """Removes the folders on the way down to a file that went, as far as nothing else is in them."""
    while folder:
        above, name = os.path.split(folder)
        with contextlib.suppress(OSError):
            descriptor = open_beneath(store, above)
            try:
                if stat_at(descriptor, name) is not None:
                    os.rmdir(name, dir_fd=descriptor)
            finally:
                os.close(descriptor)
        folder = above
