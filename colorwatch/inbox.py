"""What is noticed in an inbox: events, a full look now and then, and which files have settled. One thread only.

Events are hints, and the full look covers what they miss; both only say where to look. Long looks are worked off in
slices, so that the thread can do other things in between.
"""

from __future__ import annotations

import math
import os
import stat
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping

from colorwatch.beneath import open_beneath, stat_beneath, walk
from colorwatch.errors import explain_os_error
from colorwatch.litter import is_litter, named_as_picture
from colorwatch.messages import (
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
from colorwatch.settle import Quiet, Settler
from colorwatch.watch import Watch

SLICE = 256  # entries looked at in one turn
CHECK_SECONDS = 5.0  # how often root and watch are checked; also how soon a path that failed is looked at again
SHORTEST_CHECK_SECONDS = 0.1

_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a named pipe (fifo)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISCHR, "a character device"),
)


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
        self._on_path = on_path
        self._on_folder = on_folder
        self._clock = clock
        self._settler = Settler(settings.settle_seconds, settings.incomplete_seconds, known)
        self._hints: dict[str, bool] = {}  # path -> whether it was said to be a folder
        self._walks: deque[Generator[None, None, None]] = deque()
        self._rescanning = self._rescan_again = False
        self._next_rescan = self._next_check = clock()
        self._watch: Watch | None = None
        self._root: tuple[int, int] | None = None  # device and inode of the inbox that is watched
        self._unreachable = False
        self._ignored: dict[str, str] = {}
        self._troubles: set[tuple[str, int | None]] = set()
        self._earlier_troubles: set[tuple[str, int | None]] = set()

    # --- for the folder's thread ----------------------------------------------------------------------------------

    def hint(self, path: str, *, is_folder: bool = False) -> None:
        """Something may have happened at `path`; "" stands for the inbox itself."""
        self._hints[path] = self._hints.get(path, False) or is_folder

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
        self._stop_watch()
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
        found = os.fstat(descriptor)
        os.close(descriptor)
        root = (found.st_dev, found.st_ino)
        if root != self._root or self._watch is None or not self._watch.healthy():
            self._start_watch(root)
        if self._unreachable:
            self._unreachable = False
            self._tell(Reachable(self._settings.name))
        if self._clock() >= self._next_rescan:
            self._next_rescan = math.inf
            self._rescanning = True
            self._walks.append(self._rescan())
        self._check_by(self._next_rescan)

    def _start_watch(self, root: tuple[int, int]) -> None:
        self._stop_watch()
        if root != self._root:
            self._root = root
            self._want_rescan()
        watch = Watch(self._settings.inbox, self._settings.recursive, self._on_path, self._on_folder)
        try:
            watch.start()
        except OSError as error:
            watch.stop()
            self._trouble("", error, "watch", "the inbox cannot be watched, and is only looked through now and then")
        else:
            self._watch = watch
            self._want_rescan()

    def _stop_watch(self) -> None:
        if self._watch is not None:
            watch, self._watch = self._watch, None
            watch.stop()

    def _lose_root(self, error: OSError) -> None:
        self._stop_watch()
        self._root = None
        self._hints.clear()
        self._close_walks()
        self._next_rescan = self._clock()
        self._next_check = self._clock() + min(CHECK_SECONDS, self._settings.rescan_seconds)
        if not self._unreachable:
            self._unreachable = True
            self._tell(Unreachable(self._settings.name, explain_os_error(error)))

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

    def _vanished(self, path: str) -> None:
        top = os.stat(self._settings.inbox)
        # In an inbox that is not the one that was watched (one that is not mounted, say) absence means nothing.
        if (top.st_dev, top.st_ino) == self._root:
            self._settler.forget(path)
            self._ignored.pop(path, None)
            self._tell(Vanished(self._settings.name, path))

    def _see(self, path: str, found: os.stat_result) -> bool:
        """Takes note of what stands at a path; true for a file that may be a scan."""
        if stat.S_ISREG(found.st_mode):
            self._ignored.pop(path, None)
            self._settler.observe(path, found.st_size, found.st_mtime_ns, found.st_ino, self._clock())
            return True
        self._settler.forget(path)
        why = self._why_ignored(path, found.st_mode)
        if why and self._ignored.get(path) != why:
            self._ignored[path] = why
            self._tell(Ignored(self._settings.name, path, why))
        return False

    def _why_ignored(self, path: str, mode: int) -> str:
        if stat.S_ISDIR(mode):
            inside = (
                "the scans inside it count as usual" if self._settings.recursive else "what is inside is not looked at"
            )
            return f"It is a folder with the name of a picture; {inside}." if named_as_picture(path) else ""
        kind = next((kind for test, kind in _KINDS if test(mode)), "not a regular file")
        return f"It is {kind}, not a file; put the picture itself into the inbox."

    def _failed_look(self, path: str, error: OSError) -> None:
        self._check()
        if self._root is not None:  # else it was not the path's fault
            self._trouble(path, error)

    def _trouble(self, path: str, error: OSError, step: str = "look", what: str = "") -> None:
        """Told once, until a full look has passed without it."""
        key = (path, error.errno)
        if key not in self._troubles and key not in self._earlier_troubles:
            what = what or f"{printable(path) or 'the inbox'} cannot be looked at"
            text = f"{what}: {explain_os_error(error)}"
            self._tell(Trouble(self._settings.name, None, step, error.errno or 0, text))
        self._troubles.add(key)

    # --- slices ---------------------------------------------------------------------------------------------------

    def _walk_on(self) -> None:
        for _ in range(SLICE):
            if not self._walks:
                return
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

    def _walk_below(self, path: str) -> Generator[None, None, None]:
        for below, found in self._entries(path):
            self._see(below, found)
            yield

    def _rescan(self) -> Generator[None, None, None]:
        """A full look at the inbox."""
        self._earlier_troubles, self._troubles = self._troubles, set()
        files = 0
        for path, found in self._entries(""):
            files += self._see(path, found)
            yield
        # More remembered than seen: some went unnoticed. An empty inbox tells nothing: its disk may not be mounted.
        if 0 < files < len(self._settler):
            for path in self._settler.paths():
                if self._counts(path):
                    self._look(path)
                else:
                    self._settler.forget(path)
                yield
        self._rescanning = False
        self._next_rescan = self._clock() + (0.0 if self._rescan_again else self._settings.rescan_seconds)
        self._rescan_again = False
        self._check_by(self._next_rescan)
        self._tell(Rescanned(self._settings.name, files, self._settler.unsettled))

    def _entries(self, start: str) -> Iterator[tuple[str, os.stat_result]]:
        settings = self._settings
        return walk(settings.inbox, start, recursive=settings.recursive, skip=is_litter, trouble=self._trouble)

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
            self._tell(Settled(self._settings.name, path, fingerprint, quiet.patient, quiet.lengthened))
        else:
            settler.forget(path)
            self._see(path, found)
