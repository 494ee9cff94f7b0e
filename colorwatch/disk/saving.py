"""Prints that were cut out of a result: each gets its name, takes the place of an earlier one, or goes with its result.

A file that a person has edited, moved or deleted is left as that. Each function may be called again with the same
arguments after a kill at any point. OSErrors leave as they are.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable

from colorwatch.disk.beneath import folder_beneath, stat_beneath
from colorwatch.disk.ownership import Ownership
from colorwatch.disk.publishing import Publication, Rendered, publish
from colorwatch.disk.replacing import Withdrawal, publish_over, withdraw
from colorwatch.disk.untouched import is_untouched


def save_print(
    outbox: str,
    spool: str,
    final: str,
    ours: Rendered,
    over: str = "",
    replaces: str = "",
    owner: Ownership | None = None,
) -> Publication:
    """`publishing.publish`; with `replaces`, the sha256 of the earlier one at `over`, in the place of that alone.

    NOTHING: that one is not there any more, or not as we wrote it, so that the new one is not wanted either.
    """
    if not replaces:
        return publish(outbox, spool, final, ours, owner)
    found = stat_beneath(outbox, os.path.dirname(over))
    if found is None or not stat.S_ISDIR(found.st_mode):
        return Publication.NOTHING  # its folder would be made again
    if over == final:
        end = publish_over(outbox, spool, final, ours, replaces, owner, only_over=True)
        return Publication.NOTHING if end is Publication.TAKEN else end
    # Of another format now. Where the new one stands already, the old one may have gone before a kill.
    if not _is(outbox, over, replaces) and not _is(outbox, final, ours.digest):
        return Publication.NOTHING
    end = publish(outbox, spool, final, ours, owner)
    if end is Publication.PUBLISHED:
        withdraw(outbox, over, replaces, os.path.basename(spool))
    return end


def withdraw_prints(outbox: str, prints: Iterable[tuple[str, str]], mark: str) -> None:
    """Removes each path whose file has that sha256, and the folder that this leaves empty; `mark` as for `withdraw`."""
    folders = set()
    for number, (path, digest) in enumerate(prints):
        if withdraw(outbox, path, digest, f"{mark}-print-{number}") is not Withdrawal.EDITED:
            folders.add(os.path.dirname(path))
    for folder in folders - {""}:
        parent, name = os.path.split(folder)
        with contextlib.suppress(OSError), folder_beneath(outbox, parent) as above:
            os.rmdir(name, dir_fd=above)


def _is(outbox: str, path: str, digest: str) -> bool:
    folder, name = os.path.split(path)
    try:
        with folder_beneath(outbox, folder) as place:
            return is_untouched(place, name, digest)
    except (FileNotFoundError, NotADirectoryError):
        return False
