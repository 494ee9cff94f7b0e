"""Folders: what filesystem they are on, and whether it does what the order of operations needs, tried out.

Every trial uses one hidden file that is litter to every inbox, and takes it away again.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import shlex
import time
from collections.abc import Callable, Iterator

from colorwatch.disk.beneath import link_new, rename_new, sync_folder
from colorwatch.doctor.finding import Finding, fine, note, problem
from colorwatch.errors import explain_os_error
from colorwatch.watching import mounts

TRIAL = ".colorwatch-doctor"
SKEW_SECONDS = 5.0
_FEW_INODES = 1000
_NOT_HERE = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EMLINK}


def examine_folder(role: str, path: str, min_free: int) -> Iterator[Finding]:
    """Everything there is to say of one folder of the config; `role` is inbox, outbox, archive, quarantine or state."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        yield _unreachable(role, path, error)
        return
    try:
        yield from _filesystem(role, path, descriptor)
        yield from _space(role, path, descriptor, min_free)
        if role == "inbox":
            yield from _reading(path)
        yield from _trials(role, path, descriptor)
    finally:
        os.close(descriptor)


def _unreachable(role: str, path: str, error: OSError) -> Finding:
    if error.errno == errno.ENOENT:
        if role == "quarantine":
            return fine("folder", path, f"the {role} is made when it is needed")
        return problem("folder", path, f"the {role} is not there", f"mount its disk, or: mkdir -p {shlex.quote(path)}")
    if error.errno == errno.ENOTDIR:
        return problem("folder", path, f"the {role} is a file, not a folder", "name a folder in the config")
    if error.errno in (errno.EACCES, errno.EPERM):
        advice = (
            f"give user {user()} access: sudo setfacl -m u:{user()}:rwx {shlex.quote(path)}, or chgrp and chmod g+rwx"
        )
        return problem("folder", path, f"the {role} may not be opened by user {user()}", advice)
    return problem("folder", path, f"the {role} cannot be opened: {explain_os_error(error)}", "mend that disk or mount")


def _filesystem(role: str, path: str, descriptor: int) -> Iterator[Finding]:
    mount = mounts.of_number(mounts.table(), mounts.number_of(descriptor))
    kind = mount.kind if mount else "unknown"
    real = os.path.realpath(path)
    if real != path:
        yield note(
            "link",
            path,
            f"the {role} is reached through a symbolic link and lies at {real}",
            "name that path in the config, so that it is clear what is watched",
        )
    if role == "state" and mount and mount.shared:
        yield problem(
            "filesystem",
            path,
            f"the state folder is on a share ({kind}), where SQLite's locks cannot be relied on",
            "name a folder on a disk of this machine under `state`",
        )
    elif role == "inbox" and mount and mount.shared:
        yield note(
            "filesystem",
            path,
            f"the inbox is on a share ({kind}): what other machines save there gives no event, so it is looked through"
            " now and then",
            "poll_seconds says how often",
        )
    else:
        yield fine("filesystem", path, f"the {role} is on {kind}")


def _space(role: str, path: str, descriptor: int, min_free: int) -> Iterator[Finding]:
    try:
        found = os.fstatvfs(descriptor)
    except OSError as error:
        yield problem("space", path, f"its free space cannot be told: {explain_os_error(error)}", "mend that mount")
        return
    free = found.f_bavail * found.f_frsize
    words = f"{free / 1e9:,.1f} GB free"
    if found.f_flag & os.ST_RDONLY:
        yield problem("space", path, f"the {role} is mounted read-only", "mount it for reading and writing")
    if role != "inbox" and free < max(min_free, 1 << 20):
        yield problem("space", path, f"{words}: too little to work", "make room, or lower limits.min_free_megabytes")
    elif found.f_files and found.f_favail < _FEW_INODES:
        yield problem("space", path, f"only {found.f_favail} more files fit on that disk", "delete files there")
    else:
        yield fine("space", path, words)


