"""A folder under watch: every event means only "look at this path". A thin layer over watchdog.

What is not watched for: writes by themselves (a file is looked at again before it is released, so they change nothing
but the load) and reads (those would be our own).
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import termios
import threading
import warnings
from collections.abc import Callable
from typing import Any

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyObserver

_EVENTS: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileMovedEvent,
    FileClosedEvent,
    FileDeletedEvent,
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
]

STOP_SECONDS = 3.0  # how long a watch may take to end


class Watch:
    """Watches `root` from `start` to `stop`, once.

    `on_path` gets the paths of files, `on_folder` those of folders, relative to the root; "" is the root itself, and
    says that anything below may have changed unseen. Both are called from another thread and must only note the path.
    """

    def __init__(
        self, root: str, recursive: bool, on_path: Callable[[str], None], on_folder: Callable[[str], None]
    ) -> None:
        # Watched as it stands, a link would give no event, and no error either.
        self._root = os.path.realpath(root)
        self._recursive = recursive
        self._handler = _Notes(self._root, on_path, on_folder)
        self._observer: BaseObserver | None = None
        self._on_folder = on_folder
        self.overflows = 0  # how often events were lost because there were too many

    def start(self) -> None:
        """Raises OSError: the root is missing or unreadable, or the system's inotify limits are reached."""
        # A folder that appears while it is being walked is registered twice. watchdog warns, though nothing is wrong;
        # under `-W error` that warning would end its reading thread.
        warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning)
        self._observer = InotifyObserver()
        self._observer.schedule(self._handler, self._root, recursive=self._recursive, event_filter=_EVENTS)
        self._observer.start()
        _overflow.pass_on_to(self)

    def stop(self) -> None:
        """Also after a `start` that failed."""
        _overflow.no_longer_to(self)
        if self._observer is None:
            return
        if self._channel_closed():
            # watchdog cannot end without one: put another in its place. Without a free one its threads stay, idle.
            try:
                self._reader()._inotify_fd = self._reader()._create_inotify_fd()
            except OSError:
                return
        # In a thread of its own: watchdog's reader may hang in a channel that is not its own any more, and waits for
        # it without end. It is left behind then; the folder's thread has scans to look after.
        ending = threading.Thread(target=self._end, args=(self._observer,), name="watch ends", daemon=True)
        ending.start()
        ending.join(STOP_SECONDS)

    @staticmethod
    def _end(observer: BaseObserver) -> None:
        observer.stop()
        if observer.is_alive():
            observer.join()

    def fault(self) -> str:
        """Why no event can arrive any more, as a part of a sentence; "" while nothing is known to be wrong.

        For good: a watch that has failed is replaced, not mended.
        """
        observer = self._observer
        if observer is None or not observer.is_alive():
            return "the thread that passes events on has ended"
        if self.lost_root():
            return "the folder that was watched is gone"
        if not observer.emitters or not all(emitter.is_alive() for emitter in observer.emitters):
            return "the thread that sorts events has ended"
        reader = self._reader()
        if reader is not None and not reader.is_alive():
            return "the thread that reads events has ended"
        return "the channel for events was closed" if self._channel_closed() else ""

    def lost_root(self) -> bool:
        """Whether the folder itself was deleted, or its disk unmounted: what stands there now is another one."""
        reader = self._reader()
        if self._observer is None or (reader is not None and not reader.is_alive()):
            return False
        return any(not emitter.should_keep_running() for emitter in self._observer.emitters) or not self.covers("")

    def covers(self, folder: str) -> bool:
        """Whether events of what is directly in `folder` ("" for the root) can arrive; true where that is not known.

        watchdog passes over folders that it cannot watch, such as those beyond the system's limit, without a word.
        """
        path = os.fsencode(os.path.join(self._root, folder).rstrip("/") or "/")
        return all(_watches(group, path) for group in self._groups())

    def drained(self) -> bool:
        """Whether no event is on its way, as far as can be seen."""
        observer = self._observer
        if observer is None or not observer.event_queue.empty():
            return False
        if any(_inside(group, "_move_event_grouper", "_queue", "_queue") for group in self._groups()):
            return False
        waiting = bytearray(4)
        with contextlib.suppress(OSError):  # what is wrong with the channel, `fault` tells
            fcntl.ioctl(self._channel(), termios.FIONREAD, waiting)
        return not any(waiting)

    def lost_events(self) -> None:
        self.overflows += 1
        self._on_folder("")

    def is_read_by(self, thread: threading.Thread) -> bool:
        return self._reader() is thread

    def _reader(self) -> Any:
        return _inside(self._observer, "_inotify_fd")

    def _groups(self) -> list[Any]:
        emitters = self._observer.emitters if self._observer is not None else ()
        groups = [_inside(emitter, "_inotify") for emitter in emitters]
        return [group for group in groups if group is not None]

    def _channel(self) -> int:
        found = _inside(self._reader(), "_inotify_fd")
        return -1 if found is None else int(found)

    def _channel_closed(self) -> bool:
        if self._channel() < 0:
            return False
        try:
            return "inotify" not in os.readlink(f"/proc/self/fd/{self._channel()}")
        except FileNotFoundError:
            return os.path.isdir("/proc/self/fd")
        except OSError:
            return False


def _inside(thing: object, *names: str) -> Any:
    """A part of watchdog that is not public, None where this version has no such part.

    Without a look inside, a watch that is blind looks well.
    """
    for name in names:
        thing = getattr(thing, name, None)
    return thing


def _watches(group: object, path: bytes) -> bool:
    watched, lock = _inside(group, "_active_callbacks_by_path"), _inside(group, "_lock")
    # It holds this lock while it makes a watch anew, when for a moment nothing is watched.
    if watched is None or lock is None or not lock.acquire(timeout=1.0):
        return True
    try:
        return bool(watched.get(path, -1) >= 0)  # -1 stands for one that may not be read
    finally:
        lock.release()


class _Notes(FileSystemEventHandler):
    def __init__(self, root: str, on_path: Callable[[str], None], on_folder: Callable[[str], None]) -> None:
        self._root = root
        self._below = os.path.join(root, "")
        self._on_path = on_path
        self._on_folder = on_folder

    def dispatch(self, event: FileSystemEvent) -> None:
        note = self._on_folder if event.is_directory else self._on_path
        for path in (event.src_path, event.dest_path):
            name = os.fsdecode(path)
            if name == self._root:
                self._on_folder("")
            elif name.startswith(self._below):
                note(name[len(self._below) :])


class _Overflow(logging.Handler):
    """watchdog tells of lost events only in its log: pass it on, every watch may have lost some."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._watches: frozenset[Watch] = frozenset()

    def pass_on_to(self, watch: Watch) -> None:
        with self.lock or contextlib.nullcontext():
            self._watches |= {watch}

    def no_longer_to(self, watch: Watch) -> None:
        with self.lock or contextlib.nullcontext():
            self._watches -= {watch}

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if "overflow" in message and "reconciling" not in message:
            # It is logged by the thread that reads for one watch; where that is not so, any may have lost some.
            reader = threading.current_thread()
            for watch in [watch for watch in self._watches if watch.is_read_by(reader)] or self._watches:
                watch.lost_events()


class _Chatter(logging.Filter):
    """Drops what watchdog says of events that come in while a watch is being stopped: nobody waits for them."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "when the thread is inactive" not in record.getMessage()


logging.getLogger("watchdog.observers.inotify").addFilter(_Chatter())
_overflow = _Overflow()
logging.getLogger("watchdog.observers.inotify_c").addHandler(_overflow)
