"""A folder under watch: every event means only "look at this path". A thin layer over watchdog.

What is not watched for: writes by themselves (a file is looked at again before it is released, so they change nothing
but the load) and reads (those would be our own).
"""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Callable

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
        self._observer.stop()
        if self._observer.is_alive():
            self._observer.join()

    def healthy(self) -> bool:
        """Whether events can still arrive. False for good once the root was deleted or a thread has died."""
        observer = self._observer
        reader = getattr(observer, "_inotify_fd", None)  # not public, but without it nothing is read
        return (
            observer is not None
            and observer.is_alive()
            and bool(observer.emitters)
            and all(emitter.is_alive() for emitter in observer.emitters)
            and (reader is None or bool(reader.is_alive()))
        )

    def lost_events(self) -> None:
        self._on_folder("")


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
        if "overflow" in record.getMessage():
            for watch in self._watches:
                watch.lost_events()


class _Chatter(logging.Filter):
    """Drops what watchdog says of events that come in while a watch is being stopped: nobody waits for them."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "when the thread is inactive" not in record.getMessage()


logging.getLogger("watchdog.observers.inotify").addFilter(_Chatter())
_overflow = _Overflow()
logging.getLogger("watchdog.observers.inotify_c").addHandler(_overflow)
