"""The gallery's small files: read with suspicion, for they lie where people work, and replaced in one step."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import Any

from colorwatch.disk.beneath import folder_beneath, stat_at
from colorwatch.disk.names import GALLERY as FOLDER
from colorwatch.disk.ownership import Ownership
from colorwatch.gallery.entry import content_of, script

_MOST_BYTES = 32 << 20  # of a chunk or an index that is read back


class Files:
    """What lies below the gallery's folder of an outbox, by the folder and the name in there."""

    def __init__(self, outbox: str, ownership: Ownership) -> None:
        self._outbox = outbox
        self._ownership = ownership

    @contextlib.contextmanager
    def folder(self, below: str) -> Iterator[int]:
        """A folder of the gallery as a descriptor, made where it is missing. Raises OSError."""
        with folder_beneath(self._outbox, _path(below), create=True, finish=self._ownership.folder) as folder:
            yield folder

    def text(self, below: str, name: str) -> str | None:
        """What a regular file of a bearable size says, or None."""
        try:
            with folder_beneath(self._outbox, _path(below)) as folder:
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                descriptor = os.open(name, flags, dir_fd=folder)
            with open(descriptor, encoding="utf-8", errors="replace") as file:
                found = os.fstat(descriptor)
                return file.read() if stat.S_ISREG(found.st_mode) and found.st_size <= _MOST_BYTES else None
        except OSError:
            return None

    def read(self, below: str, name: str, call: str) -> Any:
        """What `write` wrote; None for anything else."""
        text = self.text(below, name)
        try:
            return None if text is None else content_of(text, call)
        except (ValueError, RecursionError):
            return None

    def write(self, below: str, name: str, call: str, content: object) -> int:
        """Replaces a file by a script that calls `call` with `content`; its size in bytes. Raises OSError."""
        return self.put(below, name, script(call, content))

    def put(self, below: str, name: str, text: str) -> int:
        """Replaces a file by `text` in one step; its size in bytes. Raises OSError."""
        temp = f".{name}.part"
        with self.folder(below) as folder:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temp, dir_fd=folder)
            new = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(temp, new, 0o666, dir_fd=folder), "wb") as file:
                size = file.write(text.encode())
            self._ownership.file(folder, temp, folder)
            os.rename(temp, name, src_dir_fd=folder, dst_dir_fd=folder)
        return size

    def remove(self, below: str, name: str) -> None:
        """Removes a file, if it is there. Raises OSError."""
        with contextlib.suppress(FileNotFoundError), folder_beneath(self._outbox, _path(below)) as folder:
            os.unlink(name, dir_fd=folder)

    def sizes(self, below: str) -> dict[str, int]:
        """The numbered scripts of a folder and their sizes in bytes; none where it is missing. Raises OSError."""
        found = {}
        with contextlib.suppress(FileNotFoundError), folder_beneath(self._outbox, _path(below)) as folder:
            for name in os.listdir(folder):
                if name.endswith(".js") and name[:-3].isdecimal() and name.isascii():
                    found[name] = os.stat(name, dir_fd=folder, follow_symlinks=False).st_size
        return found

    def identity(self, below: str, name: str) -> tuple[int, int] | None:
        """Inode and time of a file, by which a replaced or a removed one is noticed."""
        try:
            with folder_beneath(self._outbox, _path(below)) as folder:
                found = stat_at(folder, name)
        except OSError:
            return None
        return None if found is None else (found.st_ino, found.st_mtime_ns)


def _path(below: str) -> str:
    return os.path.join(FOLDER, below) if below else FOLDER
