"""TIFF directories, read from untrusted files, and the descriptive tags in them that a result is to carry.

TIFF 6.0 (Adobe, 1992), BigTIFF (Aware Systems, 2007), EXIF 2.32 for the EXIF and GPS directories.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_ENTRIES = 4096  # entries in a directory; real ones have under a hundred
MAX_DIRECTORIES = 10_000
MAX_ALL_ENTRIES = 500_000  # of all directories together: they may overlap, so the size of the file bounds nothing
MAX_CARRIED = 4 << 20  # bytes of one carried value; the largest real ones are makers' notes of some 100 kB
MAX_ALL_CARRIED = 32 << 20  # of all carried values together: they may overlap in the file

# Bytes of one value, by field type.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
# Bytes swapped together when the order changes: a rational is two longs.
_UNITS = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}

EXIF, GPS, INTEROP = 34665, 34853, 40965
# DocumentName, ImageDescription, Make, Model, Orientation, XResolution, YResolution, PageName, ResolutionUnit,
# Software, DateTime, Artist, HostComputer, XMP, Copyright, IPTC, Photoshop's resources,
# and the Windows title, comment, author, keywords and subject.
CARRIED = frozenset({269, 270, 271, 272, 274, 282, 283, 285, 296, 305, 306, 315, 316, 700, 33432, 33723, 34377})
CARRIED |= frozenset(range(40091, 40096))
_SUBDIRECTORIES = {EXIF: frozenset({INTEROP}), GPS: frozenset[int](), INTEROP: frozenset[int]()}


class TiffError(Exception):
    """The file is no whole TIFF; the message is a part of a sentence."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One tag: its field type, the number of values, and their bytes in the file's order, or where they stand."""

    tag: int
    type: int
    count: int
    inline: bytes
    at: int  # the offset of `inline` in the file

    @property
    def size(self) -> int:
        return _SIZES.get(self.type, 0) * self.count


class TiffFile:
    """A TIFF or BigTIFF behind a descriptor, `size` bytes long. Nothing is trusted, and nothing read beyond `size`.

    It begins `base` bytes into the file; all offsets count from there.
    """

    def __init__(self, descriptor: int, size: int, base: int = 0) -> None:
        self.descriptor = descriptor
        self.size = size
        self.base = base
        start = self.read(0, 8)
        self.order = "<" if start[:2] == b"II" else ">"
        version = self.unpack("H", start[2:4])[0]
        if start[:2] not in (b"II", b"MM") or version not in (42, 43):
            raise TiffError("it does not begin as one")
        self.big = version == 43
        self.pointer_at = 8 if self.big else 4
        self.first = self.unpack("Q", self.read(8, 8))[0] if self.big else self.unpack("I", start[4:])[0]

    def read(self, offset: int, count: int) -> bytes:
        if offset < 0 or offset + count > self.size:
            raise TiffError("it breaks off inside a directory")
        found = os.pread(self.descriptor, count, self.base + offset)
        if len(found) != count:
            raise TiffError("it grew shorter while it was read")
        return found

    def unpack(self, code: str, content: bytes) -> tuple[int, ...]:
        return struct.unpack(self.order + code, content)

    def directories(self) -> Iterator[Directory]:
        """The chain of directories, first to last. Raises TiffError on a loop, an absurd one, or one cut off."""
        offset, entries, seen = self.first, 0, set[int]()
        if not offset:
            raise TiffError("it has no directory yet")
        while offset:
            if offset in seen:
                raise TiffError("its directories run in a circle")
            seen.add(offset)
            directory = self.directory(offset)
            entries += len(directory.entries)
            if len(seen) > MAX_DIRECTORIES or entries > MAX_ALL_ENTRIES:
                raise TiffError("it has more directories than any real one")
            yield directory
            offset = directory.next

    def directory(self, offset: int) -> Directory:
        head, width, code, inline = (8, 20, "HHQ", 8) if self.big else (2, 12, "HHI", 4)
        count = self.unpack("Q" if self.big else "H", self.read(offset, head))[0]
        if not 0 < count <= MAX_ENTRIES:
            raise TiffError("one of its directories is empty or absurdly long")
        body = self.read(offset + head, count * width + inline)
        entries: dict[int, Entry] = {}
        for at in range(0, count * width, width):
            tag, kind, number = self.unpack(code, body[at : at + width - inline])
            value_at = at + width - inline
            value = body[value_at : at + width]
            entries.setdefault(tag, Entry(tag, kind, number, value, offset + head + value_at))
        following = self.unpack("Q" if self.big else "I", body[count * width :])[0]
        return Directory(self, offset, entries, following, offset + head + count * width)


