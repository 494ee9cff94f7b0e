"""What becomes of a scan's own file: archived, deleted or put into quarantine, never lost, doubled or replaced.

A file is renamed aside within its folder, compared with what was read, and only then moved on. Each function may be
called again with the same arguments after a kill at any point, and then ends with exactly one copy.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from colorwatch.beneath import (
    digest_at,
    folder_beneath,
    link_new,
    open_beneath,
    open_file,
    rename_new,
    stat_at,
    sync_folder,
)
from colorwatch.errors import explain_os_error
from colorwatch.publishing import NAME_BYTES, SPOOL, cut_name, next_name, safe_name
from colorwatch.scan import Fingerprint, Originals, printable

_CANNOT_RENAME_NEW = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
_CANNOT_LINK = {errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_STAYS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY}
_COARSE_TIME_NS = 2_000_000_000  # FAT keeps times to two seconds
_MOST_NAMES = 10_000
_CHUNK = 1 << 20
_NOTE = " - why.txt"


class Fate(StrEnum):
    """What became of an original."""

    KEPT = "kept"
    ARCHIVED = "archived"
    DELETED = "deleted"
    QUARANTINED = "quarantined"
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
    inbox: str, path: str, fingerprint: Fingerprint, job_id: int, policy: Originals, archive: str | None
) -> Disposal:
    """Deals with an original (`path` relative to `inbox`) by policy, once its result is published.

    Only the file that was read, by `fingerprint`, is touched; another one, CHANGED, is left, or put back under its own
    name or the next free one. Raises OSError, the original then back under its name wherever that is possible.
    """
    if policy is Originals.KEEP:
        _Original(inbox, path, fingerprint, job_id).restore()
        return Disposal(Fate.KEPT)
    if policy is Originals.DELETE:
        return _Original(inbox, path, fingerprint, job_id).move(None, Fate.DELETED)
    if archive is None:
        raise ValueError("originals: archive needs an archive")
    return _Original(inbox, path, fingerprint, job_id).move(archive, Fate.ARCHIVED)


def quarantine(
    inbox: str, path: str, fingerprint: Fingerprint, job_id: int, folder: str, title: str, reason: str
) -> Disposal:
    """Moves a scan into the quarantine `folder`, at the same relative path, and writes `NAME - why.txt` beside it.

    The note is written as well where the file cannot be moved (STAYED), but not for one that is CHANGED or GONE.
    The folder is made if only its last part is missing. Raises OSError.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder)
    hindrance = ""
    try:
        moved = _Original(inbox, path, fingerprint, job_id).move(folder, Fate.QUARANTINED)
    except OSError as error:
        if error.errno not in _STAYS:
            raise
        moved = Disposal(Fate.STAYED)
        hindrance = explain_os_error(error)
    if moved.outcome in (Fate.QUARANTINED, Fate.STAYED):
        beside = os.path.relpath(moved.where, folder) if moved.where else path
        _write_note(folder, beside, job_id, _note(path, job_id, title, reason, hindrance))
    return moved


