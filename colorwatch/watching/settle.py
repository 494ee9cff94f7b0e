"""Which paths have gone quiet: pure, without files, threads or a clock of its own.

A path is fresh while its quiet time runs, known once it was released, and waiting when it is to be released again.
Times are those of the caller's monotonic clock; a file's own time is compared with its earlier one, never with now,
so that a file server's wrong clock changes nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

LENGTHENED_QUIET = 4.0  # a zero tail waits this many quiet times more, once

_MIX = 0x9E3779B97F4A7C15  # odd, near 2**64 / golden ratio: spreads times that differ only in their low digits
_MASK = (1 << 60) - 1


def signature(size: int, mtime_ns: int) -> int:
    """What is remembered of a released file: a number of 60 bits, the same in every process.

    Device and inode stay out of it: a re-mounted share has other ones, and every file on it would look new.
    """
    return (mtime_ns * _MIX + size) & _MASK


class Seen(Enum):
    """What a look at a file was, held against what was remembered of its path."""

    NEW = "nothing was remembered"
    SAME = "unchanged"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Quiet:
    """A path that has gone quiet, and how the file looked when it did.

    `patient`: an unfinished file has now been silent for the long time; `lengthened`: the longer wait for a zero tail
    is over. `signature` is None for a path that was to be looked at again without ever having been seen.
    """

    path: str
    signature: int | None
    inode: int | None
    patient: bool = False
    lengthened: bool = False

    def matches(self, size: int, mtime_ns: int, inode: int) -> bool:
        """True for the file that went quiet, false for one that changed since: observe that one afresh."""
        return self.signature == signature(size, mtime_ns) and self.inode in (None, inode)


class _Pending:
    """A path that will be released at `due`. Only the heap entry that carries `ticket` is its own."""

    __slots__ = ("due", "fresh", "inode", "lengthened", "patient", "signature", "ticket")

    def __init__(self, signature: int | None, inode: int | None, *, fresh: bool) -> None:
        self.signature = signature
        self.inode = inode
        self.fresh = fresh
        self.patient = False
        self.lengthened = False
        self.due = 0.0
        self.ticket = -1

    @property
    def settling(self) -> bool:
        return self.fresh or self.lengthened


class Settler:
    """Releases each path once it has been unchanged for `quiet_seconds`; again only if it changes or that is asked for.

    `known` maps paths to the signatures of files that need no release, such as those of an earlier run.
    """

    def __init__(self, quiet_seconds: float, patience_seconds: float, known: Mapping[str, int] | None = None) -> None:
        self._quiet = quiet_seconds
        self._patience = patience_seconds
        self._known: dict[str, int] = dict(known or {})
        self._pending: dict[str, _Pending] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._tickets = 0
        self._unsettled = 0

    def __len__(self) -> int:
        """Number of paths remembered, in whatever state."""
        return len(self._known) + len(self._pending)

    @property
    def unsettled(self) -> int:
        """Number of paths whose quiet time, or longer one, is running; others that wait do not count."""
        return self._unsettled

    def paths(self) -> list[str]:
        """All paths remembered, in no order."""
        return [*self._known, *self._pending]

    def remembers(self, path: str) -> bool:
        """Whether anything was ever seen at this path, and not forgotten."""
        return path in self._known or path in self._pending

    def observe(self, path: str, size: int, mtime_ns: int, inode: int, now: float) -> Seen:
        """Tells how the file looks now. Any change in size, time or inode starts its quiet time again."""
        seen = signature(size, mtime_ns)
        pending = self._pending.get(path)
        if pending is None:
            known = self._known.get(path)
            if known == seen:
                return Seen.SAME
            result = Seen.NEW if known is None else Seen.CHANGED
            self._known.pop(path, None)
        elif pending.signature == seen and pending.inode in (None, inode):
            pending.inode = inode
            return Seen.SAME
        else:
            result = Seen.CHANGED
            self._remove(path)
        self._add(path, _Pending(seen, inode, fresh=True), now + self._quiet)
        return result

    def forget(self, path: str) -> None:
        """Drops all memory of a path: the next file seen there is a new one."""
        self._known.pop(path, None)
        if path in self._pending:
            self._remove(path)

    def wait(self, path: str, now: float, seconds: float) -> None:
        """Releases the path once more after `seconds`, unchanged or not. A running quiet time goes on as it is."""
        self._again(path, now + seconds)

    def incomplete(self, path: str, now: float) -> None:
        """The file was found unfinished: release it when it has changed, or as `patient` after the long silence."""
        self._again(path, now + self._patience, patient=True)

    def lengthen(self, path: str, now: float) -> None:
        """The file ends in zeros: release it as `lengthened` after some more quiet times, if it stays unchanged."""
        self._again(path, now + self._quiet * LENGTHENED_QUIET, lengthened=True)

    def due(self, now: float, limit: int | None = None) -> list[Quiet]:
        """Releases the paths (at most `limit`) that are quiet at `now`; from here on they are known."""
        released: list[Quiet] = []
        while (limit is None or len(released) < limit) and (next_due := self.next_due()) is not None:
            if next_due > now:
                break
            path = self._heap[0][2]
            pending = self._remove(path)
            if pending.signature is not None:
                self._known[path] = pending.signature
            released.append(Quiet(path, pending.signature, pending.inode, pending.patient, pending.lengthened))
        return released

    def next_due(self) -> float | None:
        """When the next path will be quiet, or None."""
        while self._heap:
            due, ticket, path = self._heap[0]
            pending = self._pending.get(path)
            if pending is not None and pending.ticket == ticket:
                return due
            heapq.heappop(self._heap)
        return None

    def _again(self, path: str, due: float, *, patient: bool = False, lengthened: bool = False) -> None:
        pending = self._pending.get(path)
        if pending is not None and pending.fresh:
            return
        if pending is None:
            again = _Pending(self._known.pop(path, None), None, fresh=False)
        else:
            again = _Pending(pending.signature, pending.inode, fresh=False)
            self._remove(path)
        again.patient, again.lengthened = patient, lengthened
        self._add(path, again, due)

    def _add(self, path: str, pending: _Pending, due: float) -> None:
        self._tickets += 1
        pending.due, pending.ticket = due, self._tickets
        self._pending[path] = pending
        self._unsettled += pending.settling
        heapq.heappush(self._heap, (due, pending.ticket, path))
        # A file that grows for hours leaves an entry behind for each change seen: sweep them out now and then.
        if len(self._heap) > 2 * len(self._pending) + 64:
            self._heap = [(entry.due, entry.ticket, name) for name, entry in self._pending.items()]
            heapq.heapify(self._heap)

    def _remove(self, path: str) -> _Pending:
        pending = self._pending.pop(path)
        self._unsettled -= pending.settling
        return pending
