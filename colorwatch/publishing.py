"""The spool, and publishing out of it: link without clobber, then fsync. Each step may be asked for again after a kill.

OSErrors leave as they are: the disk is full, read-only or gone, and the same call may succeed later.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import unicodedata
from collections.abc import Set as AbstractSet
from enum import StrEnum

from colorwatch.beneath import (
    digest_at,
    folder_beneath,
    link_new,
    rename_new,
    stat_at,
    stat_beneath,
    sync_folder,
)

SPOOL = ".colorwatch"
"""Our own folder at the top of an outbox, an archive or a quarantine, for files that are not yet whole."""

NAME_BYTES = 255
_LONGEST_EXTENSION = 32

_SPOOL_NAME = re.compile(r"\d+-\d+\.part")
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNFIT = {"Cc", "Cs", "Zl", "Zp"}  # controls, undecodable bytes (lone surrogates), line and paragraph separators


class Publication(StrEnum):
    """How publishing ended."""

    PUBLISHED = "published"  # the result stands under its final name, on disk
    TAKEN = "taken"  # someone else's file has that name
    LOST = "lost"  # the spool file is gone or is not what was rendered


def prepare(outbox: str) -> None:
    """Makes the spool folder. The outbox itself must exist: made anew it would hide that a disk is not mounted."""
    with folder_beneath(outbox, SPOOL, create=True):
        pass


def spool_path(outbox: str, job_id: int, attempt: int) -> str:
    """Where attempt `attempt` of a job writes its result: absolute if the outbox is, and never used twice."""
    return os.path.join(outbox, SPOOL, f"{job_id}-{attempt}.part")


def publish(outbox: str, spool: str, final: str, device: int, inode: int, digest: str) -> Publication:
    """Gives the spool file its final name (relative to the outbox) without replacing anything, and syncs it to disk.

    `device`, `inode` and `digest` (sha256 in hex) are those of the rendered file; content is read only where the
    inode does not decide. The spool name stays, where links exist, until `discard`. Raises OSError.
    """
    if stat_beneath(outbox, SPOOL) is None:
        prepare(outbox)
    ours = _Rendered(device, inode, digest)
    folder, name = os.path.split(final)
    with folder_beneath(outbox, SPOOL) as source, folder_beneath(outbox, folder, create=True) as target:
        outcome = _publish(ours, source, os.path.basename(spool), target, name)
        if outcome is Publication.PUBLISHED:
            sync_folder(target)
    return outcome


def _publish(ours: _Rendered, source: int, spool: str, target: int, name: str) -> Publication:
    if ours.is_at(source, spool):
        try:
            _link_or_rename(source, spool, target, name)
        except FileExistsError:
            return Publication.PUBLISHED if ours.is_at(target, name) else Publication.TAKEN
        except FileNotFoundError:
            pass  # it went away this moment
        else:
            return Publication.PUBLISHED
    # Renamed by an earlier call? By content alone: with the spool file gone its inode may be another file's by now.
    return Publication.PUBLISHED if ours.is_at(target, name, trust_inode=False) else Publication.LOST


class _Rendered:
    """What identifies a result that was rendered."""

    def __init__(self, device: int, inode: int, digest: str) -> None:
        self._file = (device, inode)
        self._digest = digest

    def is_at(self, folder: int, name: str, *, trust_inode: bool = True) -> bool:
        found = stat_at(folder, name)
        if found is None or not stat.S_ISREG(found.st_mode):
            return False
        if trust_inode and (found.st_dev, found.st_ino) == self._file:
            return True
        try:
            return digest_at(folder, name) == self._digest
        except (FileNotFoundError, PermissionError):
            return False  # gone meanwhile, or a stranger's: we can read our own


def _link_or_rename(source: int, name: str, target: int, new_name: str) -> None:
    try:
        link_new(source, name, target, new_name)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        rename_new(source, name, target, new_name)


def discard(spool: str) -> None:
    """Removes a spool file, if it is there. Raises ValueError for a path that is in no spool folder."""
    if os.path.basename(os.path.dirname(spool)) != SPOOL:
        raise ValueError(f"not in a spool folder: {spool!r}")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(spool)


def clean_spool(outbox: str, keep: AbstractSet[str]) -> int:
    """Removes the spool files that are not in `keep` (names, or paths as of `spool_path`); returns how many went."""
    names = {os.path.basename(path) for path in keep}
    removed = 0
    with folder_beneath(outbox, SPOOL, create=True) as folder:
        for name in os.listdir(folder):
            if _SPOOL_NAME.fullmatch(name) and name not in names:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)
                    removed += 1
    return removed


def next_name(path: str, number: int) -> str:
    """`a/x.jpg` and 2 give `a/x (2).jpg`; the last part is cut between characters to at most 255 bytes."""
    folder, name = os.path.split(path)
    stem, extension = os.path.splitext(name)
    if len(os.fsencode(extension)) > _LONGEST_EXTENSION:
        stem, extension = name, ""
    tail = f" ({number}){extension}"
    return os.path.join(folder, cut_name(stem, NAME_BYTES - len(os.fsencode(tail))) + tail)


def cut_name(name: str, most: int) -> str:
    """The first characters of `name` that fit into `most` bytes."""
    while len(os.fsencode(name)) > most:
        name = name[:-1]
    return name


def safe_name(path: str) -> str:
    """`path` as a relative path that any disk and screen can take, never longer than it was, never leaving its folder.

    Control characters, undecodable bytes and what turns the reading direction become "_"; "." and "..", too, and
    the leading dot of a name that begins like one of ours. The result's folders are those of `path`.
    """
    parts = [_safe_part(part) for part in path.split("/") if part]
    return "/".join(parts) or "_"


def _safe_part(part: str) -> str:
    part = "".join(
        "_" if unicodedata.category(character) in _UNFIT or character in _BIDI_CONTROLS else character
        for character in part
    )
    if part in (".", ".."):
        return "_" * len(part)
    return f"_{part[1:]}" if part.casefold().startswith(SPOOL) else part
