"""Keeps a gallery: after each scan one chunk of entries, the index and one thumbnail are replaced, each in one piece.

Everything happens below the outbox by descriptors, so that a link that somebody puts there leads nowhere. A gallery
that was deleted, damaged, or belongs to a lost ledger is noticed, and starts afresh; nothing else depends on it.
"""

from __future__ import annotations

import contextlib
import importlib.resources
import os
import shutil
import time
from typing import Any

from colorwatch.disk.beneath import folder_beneath, stat_at
from colorwatch.disk.names import GALLERY as FOLDER
from colorwatch.disk.ownership import Ownership
from colorwatch.gallery.entry import FORMAT, Entry
from colorwatch.gallery.files import Files
from colorwatch.gallery.listing import facets, is_facets

CHUNK = 200  # job numbers in one file: 50 kB, written anew for each picture
PAGE = ("index.html", "gallery.css", "data.js", "album.js", "viewer.js")
_PICTURES = 1000  # job numbers in one folder of thumbnails
_INDEX = "galleryIndex"
_PART = "galleryChunk"
_KINDS = ("thumbs", "views")


class Gallery:
    """The gallery of one outbox, written by its folder's thread alone; its files belong to whom results belong."""

    def __init__(self, outbox: str, title: str, ownership: Ownership | None = None) -> None:
        self._outbox = outbox
        self._title = title
        self._ownership = ownership or Ownership()
        self._files = Files(outbox, self._ownership)
        self._index: dict[str, Any] = {}
        self._written: tuple[int, int] | None = None  # inode and time of the index as it was written last

    @property
    def root(self) -> str:
        return os.path.join(self._outbox, FOLDER)

    def ready(self, ledger: str) -> bool:
        """Makes the gallery ready for pictures of that ledger; whether earlier ones are missing. Raises OSError."""
        if self._index.get("ledger") == ledger and self._written == self._files.identity("data", "index.js"):
            return False
        missing = self._load(ledger)
        self._lay_out_page()
        self._write_index()
        return missing

    def show(self, entry: Entry) -> None:
        """Adds a picture, or replaces what is shown of its job; after `ready`. Raises OSError."""
        chunk = entry.job // CHUNK
        entries = {old.job: old for old in self._read_chunk(chunk)}
        entries[entry.job] = entry
        self.write_chunk(chunk, list(entries.values()))
        self._write_index()

    def remove(self, job: int) -> None:
        """Takes a picture out, and its thumbnail; where there is no gallery, nothing. Raises OSError."""
        index = self._files.read("data", "index.js", _INDEX)
        if not isinstance(index, dict):
            return
        self.ready(str(index.get("ledger")))
        entries = self._read_chunk(job // CHUNK)
        kept = [entry for entry in entries if entry.job != job]
        if len(kept) != len(entries):
            self.write_chunk(job // CHUNK, kept)
            self._write_index()
            self._remove_pictures(job)

    # --- thumbnails -----------------------------------------------------------------------------------------------

    def picture_name(self, kind: str, job: int) -> str:
        """Where the "thumbs" or the "views" picture of a job lies, relative to the gallery."""
        return f"{kind}/{job // _PICTURES:03d}/{job}.jpg"

    def keep_picture(self, kind: str, job: int, spool: int, name: str) -> str:
        """Moves the picture `name` out of the open folder `spool`; its link. Raises OSError, FileNotFoundError."""
        link = self.picture_name(kind, job)
        folder, last = os.path.split(link)
        with self._files.folder(folder) as target:
            self._ownership.file(spool, name, target)
            os.rename(name, last, src_dir_fd=spool, dst_dir_fd=target)
        return link

    def _remove_pictures(self, job: int) -> None:
        for kind in _KINDS:
            folder, last = os.path.split(self.picture_name(kind, job))
            with (
                contextlib.suppress(FileNotFoundError),
                folder_beneath(self._outbox, os.path.join(FOLDER, folder)) as target,
            ):
                os.unlink(last, dir_fd=target)

    # --- chunks and the index -------------------------------------------------------------------------------------

    def _read_chunk(self, chunk: int) -> list[Entry]:
        """What the chunk holds of ours."""
        return self._sound(chunk)[0]

    def _sound(self, chunk: int, ledger: str | None = None) -> tuple[list[Entry], bool]:
        """What the chunk holds of ours, and whether that is all there ever was in it."""
        content = self._files.read("data", _name(chunk), _PART)
        wanted = {"format": FORMAT, "ledger": ledger or self._index.get("ledger"), "chunk": chunk}
        if not isinstance(content, dict) or {key: content.get(key) for key in wanted} != wanted:
            return [], False
        rows = content.get("rows")
        entries = [Entry.from_row(row) for row in rows] if isinstance(rows, list) else []
        ours = [entry for entry in entries if entry is not None and entry.job // CHUNK == chunk]
        return ours, len(ours) == len(entries) > 0

    def write_chunk(self, chunk: int, entries: list[Entry]) -> None:
        """Replaces a chunk; the index that tells of it is to be written afterwards. Raises OSError."""
        chunks = self._index["chunks"]
        if not entries:
            chunks.pop(str(chunk), None)
            self._files.remove("data", _name(chunk))
            return
        entries.sort(key=lambda entry: (entry.when, entry.job), reverse=True)
        told = {"format": FORMAT, "ledger": self._index["ledger"], "chunk": chunk}
        size = self._files.write("data", _name(chunk), _PART, {**told, "rows": [entry.to_row() for entry in entries]})
        chunks[str(chunk)] = facets(entries, size)

    def _write_index(self) -> None:
        self._index |= {"changed": int(time.time()), "title": self._title}
        self._files.write("data", "index.js", _INDEX, self._index)
        self._written = self._files.identity("data", "index.js")

    def _load(self, ledger: str) -> bool:
        """Takes up what is there of that ledger; whether anything that was there is missing. Raises OSError."""
        index = self._files.read("data", "index.js", _INDEX)
        told: dict[str, Any] = index if isinstance(index, dict) else {}
        if told and (told.get("ledger"), told.get("format")) != (ledger, FORMAT):
            self._wipe()
            told = {}
        sizes = self._files.sizes("data")
        chunks = told.get("chunks")
        known: dict[str, Any] = chunks if isinstance(chunks, dict) else {}
        found: dict[str, Any] = {}
        missing = not sizes or any(f"{chunk:0>6}.js" not in sizes for chunk in known)
        for name, size in sizes.items():
            chunk = str(int(name[:-3]))
            tells: Any = known.get(chunk)
            if is_facets(tells) and tells["bytes"] == size:
                found[chunk] = tells
                continue
            entries, whole = self._sound(int(chunk), ledger)  # a kill before the index, a power cut, or a person
            missing |= not whole
            if entries:
                found[chunk] = facets(entries, size)
        self._index = {"format": FORMAT, "ledger": ledger, "chunks": found}
        return missing

    def _wipe(self) -> None:
        """Removes all pictures and all that tells of them."""
        with self._files.folder("") as folder:
            for name in ("data", *_KINDS):
                if stat_at(folder, name) is not None:
                    shutil.rmtree(name, dir_fd=folder)

    def _lay_out_page(self) -> None:
        """Puts the page beside its data, where it is missing or of another version."""
        source = importlib.resources.files("colorwatch.gallery") / "page"
        for name in PAGE:
            text = (source / name).read_text(encoding="utf-8")
            if self._files.text("", name) != text:
                self._files.put("", name, text)


def _name(chunk: int) -> str:
    return f"{chunk:06d}.js"
