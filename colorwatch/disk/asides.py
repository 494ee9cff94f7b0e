"""Originals that were renamed aside: what they are called then, and how they get a name back.

The aside name holds the job's number and, as far as 255 bytes go, the file's own name, so that a lost ledger does not
lose it. Names of earlier versions, `.colorwatch-17.aside`, are known as well.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Set as AbstractSet

from colorwatch.disk.beneath import folder_beneath, move_new, stat_at, sync_folder, unlink_at, walk
from colorwatch.disk.names import NAME_BYTES, SPOOL, free_name, numbered, shortened
from colorwatch.faultpoint import reach
from colorwatch.watching.litter import is_litter

_ASIDE = re.compile(rf"{re.escape(SPOOL)}-(\d+)\.aside(?:\.(.+))?", re.DOTALL)
_TRIES = 100
_DIGITS = 19  # of the largest number that a ledger can hold; a name may come from anybody


def aside_name(job_id: int, name: str) -> str:
    """What the original `name` of that job is called while it is on its way."""
    begin = f"{SPOOL}-{job_id}.aside."
    return begin + shortened(name, NAME_BYTES - len(begin))


def old_aside_name(job_id: int) -> str:
    return f"{SPOOL}-{job_id}.aside"


def job_of(name: str) -> int | None:
    """The number of the job whose original is called `name` while it lies aside; None for any other name."""
    match = _ASIDE.fullmatch(name)
    number = int(match[1]) if match and len(match[1]) < _DIGITS else 0
    return number or None


def is_litter_but_no_aside(name: str) -> bool:
    """Whether a name in an inbox is of no interest where originals that lie aside are looked for as well."""
    return is_litter(name) and job_of(name) is None


def give_name(folder: int, aside: str, name: str) -> str | None:
    """The file `aside` of an open folder gets `name` or the next free one, which is returned; None if it is gone."""
    held = stat_at(folder, aside)
    if held is None:
        return None
    reach("put-back")
    if held.st_nlink > 1:  # an earlier call may have linked it, where disks know no other way
        for other in numbered(folder, name):
            there = stat_at(folder, other)
            if there and (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino):
                return _dropped(folder, aside, other)
    for _ in range(_TRIES):
        free = free_name(folder, name)
        try:
            move_new(folder, aside, folder, free)
        except FileExistsError:
            continue
        except FileNotFoundError:
            return None
        return _dropped(folder, aside, free)
    raise OSError(errno.EEXIST, "no free name is left", name)


def _dropped(folder: int, aside: str, name: str) -> str:
    unlink_at(folder, aside)
    sync_folder(folder)
    return name


def restore_asides(root: str, keep: AbstractSet[int]) -> int:
    """Gives every file beneath `root` that lies aside its name back, but those of the jobs in `keep`.

    Returns how many. Raises OSError: where the root cannot be opened, and where one of them could not be named, then
    after all others.
    """
    count = 0
    failed: list[OSError] = []

    seen = walk(root, "", recursive=True, skip=is_litter_but_no_aside, trouble=lambda _, error: failed.append(error))
    for path, found in seen:
        folder, name = os.path.split(path)
        match = _ASIDE.fullmatch(name)
        if match is None or not stat.S_ISREG(found.st_mode) or int(match[1]) in keep:
            continue
        try:
            with folder_beneath(root, folder) as descriptor:
                count += give_name(descriptor, name, match[2] or f"scan {match[1]}") is not None
        except OSError as error:
            failed.append(error)
    if failed:
        raise failed[0]
    return count
