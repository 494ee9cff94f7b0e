"""Whether the folders that results and originals go into are those that were used before, or their disk is away.

Where a disk is not mounted its mount point is left, an empty folder like any other: what is put there is hidden once
the disk is back. A folder is known by our own folder in it. Where that is missing, the same device and inode tell that
a person has removed it, and after a restart, when device numbers may be others, the same place on the same filesystem.
So an outbox that was cleaned out, or made anew, is no alarm.

A disk may go between a look and what follows from it. What is looked at and then filled is therefore held open, and
reached by that: our own folder, above all, must not be made in a mount point, or that would be known for the disk.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
from collections.abc import Callable, Iterator, Mapping

from colorwatch.disk.beneath import folder_beneath, open_beneath, stat_beneath
from colorwatch.disk.names import SPOOL
from colorwatch.errors import NotMountedError
from colorwatch.scan import printable
from colorwatch.watching import mounts


class Footing:
    """The outbox, archive and quarantine of one folder. Belongs to the folder's thread, for each look may hang."""

    def __init__(self, noted: Mapping[str, str], tell: Callable[[str, str], None]) -> None:
        """`noted`: by path what `place` said of them when they were used last; `tell` gets path and place to note."""
        self._noted = dict(noted)
        self._tell = tell
        self._seen: dict[str, tuple[int, int]] = {}  # device and inode, in the life of this process

    def require(self, path: str, *, may_be_new: bool = False) -> None:
        """Raises OSError where the folder is not the one that was used before.

        `may_be_new`: a person may delete it, and it is made again.
        """
        try:
            identity = _identity(path)
        except FileNotFoundError:
            if not may_be_new:
                raise
            self._require_place(path, path)
            return
        self._look(path, path, identity, may_be_new)

    @contextlib.contextmanager
    def held(self, path: str, *, may_be_new: bool = False) -> Iterator[str]:
        """The folder by a name that stays with it, though its disk is unmounted meanwhile. Raises as `require` does.

        One that was not known in this process gets our own folder, and is the one from then on.
        """
        descriptor = open_beneath(path, "")
        try:
            found = os.fstat(descriptor)
            identity = (found.st_dev, found.st_ino)
            name = f"/proc/self/fd/{descriptor}"
            if not os.path.isdir(name):  # no /proc here
                name = path
            self._look(path, name, identity, may_be_new)
            if self._seen.get(path) != identity:
                with folder_beneath(name, SPOOL, create=True):
                    pass
                self._take(path, name, identity)
            yield name
        finally:
            os.close(descriptor)

    def _look(self, path: str, name: str, identity: tuple[int, int], may_be_new: bool) -> None:
        known = self._seen.get(path)
        if identity == known:
            return
        if stat_beneath(name, SPOOL) is not None:
            if known is not None:
                self._take(path, name, identity)
        elif known is not None and not may_be_new:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        else:
            self._require_place(path, name)

    def _take(self, path: str, name: str, identity: tuple[int, int]) -> None:
        """Our own folder is in it: from now on this is the one."""
        self._seen[path] = identity
        where = place(name)
        if where and self._noted.get(path) != where:
            self._noted[path] = where
            self._tell(path, where)

    def _require_place(self, path: str, name: str) -> None:
        noted = self._noted.get(path, "")
        where = place(name) if noted else ""
        if noted and where and noted != where:
            shown = shlex.quote(printable(os.path.join(path, SPOOL)))
            raise NotMountedError(
                f"its disk does not seem to be mounted: until now it was {noted}, now it is {where}, without anything"
                f" of colorwatch's in it; mount the disk or, if files are to go there from now on: mkdir -p {shown}",
                path,
            )


def place(path: str) -> str:
    """Where a folder lies, in words that stay the same as long as its disk does, however that is mounted.

    That is the filesystem's kind and source, and the folder's path in it. "" where the system does not tell.
    """
    name = ""
    try:
        descriptor = open_beneath(path, "")
    except FileNotFoundError:
        path, name = os.path.split(path)
        descriptor = open_beneath(path, "")
    try:
        mount = mounts.of_number(mounts.table(), mounts.number_of(descriptor))
        if mount is None or not mount.source:
            return ""
        seen = os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return ""
    finally:
        os.close(descriptor)
    inside = os.path.normpath(os.path.join(mount.root, os.path.relpath(seen, mount.point), name))
    return printable(f"{inside} on {mount.kind} {mount.source}")


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return (found.st_dev, found.st_ino)
