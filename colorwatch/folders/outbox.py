"""What is looked at in an outbox every few seconds: room on its disk, and what people moved into `again`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from colorwatch.disk.names import AGAIN
from colorwatch.disk.ownership import Ownership
from colorwatch.errors import explain_os_error
from colorwatch.folders.again import Again
from colorwatch.folders.commands import AgainOver
from colorwatch.folders.messages import AgainEnded, FolderSettings, Message, Space, Trouble
from colorwatch.scan import printable

LOOK_SECONDS = 5.0
_FEWEST_INODES = 200  # fewer free than this is full, too: results, folders and notes need one each
_MORE = 1.1  # so much more than the least must be free again before it counts


class Outbox:
    """One outbox, seen from its folder's thread."""

    def __init__(self, settings: FolderSettings, tell: Callable[[Message], None], clock: Callable[[], float]) -> None:
        self._settings = settings
        self._tell = tell
        self._clock = clock
        self._again = Again(settings.outbox, settings.name, self._trouble)
        self._next_look = clock()
        self._low = False

    def turn(self) -> None:
        """Looks if it is time, else reads one of the files that were moved into `again`."""
        if self._clock() >= self._next_look:
            self._next_look = self._clock() + LOOK_SECONDS
            with contextlib.suppress(OSError):  # an outbox that is not there is told of when something is to go in
                self._look_at_space()
                self._again.look()
        elif self._again.settled and (asked := self._again.next()) is not None:
            self._tell(asked)

    def seconds_to_wait(self) -> float:
        return 0.0 if self._again.settled else max(0.0, self._next_look - self._clock())

    def unsettled(self) -> int:
        """Files in `again` that are still to be told."""
        return self._again.unsettled()

    def end(self, command: AgainOver, ownership: Ownership) -> AgainEnded:
        return self._again.end(command, ownership)

    def _look_at_space(self) -> None:
        least = self._settings.min_free
        if not least:
            return
        disk = os.statvfs(self._settings.outbox)
        free, more = disk.f_bavail * disk.f_frsize, _MORE if self._low else 1.0
        no_room = free < least * more
        no_inodes = disk.f_files > 0 and disk.f_favail < _FEWEST_INODES * more  # some disks do not count them
        if (no_room or no_inodes) is self._low:
            return
        self._low = not self._low
        what = f"{free // 1_000_000} MB" if no_room or not self._low else f"room for {disk.f_favail} files"
        why = f"{what} {'are left' if self._low else 'are free'} on the disk of {printable(self._settings.outbox)}"
        self._tell(Space(self._settings.name, self._low, free, why))

    def _trouble(self, path: str, error: OSError) -> None:
        text = f"{printable(os.path.join(AGAIN, path))} in the outbox cannot be read: {explain_os_error(error)}"
        self._tell(Trouble(self._settings.name, None, "again", error.errno or 0, text, path))
