"""How an inbox is watched, by events or by polling, and whether the events can be believed. One thread only.

The proof of blindness is a file that a full look finds though no event told of it. Not every such file is one: what was
there before the watch, what came with a folder that is new itself, and what is still on its way do not count.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass

from colorwatch.disk.beneath import folder_beneath, stat_at
from colorwatch.errors import explain_os_error
from colorwatch.folders.messages import Blind, FolderSettings, Message, Watching
from colorwatch.scan import printable
from colorwatch.watching import mounts
from colorwatch.watching.watch import Watch

GRACE_SECONDS = 5.0  # an event may come this much later than its file is seen
LONGEST_GRACE_SECONDS = 60.0  # and this much while others are still on their way
PROOF_SECONDS = 86_400.0  # a second proof within this time, and the inbox is polled
RETRY_SECONDS = 3600.0  # how long until events are tried again
CANARY = ".colorwatch-canary"  # the dot makes it litter, for us and for most others
CANARY_EVERY_SECONDS = 60.0
CANARY_SECONDS = 10.0  # how late its event may come
WALKING_SHARE = 0.1  # of the time that looking may take
GLANCING_SHARE = 0.75  # of that, where glances come between full looks

_EVENTS, _POLLING = "events", "polling"


@dataclass(frozen=True, slots=True)
class Root:
    """The folder that an inbox's path leads to now: device, inode, number of its mount, and its path without links."""

    device: int
    inode: int
    mount: int | None
    path: str

    @classmethod
    def of(cls, descriptor: int) -> Root:
        """Of an open folder; without a path where the system does not tell."""
        found, path = os.fstat(descriptor), ""
        with contextlib.suppress(OSError):
            path = os.readlink(f"/proc/self/fd/{descriptor}")
        return cls(found.st_dev, found.st_ino, mounts.number_of(descriptor), path)

    def same_folder(self, other: Root | None) -> bool:
        return other is not None and (self.device, self.inode) == (other.device, other.inode)


