"""A result in the place of an earlier one of ours, and results that go: only ever what nobody has touched since.

A file that a person may have edited is first taken out of its place, then compared, and put back if it is not what
we wrote. Each function may be called again with the same arguments after a kill at any point.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from enum import StrEnum

from colorwatch.disk.beneath import (
    CANNOT_RENAME,
    digest_at,
    exchange,
    folder_beneath,
    move_new,
    rename_ours,
    stat_at,
    sync_folder,
    unlink_at,
)
from colorwatch.disk.names import SPOOL, free_name, numbered
from colorwatch.disk.ownership import Ownership
from colorwatch.disk.publishing import Places, Publication, Rendered, link_or_rename, places
from colorwatch.disk.untouched import is_untouched
from colorwatch.faultpoint import reach

_TRIES = 100


class _What(StrEnum):
    """What stands under a name, as far as replacing is concerned."""

    NOTHING = "nothing"
    OURS = "ours"  # the result that is to be published
    OLD = "old"  # the one that it replaces, untouched
    OTHER = "other"  # anything else: never to be lost


def publish_over(
    outbox: str,
    spool: str,
    final: str,
    ours: Rendered,
    replaces: str,
    ownership: Ownership | None = None,
    *,
    only_over: bool = False,
) -> Publication:
    """`publishing.publish`, but a file of ours with the sha256 `replaces` under the final name makes room.

    They swap names in one step, and what came out is compared: if a person has edited it meanwhile they swap back, and
    the name is TAKEN. Where the disk cannot swap, the old one is moved into the spool first: for a moment the name is
    free, and no edit is lost there either. Where NOTHING stands it is published all the same, but not with `only_over`.
    Raises OSError.
    """
    with places(outbox, spool, final, ours, ownership) as found:
        return _Replacement(found, ours, replaces, only_over=only_over).go()


class _Replacement:
    """One spool file on its way to a name that an earlier result may hold. It looks, does one step, and looks again."""

    def __init__(self, found: Places, ours: Rendered, replaces: str, *, only_over: bool = False) -> None:
        self._source, self._spool, self._target, self._name = found.source, found.spool, found.target, found.name
        self._ours = ours
        self._replaces = replaces
        self._only_over = only_over
        self._aside = f"replaced-{found.spool}"

    def go(self) -> Publication:
        for _ in range(_TRIES):
            spooled = self._what(self._source, self._spool)
            final = self._what(self._target, self._name)
            if stat_at(self._source, self._aside) is not None:
                outcome = self._settle_aside(spooled, final)
            elif spooled is _What.OURS and final is _What.NOTHING and self._only_over:
                outcome = Publication.NOTHING
            elif spooled is _What.OURS:
                outcome = self._place(final)
            else:
                outcome = self._settle_spool(spooled, final)
            if outcome is not None:
                return outcome
        raise OSError(errno.EAGAIN, "somebody keeps changing the file", self._name)

    def _what(self, folder: int, name: str) -> _What:
        found = stat_at(folder, name)
        if found is None:
            return _What.NOTHING
        if stat.S_ISREG(found.st_mode):
            # By the inode only in the spool: one that was freed there may be a stranger's file elsewhere by now.
            if self._ours.is_at(folder, name, trust_inode=folder == self._source):
                return _What.OURS
            if is_untouched(folder, name, self._replaces):
                return _What.OLD
        return _What.OTHER

    def _place(self, final: _What) -> Publication | None:
        """The spool file is there."""
        match final:
            case _What.OURS:
                sync_folder(self._target)
                return Publication.PUBLISHED
            case _What.OTHER:
                return Publication.TAKEN
            case _What.OLD:
                self._swap()
            case _What.NOTHING:
                try:
                    link_or_rename(self._source, self._spool, self._target, self._name)
                except (FileExistsError, FileNotFoundError):
                    return None
        return None

    def _swap(self) -> None:
        with contextlib.suppress(FileNotFoundError):  # somebody took it away this moment
            reach("swap")
            try:
                exchange(self._source, self._spool, self._target, self._name)
            except OSError as error:
                if error.errno not in CANNOT_RENAME:
                    raise
                rename_ours(self._target, self._name, self._source, self._aside)

    def _settle_spool(self, spooled: _What, final: _What) -> Publication | None:
        """The spool file is not ours: it was renamed, it was swapped, or it is lost."""
        if final is not _What.OURS:
            if spooled is _What.OTHER:  # a person's, and its place was taken again while it was out
                self._put_back(self._spool)
            return Publication.LOST
        if spooled is _What.OTHER:
            try:
                exchange(self._source, self._spool, self._target, self._name)
            except OSError as error:
                if error.errno not in CANNOT_RENAME:
                    raise
                self._put_back(self._spool)
            return None
        reach("swapped")
        sync_folder(self._target)
        sync_folder(self._source)
        unlink_at(self._source, self._spool)
        return Publication.PUBLISHED

    def _settle_aside(self, spooled: _What, final: _What) -> Publication | None:
        """The earlier result was moved out of the way, or what a person made of it."""
        if self._what(self._source, self._aside) is _What.OLD:
            if spooled is _What.OURS and final is _What.NOTHING:
                return self._place(final)
            if final is _What.OURS or spooled is _What.OURS:
                sync_folder(self._target)
                unlink_at(self._source, self._aside)
                return None
        self._put_back(self._aside)
        return None

    def _put_back(self, aside: str) -> None:
        _put_back(self._source, aside, self._target, self._name)


class Withdrawal(StrEnum):
    """What became of a result that was to go."""

    REMOVED = "removed"
    GONE = "gone"  # nothing is there
    EDITED = "edited"  # another file, or one that somebody is writing: left


def withdraw(outbox: str, path: str, digest: str, mark: str) -> Withdrawal:
    """Removes the file `path` (relative to the outbox) if its sha256 is `digest`, by way of the spool.

    `mark` names this request, and is fit for a file name. Raises OSError.
    """
    folder, name = os.path.split(path)
    aside = f"withdrawn-{mark}.part"
    with folder_beneath(outbox, SPOOL, create=True) as spool:
        try:
            with folder_beneath(outbox, folder) as target:
                return _withdraw(target, name, digest, spool, aside)
        except (FileNotFoundError, NotADirectoryError):
            if stat_at(spool, aside) is None:
                return Withdrawal.GONE
        with folder_beneath(outbox, folder, create=True) as target:
            return _withdraw(target, name, digest, spool, aside)


def _withdraw(target: int, name: str, digest: str, spool: int, aside: str) -> Withdrawal:
    if stat_at(spool, aside) is None:
        if stat_at(target, name) is None:
            return Withdrawal.GONE
        if not is_untouched(target, name, digest):
            return Withdrawal.EDITED
        try:
            rename_ours(target, name, spool, aside)
        except FileNotFoundError:
            return Withdrawal.GONE
    if not is_untouched(spool, aside, digest):
        _put_back(spool, aside, target, name)
        return Withdrawal.EDITED
    sync_folder(target)
    unlink_at(spool, aside)
    return Withdrawal.REMOVED


def bring_back(outbox: str, path: str, to: str, digest: str, ownership: Ownership | None = None) -> str | None:
    """Moves the file `path` to `to` or the next free name (both relative to the outbox), and says where it is then.

    None where it is in neither place; by its sha256 `digest` it is known when asked again. Raises OSError.
    """
    folder, name = os.path.split(path)
    finish = ownership.folder if ownership else None
    above, new_name = os.path.split(to)
    with folder_beneath(outbox, above, create=True, finish=finish) as target:
        try:
            with folder_beneath(outbox, folder) as source:
                if stat_at(source, name) is not None:
                    return os.path.join(above, _put_back(source, name, target, new_name))
        except (FileNotFoundError, NotADirectoryError):
            pass
        for other in numbered(target, new_name):
            if _has(target, other, digest):
                return os.path.join(above, other)
    return None


def _has(folder: int, name: str, digest: str) -> bool:
    try:
        return digest_at(folder, name) == digest
    except OSError:
        return False


def _put_back(source: int, name: str, target: int, new_name: str) -> str:
    """Moves to that name or the next free one, and returns it; a link that an earlier call made is found."""
    held = stat_at(source, name)
    if held is not None and held.st_nlink > 1:
        for other in numbered(target, new_name):
            there = stat_at(target, other)
            if there and (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino):
                unlink_at(source, name)
                return other
    for _ in range(_TRIES):
        free = free_name(target, new_name)
        try:
            move_new(source, name, target, free)
        except FileExistsError:
            continue
        sync_folder(target)
        unlink_at(source, name)
        sync_folder(source)
        return free
    raise OSError(errno.EEXIST, "no free name is left", new_name)
