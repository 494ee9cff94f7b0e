"""Into quarantine, with notes that say why, and the way back into the inbox."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from colorwatch.disk.asides import aside_name
from colorwatch.disk.beneath import folder_beneath, stat_at, stat_beneath
from colorwatch.disk.names import SPOOL, below
from colorwatch.disk.notes import Reason, remove_notes, write_notes
from colorwatch.disk.originals import Disposal, Fate, Original
from colorwatch.disk.ownership import Ownership
from colorwatch.errors import explain_os_error
from colorwatch.faultpoint import reach
from colorwatch.scan import Fingerprint

STAYS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY})
"""What says that a file cannot be taken from where it is, however often it is tried."""


def quarantine(inbox: str, folder: str, reason: Reason, ownership: Ownership | None = None) -> Disposal:
    """Moves a scan into the quarantine `folder`, at the same relative path, and writes its notes beside it.

    They are written as well where the file cannot be moved (STAYED), but not for one that is CHANGED or GONE.
    The folder is made if only its last part is missing. Raises OSError.
    """
    finish = ownership.folder if ownership else None
    _make(folder, ownership)
    hindrance = ""
    reach("quarantine")
    scan = Original(inbox, reason.path, reason.fingerprint, reason.job_id, finish=finish)
    try:
        moved = scan.move(folder, Fate.QUARANTINED)
    except OSError as error:
        if error.errno not in STAYS or scan.placed:
            raise
        moved = Disposal(Fate.STAYED)
        hindrance = explain_os_error(error)
    if moved.outcome in (Fate.QUARANTINED, Fate.STAYED):
        reach("note")
        beside = os.path.relpath(moved.where, folder) if moved.where else reason.path
        write_notes(folder, beside, reason, hindrance, ownership)
    return moved


def _make(folder: str, ownership: Ownership | None) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder)
    if ownership is not None:
        with folder_beneath(folder, "") as descriptor:
            ownership.folder(descriptor)


def give_back(
    folder: str,
    inbox: str,
    where: str,
    path: str,
    fingerprint: Fingerprint,
    job_id: int,
    ownership: Ownership | None = None,
) -> tuple[str, Fingerprint] | None:
    """Moves a scan from `where` in the quarantine `folder` to `path` in the inbox, or the next free name.

    Returns its path there and its fingerprint; None where it is in neither place. `fingerprint` is the one that the
    scan had: by its size and time it is known in the inbox, when asked again after a kill. `where` "" means that the
    scan never left the inbox. The notes go in any case. Raises OSError, with EINVAL for a `where` elsewhere.
    """
    place = path
    if where:
        beside = below(where, folder)
        if beside is None:
            raise OSError(errno.EINVAL, "it lies in another quarantine; move it into the inbox yourself", where)
        found = _find(folder, beside, job_id)
        read = Fingerprint.of(found) if found else fingerprint
        finish = ownership.folder if ownership else None
        moved = Original(folder, beside, read, job_id, to=path, finish=finish).move(inbox, Fate.GIVEN_BACK)
        if moved.outcome is Fate.CHANGED:
            raise OSError(errno.EAGAIN, "somebody is changing the file", where)
        _drop_spool(inbox)
        remove_notes(folder, beside, job_id)
        if moved.where is None:
            return None
        place = os.path.relpath(moved.where, inbox)
    else:
        with contextlib.suppress(FileNotFoundError):  # a quarantine that is gone has no notes, and keeps nobody waiting
            remove_notes(folder, path, job_id)
    there = stat_beneath(inbox, place)
    return (place, Fingerprint.of(there)) if there and stat.S_ISREG(there.st_mode) else None


def _find(folder: str, beside: str, job_id: int) -> os.stat_result | None:
    """The file in quarantine as it is now: a person may have mended it there."""
    above, name = os.path.split(beside)
    try:
        with folder_beneath(folder, above) as descriptor:
            found = stat_at(descriptor, aside_name(job_id, name)) or stat_at(descriptor, name)
    except (FileNotFoundError, NotADirectoryError):
        os.stat(folder)  # raises where it cannot be asked
        return None
    return found if found and stat.S_ISREG(found.st_mode) else None


def _drop_spool(inbox: str) -> None:
    """An inbox has a spool only while a scan comes back from another disk."""
    with contextlib.suppress(OSError):
        os.rmdir(os.path.join(inbox, SPOOL))
