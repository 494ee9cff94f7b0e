"""Group and mode of what is made for people, whatever the umask says; and, in words, who may do what with a file."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import shlex
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from colorwatch.disk.beneath import open_file
from colorwatch.scan import printable

_FAMILY = 0o660  # what the group gets at least, if nothing else is asked for
_REFUSED = {errno.EPERM, errno.EACCES, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS}


def group_id(group: str) -> int:
    """The number of a group that is given by name or number; raises ValueError, with a sentence, for none."""
    if group.isascii() and group.isdigit():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ValueError(f"there is no group {printable(group)} on this machine") from None


def may_give(gid: int) -> bool:
    """Whether this process may give files of its own to that group."""
    return os.geteuid() == 0 or gid == os.getegid() or gid in os.getgroups()


@dataclass(frozen=True, slots=True)
class Ownership:
    """What results, notes and new folders get. `warn` is told, with a sentence, what could not be given.

    The `group` auto is the one that a file made in that folder would have, which is the folder's own where it has the
    setgid bit. The `mode` auto is what the umask (or a default ACL) left, and the group may read and write in any case.
    New folders get x where the mode has r, and keep the bits that they inherit.
    """

    group: str = "auto"
    mode: int | Literal["auto"] = "auto"
    warn: Callable[[str], object] = str

    def file(self, folder: int, name: str, target: int) -> None:
        """For a file of ours in an open folder, before it appears in the open folder `target`.

        Syncing `target` afterwards brings both to disk: a journal keeps the order. Raises OSError for a broken disk.
        """
        descriptor = open_file(folder, name)
        try:
            found, place = os.fstat(descriptor), os.fstat(target)
            gid = self._gid(place.st_gid if place.st_mode & stat.S_ISGID else found.st_gid)
            self._give(descriptor, found, gid)
            mode = stat.S_IMODE(found.st_mode) | _FAMILY if self.mode == "auto" else self.mode
            if stat.S_IMODE(found.st_mode) != mode:
                self._try(lambda: os.fchmod(descriptor, mode), f"the mode {mode:04o}")
        finally:
            os.close(descriptor)

    def folder(self, descriptor: int) -> None:
        """For a folder that we have just made: of ours, and empty. Any other is left as it is."""
        found = os.fstat(descriptor)
        inherited = stat.S_IMODE(found.st_mode)
        kept, mode = (inherited, _FAMILY) if self.mode == "auto" else (inherited & 0o7000, self.mode)
        mode = kept | mode | (mode & 0o444) >> 2  # whoever may read the files may go in
        gid = self._gid(found.st_gid)
        if found.st_uid != os.geteuid() or (found.st_gid, inherited) == (gid, mode):
            return
        with os.scandir(descriptor) as entries:
            if any(entries):
                return
        self._give(descriptor, found, gid)
        # chmod takes the setgid bit from a folder of a group that is not ours, and new files the group with it.
        if not found.st_mode & stat.S_ISGID or may_give(gid):
            self._try(lambda: os.fchmod(descriptor, mode), f"the mode {mode:04o}")

    def _gid(self, otherwise: int) -> int:
        if self.group == "auto":
            return otherwise
        try:
            return group_id(self.group)
        except ValueError as error:
            self.warn(str(error))
            return otherwise

    def _give(self, descriptor: int, found: os.stat_result, gid: int) -> None:
        if gid != found.st_gid:
            self._try(lambda: os.fchown(descriptor, -1, gid), f"the group {_group(gid)}")

    def _try(self, change: Callable[[], None], what: str) -> None:
        try:
            change()
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
            # A disk without modes, or a group that we are not in: the result is worth more than its group.
            self.warn(f"results cannot be given {what}: {(error.strerror or str(error)).lower()}")


def describe(path: str) -> str:
    """Owner, group and mode of a file, who we are, and what would let us read it: sentences for a person.

    Never raises: what cannot be looked at is said.
    """
    closed = _closed_folder(path)
    if closed is not None:
        return (
            f"User {_user(os.geteuid())}, as whom colorwatch runs, may not open the folder {_of(closed)}. "
            f"Let it in with: sudo chmod o+x {_quoted(closed)}; or make it a member of the folder's group."
        )
    try:
        found = os.stat(path, follow_symlinks=False)
    except OSError as error:
        return f"{printable(path)} cannot be looked at: {(error.strerror or str(error)).lower()}."
    return f"{_of(path, found)}; colorwatch runs as user {_user(os.geteuid())}. {_remedy(path, found)}"


def describe_removal(folder: str, error: OSError) -> str:
    """Why a file could not be moved out of that folder, and what would allow it: sentences for a person."""
    why = (error.strerror or str(error)).lower()
    try:
        found = os.stat(folder)
    except OSError:
        return f"{why}."
    text = f"{why}. The folder {_of(folder, found)}; colorwatch runs as user {_user(os.geteuid())}."
    if os.access(folder, os.W_OK | os.X_OK):
        advice = "Close the programs that have the file open, or see whether it is locked or marked as immutable"
    elif os.statvfs(folder).f_flag & os.ST_RDONLY:
        advice = "Its disk is mounted read-only: mount it read-write"
    else:
        advice = f"Allow it to write there, for example with: {_grant(folder, found, 'rwx')}"
    return f"{text} {advice}; or write originals: keep into the config."


def _closed_folder(path: str) -> str | None:
    """The first folder on the way to `path` that lets us not through."""
    folder = "/"
    for part in path.split("/")[1:-1]:
        folder = os.path.join(folder, part)
        if os.path.isdir(folder) and not os.access(folder, os.X_OK):
            return folder
    return None


def _remedy(path: str, found: os.stat_result) -> str:
    if not stat.S_ISREG(found.st_mode):
        return "It is no regular file; put the picture itself into the inbox."
    if os.access(path, os.R_OK):
        return "It can be read now."
    return (
        f"Let it read the file with: {_grant(path, found, 'r')}. So that new scans can be read at once, let whatever "
        "saves them give read permission to the group: with Samba, the lines create mask = 0664 and "
        "force create mode = 0660 for that share; else the scanner's umask."
    )


def _grant(path: str, found: os.stat_result, what: str) -> str:
    if found.st_gid in (os.getegid(), *os.getgroups()):
        return f"sudo chmod g+{what} {_quoted(path)}"
    user, group = shlex.quote(_user(os.geteuid())), shlex.quote(_group(found.st_gid))
    if found.st_gid == 0:  # nobody should be made a member of that one
        return f"sudo chmod o+{what} {_quoted(path)}"
    allowed = (found.st_mode >> 3) & 0o7 & (0o4 if what == "r" else 0o7) == (0o4 if what == "r" else 0o7)
    first = "" if allowed else f"sudo chmod g+{what} {_quoted(path)} && "
    return f"{first}sudo usermod -aG {group} {user} (and restart colorwatch)"


def _of(path: str, found: os.stat_result | None = None) -> str:
    found = found or os.stat(path, follow_symlinks=False)
    mode = stat.S_IMODE(found.st_mode)
    return f"{printable(path)} belongs to user {_user(found.st_uid)} and group {_group(found.st_gid)}, mode {mode:04o}"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _quoted(path: str) -> str:
    return shlex.quote(printable(path))
