"""What is noticed in an inbox: events, a full look now and then, and which files have settled. One thread only.

Events are hints, and the full look covers what they miss; both only say where to look. Where there are no events, the
full look comes every few seconds: that is all that polling is. Long looks are worked off in slices, so that the thread
can do other things in between.
"""

from __future__ import annotations

import errno
import math
import os
import shlex
import stat
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping

from colorwatch.disk.asides import is_litter_but_no_aside, job_of
from colorwatch.disk.beneath import names, open_beneath, stat_beneath, walk
from colorwatch.errors import explain_os_error
from colorwatch.faultpoint import reach
from colorwatch.folders.messages import (
    AsideFound,
    FolderSettings,
    Ignored,
    Message,
    Reachable,
    Rescanned,
    Settled,
    Trouble,
    Unreachable,
    Vanished,
)
from colorwatch.scan import Fingerprint, printable
from colorwatch.watching.disks import Disks
from colorwatch.watching.doubts import Doubts
from colorwatch.watching.litter import is_litter, why_ignored
from colorwatch.watching.lookout import Lookout, Root
from colorwatch.watching.settle import Quiet, Seen, Settler

SLICE = 256  # entries looked at in one turn
SLICE_SECONDS = 0.1  # a slow share has fewer in the same time
CHECK_SECONDS = 2.0  # how often root and watch are checked; also how soon a path that failed is looked at again
SHORTEST_CHECK_SECONDS = 0.1