class Lookout:
    """Watches one inbox. `attend` is called every few seconds, the others as things are seen and heard."""

    def __init__(
        self,
        settings: FolderSettings,
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
        self._root: Root | None = None
        self._watch: Watch | None = None
        self._overflows = self._overflows_of_watch = 0
        self._retry = math.inf  # when events are tried again
        self._proofs: list[float] = []
        self._stale = False
        self._next_canary = self._canary_due = math.inf
        self._trusted: set[str] = set()  # the folders that the last full look went through
        self._listed: set[str] = set()  # those of the look that goes on
        self._stirred: set[str] = set()  # folders that came or went since that look began
        self._stirred_before: set[str] = set()  # and since the one before
        self._suspects: dict[str, float] = {}  # what no event told of -> since when; folders end in a slash

    # --- the watch ------------------------------------------------------------------------------------------------

    @property
    def polling(self) -> bool:
        return self._watch is None

    def seconds_between_looks(self, walked: float, *, glance: bool = False) -> float:
        """From the end of a look that took `walked` seconds to the beginning of the next of its kind."""
        settings = self._settings
        if not self.polling:
            return max(settings.rescan_seconds, walked * (1 / WALKING_SHARE - 1))
        share = WALKING_SHARE * (GLANCING_SHARE if glance else 1 - GLANCING_SHARE)
        return max(min(settings.poll_seconds, settings.rescan_seconds), walked * (1 / share - 1))

    def lost_root(self) -> bool:
        """Whether the folder that was watched is gone, even if another one of the same inode has its place."""
        return self._watch is not None and self._watch.lost_root()

    def attend(self, root: Root) -> bool:
        """Sees to it that `root` is watched; true where something may go unseen without a full look now."""
        now = self._clock()
        if root != self._root:
            self._root = root
            self._proofs = []
            self._begin()
        elif self._stale or now >= self._retry or self.lost_root():
            self._begin()
        elif self._watch is not None and (fault := self._watch.fault()):
            self._go_blind(fault)
        elif missed := self._missed(now):
            self._go_blind(missed)
        else:
            self._count_overflows()
            self._send_canary(now)
            return False
        return True

    def close(self) -> None:
        """Nothing is watched until the next `attend`."""
        self._root = None
        self._stop()

    def _begin(self) -> None:
        """Watches anew, in the way that the config and the filesystem call for."""
        self._stop()
        self._stale, self._retry = False, math.inf
        self._forget_looks()
        polling, reason = self._choose()
        if not polling:
            watch = Watch(self._settings.inbox, self._settings.recursive, self._on_path, self._on_folder)
            try:
                watch.start()
            except (OSError, RuntimeError) as error:  # RuntimeError: no more threads
                watch.stop()
                gone = isinstance(error, FileNotFoundError)
                self._retry = self._clock() + (0.0 if gone else RETRY_SECONDS)
                again = "they are tried again" + ("" if gone else " in an hour")
                polling, reason = True, f"events cannot be had: {_why_not(error)}; {again}"
            else:
                self._watch = watch
                self._overflows_of_watch = 0
                self._next_canary = self._clock() if self._settings.canary else math.inf
        self._tell(Watching(self._settings.name, _POLLING if polling else _EVENTS, reason))

    def _choose(self) -> tuple[bool, str]:
        """Whether to poll, and why."""
        if self._settings.watch != "auto":
            return self._settings.watch == "poll", "the config says so"
        root, found = self._root, mounts.table()
        mount = mounts.of_number(found, root.mount) if root is not None else None
        if root is None or mount is None:
            return False, "its filesystem is not known"
        if mount.shared:
            return True, f"it is on {_kind(mount)}, where others can change files unheard"
        for inner in found:
            if inner.shared and inner.beneath(root.path) and self._settings.recursive:
                return True, f"its folder {printable(inner.point)} is on {_kind(inner)}"
        return False, f"it is on a disk of this machine ({printable(mount.kind)})"

    def _stop(self) -> None:
        self._next_canary = self._canary_due = math.inf
        if self._watch is not None:
            watch, self._watch = self._watch, None
            watch.stop()

    def _go_blind(self, why: str) -> None:
        """Events did not come: watch anew, and after a second time poll for a while."""
        now, name = self._clock(), self._settings.name
        self._tell(Blind(name, why))
        self._proofs = [*(proof for proof in self._proofs if proof > now - PROOF_SECONDS), now]
        if len(self._proofs) < 2:
            self._begin()
            return
        self._proofs = self._proofs[-1:]
        self._stop()
        self._forget_looks()
        self._retry = now + RETRY_SECONDS
        self._tell(Watching(name, _POLLING, f"events failed again ({why}); they are tried again in an hour"))

    def _count_overflows(self) -> None:
        watch = self._watch
        if watch is not None and (new := watch.overflows - self._overflows_of_watch):
            self._overflows_of_watch += new
            self._overflows += new
            times = f"{self._overflows} times so far" if self._overflows > 1 else "for the first time"
            self._tell(Blind(self._settings.name, f"too much happened at once to be told one by one, {times}"))

    # --- what is heard and seen -----------------------------------------------------------------------------------

    def heard(self, path: str, *, is_folder: bool) -> None:
        """An event told of this path; "" for the whole inbox."""
        self._suspects.pop(path, None)
        if path == "":
            self._forget_looks()
        elif path == CANARY:
            self._canary_due = math.inf
        elif is_folder:
            self._stirred.add(path)

    def look_begins(self) -> None:
        self._listed, self._stirred_before, self._stirred = {""}, self._stirred, set()

    def listed(self, folder: str) -> None:
        """This look goes through the folder `folder`."""
        self._listed.add(folder)

    def found(self, path: str) -> None:
        """This look has found a file of which nothing was known."""
        if self._watch is not None and os.path.dirname(path) in self._trusted:
            self._suspects.setdefault(path, self._clock())

    def look_ends(self, *, disks_changed: bool) -> None:
        """`disks_changed`: other disks are mounted below the inbox than in the last look."""
        self._stale = self._stale or disks_changed
        self._trusted = self._listed
        if self._watch is not None and self._settings.recursive:
            for folder in self._listed:
                if folder and not self._watch.covers(folder):
                    self._suspects.setdefault(os.path.join(folder, ""), self._clock())

    def _forget_looks(self) -> None:
        """What the next look finds proves nothing: it may be older than the watch, or lost with an overflow."""
        self._trusted, self._listed = set(), set()
        self._stirred, self._stirred_before = set(), set()
        self._suspects = {}

    def _missed(self, now: float) -> str:
        """What has proven that events do not arrive; "" as long as nothing has."""
        watch = self._watch
        if watch is None:
            return ""
        overdue = [path for path, since in self._suspects.items() if now >= since + GRACE_SECONDS]
        late = now >= min((self._suspects[path] for path in overdue), default=math.inf) + LONGEST_GRACE_SECONDS
        if overdue and (late or watch.drained()):
            for path in overdue:
                del self._suspects[path]
                if path.endswith("/"):
                    if not watch.covers(path[:-1]) and self._is_folder(path[:-1]):
                        return f"the folder {printable(path[:-1])} is not watched: {_LIMIT}"
                elif not self._was_stirred(path):
                    return f"no event told of {printable(path)}"
        if now >= self._canary_due and (watch.drained() or now >= self._canary_due + LONGEST_GRACE_SECONDS):
            self._canary_due = math.inf
            return "no event told of the canary file"
        return ""

    def _was_stirred(self, path: str) -> bool:
        """Whether one of the folders around it came or went: then a file in it may come without an event of its own."""
        while path := os.path.dirname(path):
            if path in self._stirred or path in self._stirred_before:
                return True
        return False

    def _is_folder(self, path: str) -> bool:
        """Whether it is one that we may look into: of another one no watch can be expected."""
        try:
            with folder_beneath(self._settings.inbox, path):
                return True
        except OSError:
            return False

    # --- the canary -----------------------------------------------------------------------------------------------

    def _send_canary(self, now: float) -> None:
        """Makes a file, to see whether its event arrives. Where nothing may be written there is no canary."""
        if now < self._next_canary or self._canary_due < math.inf:
            return
        self._next_canary = now + CANARY_EVERY_SECONDS
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with contextlib.suppress(OSError), folder_beneath(self._settings.inbox, "") as folder:
            left = stat_at(folder, CANARY)
            if left is not None and stat.S_ISREG(left.st_mode) and left.st_size == 0:  # of a daemon that was killed
                os.unlink(CANARY, dir_fd=folder)
            os.close(os.open(CANARY, flags, 0o600, dir_fd=folder))
            self._canary_due = now + CANARY_SECONDS
            os.unlink(CANARY, dir_fd=folder)


_LIMIT = "the system may be at its limit of watches (fs.inotify.max_user_watches)"


def _why_not(error: OSError | RuntimeError) -> str:
    if isinstance(error, RuntimeError):
        return "the system is at its limit of threads"
    if error.errno == errno.ENOSPC:
        return "the system is at its limit of watches (fs.inotify.max_user_watches)"
    if error.errno == errno.EMFILE:
        return "the system is at its limit of watchers (fs.inotify.max_user_instances)"
    return explain_os_error(error)


def _kind(mount: mounts.Mount) -> str:
    return f"a share or the like ({printable(mount.kind)})"
