"""How long something that failed is waited for, and how often a file is excused before it counts against it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

BACKOFF_SECONDS = (5.0, 300.0)  # first and longest wait after a transient fault, doubling between

MAX_DEATHS = 3  # workers that are lost over one file before it goes to quarantine
MAX_EXCUSED = 5  # lost workers that are not held against a file, in one life of the daemon


def backoff(failures: int) -> float:
    """Seconds to wait after the `failures`-th transient fault in a row, from 1 on."""
    first, longest = BACKOFF_SECONDS
    return min(longest, first * 2.0 ** min(failures - 1, 16))


class Excuses:
    """Lost workers that a file may have had no part in.

    A few are believed. More are only while nothing else of the same folder succeeds: a share that hangs is no file's
    fault for however long, but a file that is alone in its bad luck is to blame for it.
    """

    def __init__(self) -> None:
        self._excused: Counter[Hashable] = Counter()
        self._successes: Counter[str] = Counter()
        self._seen: dict[Hashable, int] = {}

    def accept(self, file: Hashable, folder: str, *, shared: bool) -> bool:
        """Whether one more lost worker is excused; `shared`: the folder's disk may be at fault."""
        self._excused[file] += 1
        before = self._seen.setdefault(file, self._successes[folder])
        others_succeed = self._successes[folder] > before
        self._seen[file] = self._successes[folder]
        return self._excused[file] <= MAX_EXCUSED or (shared and not others_succeed)

    def succeeded(self, folder: str) -> None:
        """Something of this folder was read or made."""
        self._successes[folder] += 1

    def over(self, file: Hashable) -> None:
        self._excused.pop(file, None)
        self._seen.pop(file, None)