def _reading(inbox: str) -> Iterator[Finding]:
    """Scans that the service's user cannot read, as scanners and Samba like to write them."""
    unreadable, seen = [], 0
    with contextlib.suppress(OSError), os.scandir(inbox) as entries:
        for entry in entries:
            if seen >= 1000:
                break
            if entry.is_file(follow_symlinks=False) and not entry.name.startswith("."):
                seen += 1
                if not os.access(entry.path, os.R_OK, effective_ids=True):
                    unreadable.append(entry)
    if not unreadable:
        return
    found = unreadable[0].stat(follow_symlinks=False)
    yield problem(
        "readable",
        inbox,
        f"{len(unreadable)} of {seen} files cannot be read by user {user()}; the first belongs to"
        f" {_name_of(found.st_uid)} with mode {found.st_mode & 0o777:04o}",
        "let the scanner or Samba write files that the group may read (Samba: create mask = 0664), and put"
        f" {user()} into that group",
    )


def _trials(role: str, path: str, folder: int) -> Iterator[Finding]:
    """create, fsync, link, rename without clobber, unlink: each step named where it fails."""
    name, second = f"{TRIAL}-{os.getpid()}", f"{TRIAL}-{os.getpid()}-2"
    step = "create a file"
    links = renames = True
    try:
        new = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        before = time.time()
        with open(os.open(name, new, 0o600, dir_fd=folder), "wb") as file:
            file.write(b"colorwatch doctor\n")
            step = "bring a file to disk (fsync)"
            file.flush()
            os.fsync(file.fileno())
            skew = _skew(os.fstat(file.fileno()).st_mtime, before, time.time())
        step = "bring a folder to disk (fsync)"
        sync_folder(folder)
        step = "link a file"
        links = _can(lambda: link_new(folder, name, folder, second))
        if links:
            os.unlink(second, dir_fd=folder)
        step = "rename a file"
        renames = _can(lambda: rename_new(folder, name, folder, second))
        if not renames:
            os.rename(name, second, src_dir_fd=folder, dst_dir_fd=folder)
        step = "delete a file"
        os.unlink(second, dir_fd=folder)
    except OSError as error:
        yield _failed(role, path, step, error)
        return
    finally:
        for left in (name, second):
            with contextlib.suppress(OSError):
                os.unlink(left, dir_fd=folder)
    if not (links or renames):
        advice = "results are published by a plain rename there: let nothing else write into that folder"
        yield note("steps", path, "neither links nor renames that never replace are known there", advice)
    else:
        yield fine("steps", path, "create, fsync, link, rename and delete all work")
    if abs(skew) > SKEW_SECONDS:
        advice = "set the clock of the file server by NTP; colorwatch itself never compares the two"
        yield note("clock", path, f"the file server's clock is {skew:+,.0f} s off this machine's", advice)


def _skew(written: float, before: float, after: float) -> float:
    """Seconds by which a file's time lies outside the moment in which it was written."""
    return written - after if written > after else min(0.0, written - before)


def _can(step: Callable[[], None]) -> bool:
    try:
        step()
    except OSError as error:
        if error.errno in _NOT_HERE:
            return False
        raise
    return True


def _failed(role: str, path: str, step: str, error: OSError) -> Finding:
    text = f"in the {role}, user {user()} cannot {step}: {explain_os_error(error)}"
    if error.errno in (errno.EACCES, errno.EPERM):
        needed = "" if role != "inbox" else "; with originals: keep reading is enough, but nothing can be set aside"
        advice = f"sudo chgrp {_group()} {shlex.quote(path)} && sudo chmod g+rwxs {shlex.quote(path)}"
        return (note if role == "inbox" else problem)("steps", path, text + needed, advice)
    return problem("steps", path, text, "mend that disk or mount")


def user() -> str:
    return _name_of(os.geteuid())


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"number {uid}"


def _group() -> str:
    try:
        return grp.getgrgid(os.getegid()).gr_name
    except KeyError:
        return str(os.getegid())
