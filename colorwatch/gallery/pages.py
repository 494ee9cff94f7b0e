"""Keeps a gallery: after each scan one chunk of entries, the index and one thumbnail are replaced, each in one piece.

Everything happens below the outbox by descriptors, so that a link that somebody puts there leads nowhere. A gallery
that was deleted or damaged starts afresh by itself; nothing else depends on it.
"""

from __future__ import annotations

import contextlib
import importlib.resources
import os
import stat
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from colorwatch.disk.beneath import folder_beneath
from colorwatch.disk.names import GALLERY as FOLDER
from colorwatch.disk.ownership import Ownership
from colorwatch.gallery.entry import Entry, content_of, script

CHUNK = 200  # job numbers in one file: 40 kB, written anew for each picture
PAGE = ("index.html", "gallery.css", "gallery.js")
_THUMBS = 1000  # job numbers in one folder of thumbnails
_MOST_BYTES = 4 << 20  # of a chunk or an index that is read back
_INDEX = "galleryIndex"
_PART = "galleryChunk"


class Gallery:
    """The gallery of one outbox, written by its folder's thread alone; its files belong to whom results belong."""

    def __init__(self, outbox: str, title: str, ownership: Ownership | None = None) -> None:
        self._outbox = outbox
        self._title = title
        self._ownership = ownership or Ownership()
        self._index: dict[str, Any] | None = None

    @property
    def root(self) -> str:
        return os.path.join(self._outbox, FOLDER)

    def show(self, entry: Entry) -> None:
        """Adds a picture, or replaces what is shown of its job. Raises OSError."""
        chunk = entry.job // CHUNK
        entries = {old.job: old for old in self._read_chunk(chunk)}
        entries[entry.job] = entry
        self._write_chunk(chunk, list(entries.values()))

    def remove(self, job: int) -> None:
        """Takes a picture out, and its thumbnail. Raises OSError."""
        chunk = job // CHUNK
        entries = self._read_chunk(chunk)
        kept = [entry for entry in entries if entry.job != job]
        for entry in entries:
            if entry.job == job and entry.thumb:
                self._remove_thumb(job)
        if len(kept) != len(entries):
            self._write_chunk(chunk, kept)

    def thumb_name(self, job: int) -> str:
        """Where the thumbnail of a job lies, relative to the gallery."""
        return f"thumbs/{job // _THUMBS:03d}/{job}.jpg"

    def keep_thumb(self, job: int, spool: int, name: str) -> str:
        """Moves the thumbnail `name` out of the open folder `spool`; its link. Raises OSError, FileNotFoundError."""
        link = self.thumb_name(job)
        folder, last = os.path.split(link)
        with self._folder(folder) as target:
            self._ownership.file(spool, name, target)
            os.rename(name, last, src_dir_fd=spool, dst_dir_fd=target)
        return link

    def _remove_thumb(self, job: int) -> None:
        folder, last = os.path.split(self.thumb_name(job))
        with (
            contextlib.suppress(FileNotFoundError),
            folder_beneath(self._outbox, os.path.join(FOLDER, folder)) as target,
        ):
            os.unlink(last, dir_fd=target)

    # --- chunks and the index -------------------------------------------------------------------------------------

    def _read_chunk(self, chunk: int) -> list[Entry]:
        rows = self._read(f"{chunk:06d}.js", _PART)
        rows = rows.get("rows") if isinstance(rows, dict) else None
        entries = [Entry.from_row(row) for row in rows] if isinstance(rows, list) else []
        return [entry for entry in entries if entry is not None and entry.job // CHUNK == chunk]

    def _write_chunk(self, chunk: int, entries: list[Entry]) -> None:
        index = self._index if self._index is not None else self._load_index()
        entries.sort(key=lambda entry: (entry.when, entry.job), reverse=True)
        self._write("data", f"{chunk:06d}.js", script(_PART, {"chunk": chunk, "rows": [e.to_row() for e in entries]}))
        if entries:
            index["chunks"][str(chunk)] = _facets(entries)
        else:
            index["chunks"].pop(str(chunk), None)
        index["changed"] = int(time.time())
        index["title"] = self._title
        self._write("data", "index.js", script(_INDEX, index))
        self._index = index

    def _load_index(self) -> dict[str, Any]:
        """The index, made anew from the chunks where it is not whole; the page's own files are put in place."""
        with self._folder("data") as folder:
            names = [name for name in os.listdir(folder) if name[:-3].isdigit() and name.endswith(".js")]
        self._lay_out_page()
        index = self._read("index.js", _INDEX)
        chunks = index.get("chunks") if isinstance(index, dict) else None
        wanted = {str(int(name[:-3])) for name in names}
        if not isinstance(chunks, dict) or set(chunks) != wanted or not all(map(_is_facets, chunks.values())):
            found = {name: self._read_chunk(int(name)) for name in sorted(wanted, key=int)}
            chunks = {name: _facets(entries) for name, entries in found.items() if entries}
        return {"title": self._title, "changed": 0, "chunks": chunks}

    def _lay_out_page(self) -> None:
        """Puts the page beside its data, where it is missing or of another version."""
        source = importlib.resources.files("colorwatch.gallery") / "page"
        for name in PAGE:
            text = (source / name).read_text(encoding="utf-8")
            with self._folder("") as folder:
                if _read_at(folder, name) == text:
                    continue
            self._write("", name, text)

    def _read(self, name: str, call: str) -> Any:
        try:
            with folder_beneath(self._outbox, os.path.join(FOLDER, "data")) as folder:
                text = _read_at(folder, name)
            return None if text is None else content_of(text, call)
        except (OSError, ValueError, RecursionError):
            return None

    @contextlib.contextmanager
    def _folder(self, below: str) -> Iterator[int]:
        """A folder of the gallery, made where it is missing."""
        path = os.path.join(FOLDER, below) if below else FOLDER
        with folder_beneath(self._outbox, path, create=True, finish=self._ownership.folder) as folder:
            yield folder

    def _write(self, below: str, name: str, text: str) -> None:
        temp = f".{name}.part"
        with self._folder(below) as folder:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temp, dir_fd=folder)
            new = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(temp, new, 0o666, dir_fd=folder), "w", encoding="utf-8") as file:
                file.write(text)
            self._ownership.file(folder, temp, folder)
            os.rename(temp, name, src_dir_fd=folder, dst_dir_fd=folder)


def _read_at(folder: int, name: str) -> str | None:
    """The text of a regular file of a bearable size, or None."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return None
    with open(descriptor, encoding="utf-8", errors="replace") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_BYTES:
            return None
        return file.read()


def _facets(entries: list[Entry]) -> dict[str, Any]:
    """What the page has to know of a chunk before it loads it."""
    months = Counter(time.strftime("%Y-%m", time.localtime(entry.when)) for entry in entries)
    return {
        "n": len(entries),
        "newest": max(entry.when for entry in entries),
        "folders": sorted({entry.folder for entry in entries}),
        "models": sorted({entry.model for entry in entries}),
        "flags": sorted({flag for entry in entries for flag in entry.flags}),
        "months": dict(months),
    }


def _is_facets(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == {"n", "newest", "folders", "models", "flags", "months"}