class _Original:
    """One file on its way out of an inbox. While it is on the way its name is `aside`, in its own folder."""

    def __init__(self, inbox: str, path: str, fingerprint: Fingerprint, job_id: int) -> None:
        self._inbox = inbox
        self._path = path
        self._folder, self._name = os.path.split(path)
        self._read = fingerprint
        self._job_id = job_id
        self._aside = f"{SPOOL}-{job_id}.aside"
        # A re-mounted share has another device number; only if the whole inbox has may the file's differ.
        self._devices = {fingerprint.device, os.stat(inbox).st_dev}

    def restore(self) -> None:
        """Gives it back the name that an interrupted call under another policy took from it."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            source = open_beneath(self._inbox, self._folder)
            try:
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
            held = stat_at(source, self._aside)
            if held is None:
                found = stat_at(source, self._name)
                if found is None or not self._is_read(found):
                    return self._earlier(store, fate, Fate.GONE if found is None else Fate.CHANGED)
                self._set_aside(source)
                held = stat_at(source, self._aside)
            if held is None or not self._is_read(held):
                return Disposal(Fate.CHANGED, self._put_back(source))
            return self._move_on(source, held, store, fate)
        finally:
            os.close(source)

    def _move_on(self, source: int, held: os.stat_result, store: str | None, fate: Fate) -> Disposal:
        try:
            where = os.path.join(store, self._put(source, held, store)) if store is not None else None
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._aside, dir_fd=source)
            sync_folder(source)
        except (_ChangedError, OSError) as error:
            # Under its own name a person sees it, and the next call finds it there. A full disk gets its space back.
            with contextlib.suppress(OSError):
                self._drop_temp(store)
            if isinstance(error, _ChangedError):
                return Disposal(Fate.CHANGED, self._put_back(source))
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

    def _set_aside(self, source: int) -> None:
        try:
            rename_new(source, self._name, source, self._aside)
        except OSError as error:
            if error.errno not in _CANNOT_RENAME_NEW:
                raise
            # Nobody but us uses that name, and it was free: a plain rename (NFS knows no other) replaces nothing.
            os.rename(self._name, self._aside, src_dir_fd=source, dst_dir_fd=source)

    def _put_back(self, source: int) -> str | None:
        """Gives the file its name back, or the next free one: then returns the absolute path."""
        for name in _names(self._name):
            held = stat_at(source, self._aside)
            if held is None:
                return None
            there = stat_at(source, name)
            try:
                if there is None:
                    _move_new(source, self._aside, source, name)
                elif (there.st_dev, there.st_ino) != (held.st_dev, held.st_ino):
                    continue
            except FileExistsError:
                continue
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._aside, dir_fd=source)
            sync_folder(source)
            return None if name == self._name else os.path.join(self._inbox, self._folder, name)
        raise OSError(errno.EEXIST, "no free name is left", self._path)

    def _earlier(self, store: str | None, fate: Fate, otherwise: Fate) -> Disposal:
        """An earlier call may have put it away and been killed before it could say so."""
        if store is None:
            return Disposal(otherwise)
        os.stat(store)  # raises where it cannot be asked
        self._drop_temp(store)
        with (
            contextlib.suppress(FileNotFoundError, NotADirectoryError),
            folder_beneath(store, self._folder) as target,
        ):
            for name in _names(self._name):
                there = stat_at(target, name)
                if there is None:
                    break
                if self._is_stored(there):
                    sync_folder(target)
                    return Disposal(fate, os.path.join(store, self._folder, name))
        return Disposal(otherwise)

    def _is_stored(self, there: os.stat_result) -> bool:
        read = self._read
        return (
            stat.S_ISREG(there.st_mode)
            and there.st_size == read.size
            and abs(there.st_mtime_ns - read.mtime_ns) < _COARSE_TIME_NS
        )

    def _put(self, source: int, held: os.stat_result, store: str) -> str:
        """Makes it stand in the store, on disk, and returns its path there. Aside may be left behind."""
        with folder_beneath(store, self._folder, create=True) as target:
            for name in _names(self._name):
                there = stat_at(target, name)
                if there is None:
                    try:
                        self._place(source, held, store, target, name)
                    except FileExistsError:
                        continue
                elif not self._is_same(source, held, target, name, there):
                    continue
                sync_folder(target)
                self._drop_temp(store)
                return os.path.join(self._folder, name)
        raise OSError(errno.EEXIST, "no free name is left", self._path)

    def _is_same(self, source: int, held: os.stat_result, target: int, name: str, there: os.stat_result) -> bool:
        if (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino):
            return True
        if not self._is_stored(there):
            return False
        try:
            return digest_at(target, name) == digest_at(source, self._aside)
        except PermissionError:
            return False

    def _place(self, source: int, held: os.stat_result, store: str, target: int, name: str) -> None:
        try:
            _move_new(source, self._aside, target, name)
        except OSError as error:
            if error.errno not in _CANNOT_LINK:
                raise
            with folder_beneath(store, SPOOL, create=True) as spool:
                self._copy(source, held, spool)
                _move_new(spool, self._temp, target, name)

    @property
    def _temp(self) -> str:
        return f"original-{self._job_id}.part"

    def _copy(self, source: int, held: os.stat_result, spool: int) -> None:
        """A whole copy of the file in the store's own spool, on disk, with the original's time and mode."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._temp, dir_fd=spool)
        new = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with (
            open(open_file(source, self._aside), "rb", buffering=0) as reader,
            open(os.open(self._temp, new, 0o600, dir_fd=spool), "wb") as writer,
        ):
            while chunk := reader.read(_CHUNK):
                writer.write(chunk)
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
            os.unlink(self._temp, dir_fd=spool)


def _names(name: str) -> Iterator[str]:
    yield name
    for number in range(2, _MOST_NAMES):
        yield next_name(name, number)


def _move_new(source: int, name: str, target: int, new_name: str) -> None:
    """Moves without clobber; where only links can do that the old name stays, for the caller to remove."""
    try:
        rename_new(source, name, target, new_name)
    except OSError as error:
        if error.errno not in _CANNOT_RENAME_NEW:
            raise
        link_new(source, name, target, new_name)


def _note(path: str, job_id: int, title: str, reason: str, hindrance: str) -> str:
    now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
    place = f"still in the inbox, for it could not be moved: {hindrance}" if hindrance else "beside this note"
    advice = (
        "Once the cause is mended, save the scan into the inbox again: it is then treated as a new one. "
        "If it is not wanted, delete it together with this note."
    )
    return (
        f"{title}\n\n"
        f"What happened: {reason}\n"
        f"Scan: {printable(path)}\n"
        f"When: {now}\n"
        f"Where it is now: {place}\n"
        f"What to do: {advice}\n\n"
        f"{_signed(job_id)}\n"
    )


def _signed(job_id: int) -> str:
    return f"(colorwatch, job {job_id})"


def _write_note(store: str, beside: str, job_id: int, text: str) -> None:
    """Writes the note in one piece, once a job, under a name that is free."""
    name = os.path.basename(safe_name(beside))
    wanted = cut_name(name, NAME_BYTES - len(_NOTE)) + _NOTE
    temp = f"note-{job_id}.part"
    with (
        folder_beneath(store, os.path.dirname(beside), create=True) as target,
        folder_beneath(store, SPOOL, create=True) as spool,
    ):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temp, dir_fd=spool)
        for note in _names(wanted):
            if stat_at(target, note) is not None:
                if _is_note_of(target, note, job_id):
                    return
                continue
            new = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(temp, new, 0o644, dir_fd=spool), "wb") as file:
                file.write(text.encode("utf-8", "backslashreplace"))
                file.flush()
                os.fsync(file.fileno())
            try:
                _move_new(spool, temp, target, note)
            except FileExistsError:
                continue
            sync_folder(target)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temp, dir_fd=spool)
            return


def _is_note_of(folder: int, name: str, job_id: int) -> bool:
    try:
        with open(open_file(folder, name), encoding="utf-8", errors="replace") as file:
            return file.read(1 << 16).rstrip().endswith(_signed(job_id))
    except OSError:
        return False