@dataclass(frozen=True, slots=True)
class Directory:
    """One directory of a TIFF; `next` is the offset of the one after it, or 0, and stands at `next_at`."""

    file: TiffFile
    offset: int
    entries: dict[int, Entry]
    next: int
    next_at: int

    def content(self, entry: Entry, most: int) -> bytes:
        """The bytes of an entry's values, in the file's order. Raises TiffError over `most` bytes or beyond the end."""
        if entry.size > most:
            raise TiffError("one of its tags is absurdly long")
        if entry.size <= len(entry.inline):
            return entry.inline[: entry.size]
        offset = self.file.unpack("Q" if self.file.big else "I", entry.inline)[0]
        return self.file.read(offset, entry.size)

    def numbers(self, tag: int, most: int) -> tuple[int, ...]:
        """All values of a whole-number tag, or () where it is absent or of another type."""
        entry = self.entries.get(tag)
        if entry is None or entry.type not in _CODES:
            return ()
        if entry.count > most:
            raise TiffError("one of its tags is absurdly long")
        return self.file.unpack(f"{entry.count}{_CODES[entry.type]}", self.content(entry, entry.size))

    def number(self, tag: int, default: int = 0) -> int:
        """The first value of a whole-number tag."""
        entry = self.entries.get(tag)
        if entry is None or entry.type not in _CODES or not entry.count:
            return default
        content = entry.inline
        if entry.size > len(entry.inline):
            offset = self.file.unpack("Q" if self.file.big else "I", entry.inline)[0]
            content = self.file.read(offset, _SIZES[entry.type])
        return self.file.unpack(_CODES[entry.type], content[: _SIZES[entry.type]])[0]

    def extents(self, most: int) -> list[tuple[int, int]]:
        """Offset and length of every strip and tile. Raises TiffError where there is none, or more than `most`."""
        offsets = self.numbers(324, most) or self.numbers(273, most)
        counts = self.numbers(325, most) or self.numbers(279, most)
        if not offsets:
            raise TiffError("it does not say where the picture is")
        # Old writers leave the lengths out; the beginnings are then all that can be checked.
        return list(zip(offsets, counts or (1,) * len(offsets), strict=False))


# --- carrying tags ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Carried:
    """Tags with their values in little-endian order, and directories below them by tag."""

    tags: dict[int, tuple[int, int, bytes]] = field(default_factory=dict)
    below: dict[int, Carried] = field(default_factory=dict)


def read_carried(descriptor: int, size: int, page: int = 0) -> Carried:
    """The tags that describe the page whose directory is at the offset `page` (0: the first one).

    What is damaged is left out: a tag is never worth a scan.
    """
    try:
        file = TiffFile(descriptor, size)
        return _gather(file.directory(page or file.first), CARRIED, frozenset({EXIF, GPS}), _Budget())
    except (TiffError, OSError):
        return Carried()


def carried_in(exif: bytes) -> Carried:
    """The same of an EXIF block, which is a TIFF without a picture."""
    if not exif:
        return Carried()
    descriptor = os.memfd_create("exif", os.MFD_CLOEXEC)
    try:
        os.pwrite(descriptor, exif, 0)
        return read_carried(descriptor, len(exif))
    finally:
        os.close(descriptor)


@dataclass(slots=True)
class _Budget:
    """The bytes that may still be carried."""

    left: int = MAX_ALL_CARRIED

    def take(self, count: int) -> bool:
        """Whether `count` bytes more may be carried; once they may not, nothing more is."""
        self.left = self.left - count if count <= self.left else -1
        return self.left >= 0


def _gather(directory: Directory, wanted: frozenset[int] | None, below: frozenset[int], budget: _Budget) -> Carried:
    found = Carried()
    swap = directory.file.order == ">"
    for tag, entry in directory.entries.items():
        try:
            if tag in below:
                offset = directory.number(tag)
                # One level at a time, by a fixed table: directories that point at each other cannot go round.
                inner = _gather(directory.file.directory(offset), None, _SUBDIRECTORIES[tag], budget)
                if inner.tags:
                    found.below[tag] = inner
            elif entry.type in _SIZES and entry.count and (wanted is None or tag in wanted):
                if entry.size > MAX_CARRIED or not budget.take(entry.size):
                    continue
                content = directory.content(entry, MAX_CARRIED)
                if swap:
                    content = _swapped(content, _UNITS.get(entry.type, 1))
                found.tags[tag] = (entry.type, entry.count, content)
        except (TiffError, OSError):
            continue
    return found


def _swapped(content: bytes, unit: int) -> bytes:
    if unit == 1:
        return content
    values = array({2: "H", 4: "I", 8: "Q"}[unit], content)
    values.byteswap()
    return values.tobytes()
