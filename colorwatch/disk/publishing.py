"""The spool, and publishing out of it: link without clobber, then fsync. Each step may be asked for again after a kill.

OSErrors leave as they are: the disk is full, read-only or gone, and the same call may succeed later.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum

from colorwatch.disk.beneath import digest_at, folder_beneath, link_new, rename_new, stat_at, stat_beneath, sync_folder
from colorwatch.disk.names import SPOOL
from colorwatch.disk.ownership import Ownership
from colorwatch.faultpoint import reach

_SPOOL_NAME = re.compile(r"(\d+)-(\d+)\.part")  # job, attempt
_PRINT_NAME = re.compile(r"(\d+)-(\d+)\.print")  # job, number of the print
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class Publication(StrEnum):
    """How publishing ended."""

    PUBLISHED = "published"  # the result stands under its final name, on disk
    TAKEN = "taken"  # someone else's file has that name
    LOST = "lost"  # the spool file is gone or is not what was rendered
    NOTHING = "nothing"  # nothing stands where it was to take a place


@dataclass(frozen=True, slots=True)
class Rendered:
    """What identifies a result that was rendered; content is read only where the inode does not decide."""

    device: int
    inode: int
    digest: str  # sha256 in hex

    def is_at(self, folder: int, name: str, *, trust_inode: bool = True) -> bool:
        found = stat_at(folder, name)
        if found is None or not stat.S_ISREG(found.st_mode):
            return False
        if trust_inode and (found.st_dev, found.st_ino) == (self.device, self.inode):
            return True
        try:
            return digest_at(folder, name) == self.digest
        except (FileNotFoundError, PermissionError):
            return False  # gone meanwhile, or a stranger's: we can read our own


def prepare(outbox: str) -> None:
    """Makes the spool folder. The outbox itself must exist: made anew it would hide that a disk is not mounted."""
    with folder_beneath(outbox, SPOOL, create=True):
        pass


def spool_path(outbox: str, job_id: int, attempt: int) -> str:
    """Where attempt `attempt` of a job writes its result: absolute if the outbox is, and never used twice."""
    return os.path.join(outbox, SPOOL, f"{job_id}-{attempt}.part")


def print_spool(outbox: str, job_id: int, number: int) -> str:
    """Where a print that was cut out of a job's result waits for its name."""
    return os.path.join(outbox, SPOOL, f"{job_id}-{number}.print")


@dataclass(frozen=True, slots=True)
class Places:
    """Open folders: the spool file is `spool` in `source`, its final name is `name` in `target`."""

    source: int
    spool: str
    target: int
    name: str


@contextlib.contextmanager
def places(outbox: str, spool: str, final: str, ours: Rendered, ownership: Ownership | None) -> Iterator[Places]:
    """Both folders, the final one made if it is missing; the spool file, if it is ours, has its group and mode."""
    if stat_beneath(outbox, SPOOL) is None:
        prepare(outbox)
    folder, name = os.path.split(final)
    finish = ownership.folder if ownership else None
    with (
        folder_beneath(outbox, SPOOL) as source,
        folder_beneath(outbox, folder, create=True, finish=finish) as target,
    ):
        found = Places(source, os.path.basename(spool), target, name)
        if ownership and ours.is_at(source, found.spool):
            with contextlib.suppress(FileNotFoundError):
                ownership.file(source, found.spool, target)
        yield found


def publish(outbox: str, spool: str, final: str, ours: Rendered, ownership: Ownership | None = None) -> Publication:
    """Gives the spool file its final name (relative to the outbox) without replacing anything, and syncs it to disk.

    The spool name stays, where links exist, until `discard`. Raises OSError.
    """
    with places(outbox, spool, final, ours, ownership) as found:
        outcome = _publish(ours, found.source, found.spool, found.target, found.name)
        if outcome is Publication.PUBLISHED:
            reach("linked")
            sync_folder(found.target)
            reach("linked-synced")
    return outcome


def _publish(ours: Rendered, source: int, spool: str, target: int, name: str) -> Publication:
    if ours.is_at(source, spool):
        try:
            reach("link")
            link_or_rename(source, spool, target, name)
        except FileExistsError:
            return Publication.PUBLISHED if ours.is_at(target, name) else Publication.TAKEN
        except FileNotFoundError:
            pass  # it went away this moment
        else:
            return Publication.PUBLISHED
    # Renamed by an earlier call? By content alone: with the spool file gone its inode may be another file's by now.
    return Publication.PUBLISHED if ours.is_at(target, name, trust_inode=False) else Publication.LOST


def link_or_rename(source: int, name: str, target: int, new_name: str) -> None:
    """Gives a spool file its final name without clobber; the spool name stays where links exist."""
    try:
        link_new(source, name, target, new_name)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        rename_new(source, name, target, new_name)


def discard(spool: str) -> None:
    """Removes a spool file, if it is there, and what earlier attempts of its job have left.

    An attempt that fails because the disk is read-only or away cannot remove its own. Raises ValueError for a path that
    is in no spool folder, and OSError.
    """
    folder, name = os.path.split(spool)
    if os.path.basename(folder) != SPOOL:
        raise ValueError(f"not in a spool folder: {spool!r}")
    reach("discard")
    for other in (name, *_earlier_attempts(folder, name)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, other))


def _earlier_attempts(folder: str, name: str) -> Iterator[str]:
    ours = _SPOOL_NAME.fullmatch(name)
    if ours is None or int(ours[2]) == 1:
        return
    with contextlib.suppress(FileNotFoundError):
        for other in os.listdir(folder):
            found = _SPOOL_NAME.fullmatch(other)
            if found and found[1] == ours[1] and int(found[2]) < int(ours[2]):
                yield other


def clean_spool(outbox: str, keep: AbstractSet[str]) -> int:
    """Removes the spool files that are not in `keep` (names, or paths as of `spool_path`); returns how many went."""
    names = {os.path.basename(path) for path in keep}
    removed = 0
    with folder_beneath(outbox, SPOOL, create=True) as folder:
        reach("clean-spool")
        for name in os.listdir(folder):
            if (_SPOOL_NAME.fullmatch(name) or _PRINT_NAME.fullmatch(name)) and name not in names:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)
                    removed += 1
    return removed
