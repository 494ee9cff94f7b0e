"""What becomes of a scan's own file: archived or deleted, never lost, doubled or replaced.

A file is renamed aside within its folder, compared with what was read, and only then moved on. Each function may be
called again with the same arguments after a kill at any point, and then ends with exactly one copy. A hard link is a
file like any other: its name in the inbox goes, its content and its other names stay as they are.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from colorwatch.disk.asides import aside_name, give_name, old_aside_name
from colorwatch.disk.beneath import (
    digest_at,
    folder_beneath,
    move_new,
    open_beneath,
    open_file,
    rename_ours,
    stat_at,
    sync_folder,
    unlink_at,
)
from colorwatch.disk.names import SPOOL, free_name, numbered
from colorwatch.faultpoint import reach
from colorwatch.scan import Fingerprint, Originals

_CANNOT_LINK = {errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_COARSE_TIME_NS = 2_000_000_000  # FAT keeps times to two seconds
_TRIES = 100
_CHUNK = 1 << 20


class Fate(StrEnum):
    """What became of an original."""

    KEPT = "kept"
    ARCHIVED = "archived"
    DELETED = "deleted"
    QUARANTINED = "quarantined"
    GIVEN_BACK = "given back"  # out of the quarantine, into the inbox
    STAYED = "stayed"  # to be put into quarantine, but it cannot be moved: its note says so
    CHANGED = "changed"  # no longer the file that was read: left in the inbox
    GONE = "gone"  # nothing there, and nothing of it put away by an earlier call


@dataclass(frozen=True, slots=True)
class Disposal:
    """What became of an original, and the absolute path of where it now lies, if that is not where it lay."""

    outcome: Fate
    where: str | None = None


class _ChangedError(Exception):
    """The file that was renamed aside is not the one that was read."""


def dispose(
    inbox: str,
    path: str,
    fingerprint: Fingerprint,
    job_id: int,
    policy: Originals,
    archive: str | None,
    finish: Callable[[int], None] | None = None,
) -> Disposal:
    """Deals with an original (`path` relative to `inbox`) by policy, once its result is published.

    Only the file that was read, by `fingerprint`, is touched; another one, CHANGED, is left, or put back under its own
    name or the next free one. `finish` is given new folders of the archive. Raises OSError, the original then back
    under its name wherever that is possible.
    """
    original = Original(inbox, path, fingerprint, job_id, finish=finish)
    if policy is Originals.KEEP:
        original.restore()
        return Disposal(Fate.KEPT)
    if policy is Originals.DELETE:
        return original.move(None, Fate.DELETED)
    if archive is None:
        raise ValueError("originals: archive needs an archive")
    return original.move(archive, Fate.ARCHIVED)


def is_stored(found: os.stat_result, read: Fingerprint) -> bool:
    """Whether a file on another disk can be a copy of what was read: by size, and time as exact as disks keep it."""
    return (
        stat.S_ISREG(found.st_mode)
        and found.st_size == read.size
        and abs(found.st_mtime_ns - read.mtime_ns) < _COARSE_TIME_NS
    )


class Original:
    """One file on its way out of a folder. While it is on the way it has the name `aside`, beside its own.

    `to` is its path in the store, where that is not the one that it had. `placed`: it stands in the store, or may.
    """

    def __init__(
        self,
        inbox: str,
        path: str,
        fingerprint: Fingerprint,
        job_id: int,
        to: str | None = None,
        finish: Callable[[int], None] | None = None,
    ) -> None:
        self._inbox = inbox
        self._path = path
        self._folder, self._name = os.path.split(path)
        self._to_folder, self._to_name = os.path.split(path if to is None else to)
        self._read = fingerprint
        self._job_id = job_id
        self._finish = finish
        self._aside = aside_name(job_id, self._name)
        self._fresh = False  # set aside in this call, so that no earlier one can have put it into the store
        self.placed = False
        # A re-mounted share has another device number; only if the whole inbox has may the file's differ.
        self._devices = {fingerprint.device, os.stat(inbox).st_dev}

    def restore(self) -> None:
        """Gives it back the name that an interrupted call under another policy took from it."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            source = open_beneath(self._inbox, self._folder)
            try:
                self._held(source)
                self._put_back(source)
            finally:
                os.close(source)

    def move(self, store: str | None, fate: Fate) -> Disposal:
        """Into `store`, or away if that is None."""
        try:
            source = open_beneath(self._inbox, self._folder)
        except (FileNotFoundError, NotADirectoryError):
            os.stat(self._inbox)  # that its folder is gone is an answer, that the share is gone is none
            return self._earlier(store, fate, Fate.GONE)
        try:
            held = self._held(source)
            if held is None:
                found = stat_at(source, self._name)
                if found is None or not self._is_read(found):
                    return self._earlier(store, fate, Fate.GONE if found is None else Fate.CHANGED)
                reach("aside")
                rename_ours(source, self._name, source, self._aside)
                reach("set-aside")
                self._fresh = True
                held = stat_at(source, self._aside)
            if held is None or not self._is_read(held):
                return Disposal(Fate.CHANGED, self._put_back(source))
            return self._move_on(source, held, store, fate)
        finally:
            os.close(source)

    def _held(self, source: int) -> os.stat_result | None:
        """The file, if an earlier call was killed while it lay aside."""
        held = stat_at(source, self._aside)
        if held is None:
            held = stat_at(source, old_aside_name(self._job_id))
            if held is not None:
                self._aside = old_aside_name(self._job_id)
        return held

    def _move_on(self, source: int, held: os.stat_result, store: str | None, fate: Fate) -> Disposal:
        try:
            where = os.path.join(store, self._put(source, held, store)) if store is not None else None
            reach("remove")
            unlink_at(source, self._aside)
            reach("removed")
            sync_folder(source)
        except (_ChangedError, OSError) as error:
            # Under its own name a person sees it, and the next call finds it there. A full disk gets its space back.
            with contextlib.suppress(OSError):
                self._drop_temp(store)
            if isinstance(error, _ChangedError):
                return Disposal(Fate.CHANGED, self._put_back(source))
            if not self.placed:  # else it is seen in the store, and the next call removes what lies aside
                with contextlib.suppress(OSError):
                    self._put_back(source)
            raise
        return Disposal(fate, where)

    def _is_read(self, found: os.stat_result) -> bool:
        read = self._read
        return (
            stat.S_ISREG(found.st_mode)
            and (found.st_ino, found.st_size, found.st_mtime_ns) == (read.inode, read.size, read.mtime_ns)
            and found.st_dev in self._devices
        )

    def _put_back(self, source: int) -> str | None:
        """Gives the file its name back, or the next free one: then returns the absolute path."""
        name = give_name(source, self._aside, self._name)
        return None if name in (None, self._name) else os.path.join(self._inbox, self._folder, name or "")

    def _earlier(self, store: str | None, fate: Fate, otherwise: Fate) -> Disposal:
        """An earlier call may have put it away and been killed before it could say so."""
        if store is None:
            return Disposal(otherwise)
        os.stat(store)  # raises where it cannot be asked
        self._drop_temp(store)
        with (
            contextlib.suppress(FileNotFoundError, NotADirectoryError),
            folder_beneath(store, self._to_folder) as target,
        ):
            for name in numbered(target, self._to_name):
                there = stat_at(target, name)
                if there is not None and is_stored(there, self._read):
                    sync_folder(target)
                    return Disposal(fate, os.path.join(store, self._to_folder, name))
        return Disposal(otherwise)

    def _put(self, source: int, held: os.stat_result, store: str) -> str:
        """Puts the file that lies aside into the store, unless an earlier call did; its path there."""
        name = None
        if not self._fresh:
            self.placed = True  # for all that is known: until it was looked for, it must not get its name back
            name = self._earlier_name(source, held, store)
            self.placed = name is not None
        with folder_beneath(store, self._to_folder, create=True, finish=self._finish) as target:
            for _ in range(_TRIES):
                if name is not None:
                    break
                free = free_name(target, self._to_name)
                with contextlib.suppress(FileExistsError):
                    self._place(source, held, store, target, free)
                    name = free
            if name is None:
                raise OSError(errno.EEXIST, "no free name is left", self._path)
            self.placed = True
            reach("placed")
            sync_folder(target)
            self._drop_temp(store)
            return os.path.join(self._to_folder, name)

    def _earlier_name(self, source: int, held: os.stat_result, store: str) -> str | None:
        """The name under which an earlier call put it into the store, if one did."""
        os.stat(store)  # raises where it cannot be asked
        with (
            contextlib.suppress(FileNotFoundError, NotADirectoryError),
            folder_beneath(store, self._to_folder) as target,
        ):
            return self._find(source, held, target)
        return None

    def _find(self, source: int, held: os.stat_result, target: int) -> str | None:
        """Where an earlier call put it, the name aside being still there: a link, or a copy."""
        for name in numbered(target, self._to_name):
            there = stat_at(target, name)
            if there is not None and self._is_same(source, held, target, name, there):
                return name
        return None

    def _is_same(self, source: int, held: os.stat_result, target: int, name: str, there: os.stat_result) -> bool:
        if (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino):
            return True
        if not is_stored(there, self._read):
            return False
        try:
            return digest_at(target, name) == digest_at(source, self._aside)
        except PermissionError:
            return False

    def _place(self, source: int, held: os.stat_result, store: str, target: int, name: str) -> None:
        reach("place")
        try:
            move_new(source, self._aside, target, name)
        except OSError as error:
            if error.errno not in _CANNOT_LINK:
                raise
            with folder_beneath(store, SPOOL, create=True) as spool:
                self._copy(source, held, spool)
                reach("copied")
                move_new(spool, self._temp, target, name)

    @property
    def _temp(self) -> str:
        return f"original-{self._job_id}.part"

    def _copy(self, source: int, held: os.stat_result, spool: int) -> None:
        """A whole copy of the file in the store's own spool, on disk, with the original's time and mode."""
        unlink_at(spool, self._temp)
        new = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with (
            open(open_file(source, self._aside), "rb", buffering=0) as reader,
            open(os.open(self._temp, new, 0o600, dir_fd=spool), "wb") as writer,
        ):
            while chunk := reader.read(_CHUNK):
                writer.write(chunk)
                reach("copy")
            writer.flush()
            with contextlib.suppress(OSError):
                os.fchown(writer.fileno(), held.st_uid, held.st_gid)
            with contextlib.suppress(PermissionError):  # some shares know no modes
                os.fchmod(writer.fileno(), stat.S_IMODE(held.st_mode) & 0o777)
            os.utime(writer.fileno(), ns=(held.st_atime_ns, held.st_mtime_ns))
            os.fsync(writer.fileno())
            copied = os.fstat(writer.fileno()).st_size
            if not self._is_read(os.fstat(reader.fileno())) or copied != self._read.size:
                raise _ChangedError

    def _drop_temp(self, store: str | None) -> None:
        if store is None:
            return
        with contextlib.suppress(FileNotFoundError), folder_beneath(store, SPOOL) as spool:
            unlink_at(spool, self._temp)
