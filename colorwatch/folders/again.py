"""The folder `again` of an outbox: what a person moves there is to be made anew. One thread only.

A file counts once two looks have found it unchanged, and is told once, until it changes or goes.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable

from colorwatch.disk.beneath import digest_at, folder_beneath, stat_at, walk
from colorwatch.disk.names import AGAIN, safe_name
from colorwatch.disk.ownership import Ownership
from colorwatch.disk.replacing import Withdrawal, bring_back, withdraw
from colorwatch.disk.retention import remove_empty
from colorwatch.folders.commands import AgainOver
from colorwatch.folders.messages import AgainEnded, AskedAgain
from colorwatch.watching.litter import is_litter

_Look = tuple[int, int, int]  # size, mtime_ns, inode


class Again:
    """What lies in that folder. `trouble` is told what cannot be read, once."""

    def __init__(self, outbox: str, folder: str, trouble: Callable[[str, OSError], None]) -> None:
        self._outbox = outbox
        self._name = folder
        self._trouble = trouble
        self._seen: dict[str, _Look] = {}
        self._told: dict[str, _Look] = {}
        self._settled: list[str] = []
        self._troubled: set[str] = set()

    def look(self) -> None:
        """A look at all of it; nothing to do where the folder is not there. Raises OSError where the outbox is not."""
        before, self._seen, self._settled = self._seen, {}, []
        for path, found in walk(self._outbox, AGAIN, recursive=True, skip=is_litter, trouble=self._failed):
            if stat.S_ISREG(found.st_mode):
                below = path[len(AGAIN) + 1 :]
                look = self._seen[below] = _look(found)
                if before.get(below) == look and self._told.get(below) != look:
                    self._settled.append(below)
        self._told = {path: look for path, look in self._told.items() if path in self._seen}
        self._troubled &= self._seen.keys()

    @property
    def settled(self) -> int:
        """How many files are to be told."""
        return len(self._settled)

    def unsettled(self) -> int:
        """How many are not told yet, though they can be read."""
        return sum(self._told.get(path) != look for path, look in self._seen.items() if path not in self._troubled)

    def next(self) -> AskedAgain | None:
        """The next file that is to be told; reads it to its end."""
        path = self._settled.pop()
        folder, name = os.path.split(os.path.join(AGAIN, path))
        try:
            with folder_beneath(self._outbox, folder) as descriptor:
                digest = digest_at(descriptor, name)
                found = stat_at(descriptor, name)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._failed(path, error)
            return None
        if found is None or _look(found) != self._seen[path]:
            return None  # the next looks tell
        self._troubled.discard(path)
        self._told[path] = self._seen[path]
        return AskedAgain(self._name, path, digest, found.st_size)

    def end(self, command: AgainOver, ownership: Ownership) -> AgainEnded:
        """Carries out an AgainOver. Raises OSError."""
        place = os.path.join(AGAIN, command.path)
        removed, where = False, None
        if command.action == "remove":
            mark = f"{AGAIN}-{hashlib.sha256(os.fsencode(command.path)).hexdigest()[:16]}"
            removed = withdraw(self._outbox, place, command.digest, mark) is not Withdrawal.EDITED
        else:
            to = command.to or safe_name(command.path)
            where = bring_back(self._outbox, place, to, command.digest, ownership)
        self._told.pop(command.path, None)  # what lies there now is told anew
        remove_empty(os.path.join(self._outbox, AGAIN), os.path.dirname(command.path))
        return AgainEnded(self._name, command.path, removed, where)

    def _failed(self, path: str, error: OSError) -> None:
        if path not in self._troubled:
            self._troubled.add(path)
            self._trouble(path, error)


def _look(found: os.stat_result) -> _Look:
    return (found.st_size, found.st_mtime_ns, found.st_ino)