class Inbox:
    """One inbox, seen from its folder's thread: `turn` looks at a slice of what is to be looked at, and tells.

    `on_path` and `on_folder` are called from the watch's threads; what they get comes back by `hint`.
    """

    def __init__(
        self,
        settings: FolderSettings,
        known: Mapping[str, int],
        tell: Callable[[Message], None],
        on_path: Callable[[str], None],
        on_folder: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._tell = tell
        self._clock = clock
        self._lookout = Lookout(settings, tell, on_path, on_folder, clock)
        self._settler = Settler(settings.settle_seconds, settings.incomplete_seconds, known)
        self._hints: dict[str, bool] = {}  # path -> whether it was said to be a folder
        self._walks: deque[Generator[None, None, None]] = deque()
        self._rescanning = self._rescan_again = False
        self._next_rescan = self._next_check = clock()
        self._next_glance = math.inf
        self._walked = 0.0  # seconds of walking that this look has taken so far
        self._glanced = 0.0  # and that the last glance took
        self._root: Root | None = None  # the folder that is looked at, None while there is none
        self._disks = Disks()
        self._doubts = Doubts()
        self._unreachable = False
        self._ignored: dict[str, str] = {}
        self._troubles: set[tuple[str, int | None]] = set()
        self._earlier_troubles: set[tuple[str, int | None]] = set()

    # --- for the folder's thread ----------------------------------------------------------------------------------

    def hint(self, path: str, *, is_folder: bool = False) -> None:
        """Something may have happened at `path`; "" stands for the inbox itself."""
        self._hints[path] = self._hints.get(path, False) or is_folder
        self._lookout.heard(path, is_folder=is_folder)

    def turn(self) -> None:
        """Looks at a slice of everything that waits to be looked at."""
        if self._clock() >= self._next_check:
            self._check()
        self._look_at_hints()
        self._walk_on()
        self._release()

    def seconds_to_wait(self) -> float:
        """How long nothing is to be done, if no hint comes."""
        if self._hints or self._walks:
            return 0.0
        due = self._settler.next_due() if self._root is not None else None
        return max(0.0, min(self._next_check, math.inf if due is None else due) - self._clock())

    def unsettled(self) -> int:
        """How much is under way here; files that wait for long do not count."""
        if self._root is None:
            return 0  # nothing can be looked at until the inbox is back
        return self._settler.unsettled + len(self._hints) + len(self._walks)

    def close(self) -> None:
        self._lookout.close()
        self._close_walks()

    def wait(self, path: str, seconds: float) -> None:
        self._settler.wait(path, self._clock(), seconds)

    def incomplete(self, path: str) -> None:
        self._settler.incomplete(path, self._clock())

    def lengthen(self, path: str) -> None:
        self._settler.lengthen(path, self._clock())

    def forget(self, path: str) -> None:
        """What lies there now is new, if anything does."""
        self._settler.forget(path)
        self.hint(path)

    # --- the root and its watch -----------------------------------------------------------------------------------

    def _check(self) -> None:
        """Is the inbox there, is it the one that is watched, is it time for a full look?"""
        self._next_check = self._clock() + CHECK_SECONDS
        try:
            descriptor = open_beneath(self._settings.inbox, "")
        except OSError as error:
            self._lose_root(error)
            return
        root = Root.of(descriptor)
        os.close(descriptor)
        if not root.same_folder(self._root) or self._lookout.lost_root():
            self._disks.forget()
            self._doubts.begin(self._settler.paths())
        self._root = root
        if self._lookout.attend(root):
            self._want_rescan()
        if self._unreachable:
            self._unreachable = False
            self._tell(Reachable(self._settings.name))
        if self._clock() >= self._next_rescan:
            self._next_rescan = math.inf
            self._rescanning = True
            self._walks.append(self._rescan())
        elif self._lookout.polling and not self._rescanning and self._clock() >= self._next_glance:
            self._next_glance = math.inf
            self._walks.append(self._glance())
        self._check_by(min(self._next_rescan, self._next_glance))

    def _lose_root(self, error: OSError) -> None:
        self._lookout.close()
        self._root = None
        self._hints.clear()
        self._close_walks()
        self._next_rescan = self._clock()
        self._next_check = self._clock() + min(CHECK_SECONDS, self._settings.rescan_seconds)
        if not self._unreachable:
            self._unreachable = True
            self._tell(Unreachable(self._settings.name, self._why_unreachable(error)))

    def _why_unreachable(self, error: OSError) -> str:
        if error.errno != errno.ENOENT:
            return explain_os_error(error)
        shown = printable(self._settings.inbox)
        return f"there is no folder {shown}; mount its disk, or make it with: mkdir -p {shlex.quote(shown)}"

    def _check_by(self, when: float) -> None:
        self._next_check = min(self._next_check, max(when, self._clock() + SHORTEST_CHECK_SECONDS))

    def _want_rescan(self) -> None:
        if self._rescanning:
            self._rescan_again = True
        else:
            self._next_rescan = self._clock()
        self._check_by(0.0)

    def _close_walks(self) -> None:
        while self._walks:
            self._walks.popleft().close()
        self._rescanning = self._rescan_again = False

    # --- looking --------------------------------------------------------------------------------------------------

    def _look_at_hints(self) -> None:
        for path in list(self._hints)[:SLICE]:
            is_folder = self._hints.pop(path)
            if path == "":
                self._want_rescan()
            elif self._counts(path):
                found = self._look(path)
                if is_folder and self._settings.recursive and found is not None and stat.S_ISDIR(found.st_mode):
                    self._walks.appendleft(self._walk_below(path))

    def _counts(self, path: str) -> bool:
        parts = path.split("/")
        return (self._settings.recursive or len(parts) == 1) and not any(is_litter(part) for part in parts)

    def _look(self, path: str) -> os.stat_result | None:
        """Looks at one path and remembers what it saw there."""
        try:
            found = stat_beneath(self._settings.inbox, path)
            if found is None:
                self._vanished(path)
        except OSError as error:
            self._failed_look(path, error)
            return None
        if found is not None:
            self._see(path, found)
        return found

    def absence_counts(self, path: str) -> bool:
        """Whether it means something that nothing is at `path`. Raises OSError.

        In an inbox that is not the one that was looked at (one that is not mounted, say) it means nothing.
        """
        top, root = os.stat(self._settings.inbox), self._root
        return root is not None and (top.st_dev, top.st_ino) == (root.device, root.inode) and path not in self._doubts

    def _vanished(self, path: str) -> None:
        if self.absence_counts(path):
            self._settler.forget(path)
            self._ignored.pop(path, None)
            self._tell(Vanished(self._settings.name, path))

    def _see(self, path: str, found: os.stat_result) -> Seen | None:
        """Takes note of what stands at a path; None for what cannot be a scan."""
        if stat.S_ISREG(found.st_mode):
            if self._ignored:
                self._ignored.pop(path, None)
            reach("detect")
            seen = self._settler.observe(path, found.st_size, found.st_mtime_ns, found.st_ino, self._clock())
            if self._doubts:
                self._doubts.saw(path, unchanged=seen is Seen.SAME)
            return seen
        self._settler.forget(path)
        why = why_ignored(path, found.st_mode, recursive=self._settings.recursive)
        if why and self._ignored.get(path) != why:
            self._ignored[path] = why
            self._tell(Ignored(self._settings.name, path, why))
        return None

    def _failed_look(self, path: str, error: OSError) -> None:
        self._check()
        if self._root is not None:  # else it was not the path's fault
            self._trouble(path, error)

    def _trouble(self, path: str, error: OSError) -> None:
        """Told once, until a full look has passed without it."""
        key = (path, error.errno)
        if key not in self._troubles and key not in self._earlier_troubles:
            text = f"{printable(path) or 'the inbox'} cannot be looked at: {explain_os_error(error)}"
            self._tell(Trouble(self._settings.name, None, "look", error.errno or 0, text))
        self._troubles.add(key)

    # --- slices ---------------------------------------------------------------------------------------------------

    def _walk_on(self) -> None:
        began = self._clock()
        for _ in range(SLICE):
            if not self._walks or self._clock() > began + SLICE_SECONDS:
                break
            walk_on = self._walks.popleft()
            try:
                next(walk_on)
            except StopIteration:
                continue
            except OSError as error:
                self._lose_root(error)
                return
            if self._root is None:  # lost on the way
                walk_on.close()
                return
            self._walks.appendleft(walk_on)
        self._walked += self._clock() - began

    def _walk_below(self, path: str) -> Generator[None, None, None]:
        for below, found in self._entries(path):
            self._see(below, found)
            yield

    def _rescan(self) -> Generator[None, None, None]:
        """A full look at the inbox."""
        self._earlier_troubles, self._troubles = self._troubles, set()
        self._walked = 0.0
        self._lookout.look_begins()
        reach("rescan")
        files = 0
        self._disks.look_begins(self._root.device if self._root is not None else 0)
        for path, found in self._entries("", skip=is_litter_but_no_aside):
            if (job_id := job_of(os.path.basename(path))) is not None:
                self._tell(AsideFound(self._settings.name, job_id))
                yield
                continue
            if stat.S_ISDIR(found.st_mode) and self._settings.recursive:
                self._lookout.listed(path)
                if self._disks.saw(path, found.st_dev):  # what was there until now may be on the other disk
                    self._doubts.begin(self._settler.paths(), below=path)
            seen = self._see(path, found)
            files += seen is not None
            if seen is Seen.NEW and path not in self._hints:
                self._lookout.found(path)
            yield
        self._lookout.look_ends(disks_changed=self._disks.look_ends())
        # More remembered than seen: some went unnoticed. An empty inbox tells nothing: its disk may not be mounted.
        if 0 < files < len(self._settler) - len(self._doubts):
            yield from self._look_for_the_missing()
        self._rescanning = False
        pause = self._lookout.seconds_between_looks(self._walked)
        self._next_rescan = self._clock() + (0.0 if self._rescan_again else pause)
        self._rescan_again = False
        self._want_glance()
        self._check_by(self._next_rescan)
        self._tell(Rescanned(self._settings.name, files, self._settler.unsettled))

    def _glance(self) -> Generator[None, None, None]:
        """Between full looks, where an inbox is polled: a look at the names alone finds what is new."""
        self._walked = 0.0
        settings, remembers = self._settings, self._settler.remembers
        for path, is_folder in names(settings.inbox, recursive=settings.recursive, skip=is_litter):
            if not is_folder and not remembers(path) and self._counts(path):
                self._look(path)
            yield
        self._glanced = self._walked
        self._want_glance()

    def _want_glance(self) -> None:
        """The next glance in good time, unless a full look comes before it."""
        when = self._clock() + self._lookout.seconds_between_looks(self._glanced, glance=True)
        self._next_glance = when if self._lookout.polling and when < self._next_rescan else math.inf
        self._check_by(self._next_glance)

    def _look_for_the_missing(self) -> Generator[None, None, None]:
        """Looks at each path that is remembered and that another walk does not find."""
        found = set()
        for path, _ in self._entries(""):
            found.add(path)
            yield
        closed = {path for path, _ in self._troubles}  # what is in these folders cannot be seen now
        for path in self._settler.paths():
            if path in found or path in self._doubts or any(folder in closed for folder in _around(path)):
                continue
            if self._counts(path):
                self._look(path)
            else:
                self._settler.forget(path)
            yield

    def _entries(self, start: str, skip: Callable[[str], bool] = is_litter) -> Iterator[tuple[str, os.stat_result]]:
        settings = self._settings
        return walk(settings.inbox, start, recursive=settings.recursive, skip=skip, trouble=self._trouble)

    def _release(self) -> None:
        """Tells which files have settled, after one more look at each."""
        now = self._clock()
        for _ in range(SLICE):
            quiet = self._settler.due(now, 1) if self._root is not None else []
            if not quiet:
                return
            try:
                self._release_one(quiet[0])
            except BaseException:
                self._settler.wait(quiet[0].path, now, CHECK_SECONDS)  # told or not: better twice than never
                raise

    def _release_one(self, quiet: Quiet) -> None:
        path, settler = quiet.path, self._settler
        try:
            found = stat_beneath(self._settings.inbox, path)
            if found is None:
                settler.wait(path, self._clock(), CHECK_SECONDS)
                self._vanished(path)
        except OSError as error:
            settler.wait(path, self._clock(), CHECK_SECONDS)
            self._failed_look(path, error)
            return
        if found is None:
            return
        if stat.S_ISREG(found.st_mode) and quiet.matches(found.st_size, found.st_mtime_ns, found.st_ino):
            fingerprint = Fingerprint.of(found)
            reach("settled")
            self._tell(Settled(self._settings.name, path, fingerprint, quiet.patient, quiet.lengthened))
        else:
            settler.forget(path)
            self._see(path, found)


def _around(path: str) -> Iterator[str]:
    """The folders around a path, the inbox itself ("") left out."""
    while path := os.path.dirname(path):
        yield path
