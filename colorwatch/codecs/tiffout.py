"""Pages of TIFFs being written: directories that carry a scan's tags, and the uncompressed TIFF that is only a stream.

libvips writes a page as a TIFF of its own, at the end of the file; here it gets a new directory with the tags that its
scan had, behind the directories of the pages before it. So pages may differ in size, depth and tags.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping

from colorwatch.formats.tifftags import Carried, Directory, TiffError, TiffFile

_RESOLUTION = (282, 283, 296)
_OFFSETS = 273  # StripOffsets
_SHORT, _LONG, _LONG8 = 3, 4, 16
_CODES = {_SHORT: "H", _LONG: "I", _LONG8: "Q"}

_Plain = tuple[int, int, bytes]


def append_page(descriptor: int, base: int, big: bool, carried: Carried, link_at: int) -> int:
    """Make the little-endian TIFF that begins at `base` the last page of the TIFF behind `descriptor`, with its tags.

    A new directory is appended and the offset at `link_at` pointed at it (0: the one in the header); `big` says that
    the file is a BigTIFF. A carried tag replaces the one that stands in the page. The page's own resolution goes in any
    case: libvips makes one up where the scan had none. Returns where the next page is to be linked.
    Raises OSError where the disk fails, TiffError if the page is not one that libvips wrote.
    """
    size = os.fstat(descriptor).st_size
    page = TiffFile(descriptor, size - base, base)
    if page.order != "<":
        raise TiffError("it is not little-endian")
    return append_directory(descriptor, big, _own_entries(page.directory(page.first), big), carried, link_at)


def append_directory(descriptor: int, big: bool, own: Mapping[int, _Plain], carried: Carried, link_at: int) -> int:
    """The same for a page whose pixels stand in the file already, as its `own` entries (type, count, bytes) say."""
    writer = _Appended(big, os.fstat(descriptor).st_size)
    size, entries = writer.start, dict(own)
    for tag, inner in carried.below.items():
        entries[tag] = _pointer(writer, inner)
    entries |= carried.tags
    offset = writer.directory(entries, 0)
    _write_all(descriptor, bytes(writer.content), size)
    # Last, so that until now the file was the old one.
    _write_all(descriptor, struct.pack("<Q" if big else "<I", offset), link_at or (8 if big else 4))
    return writer.next_at


def _own_entries(directory: Directory, big: bool) -> dict[int, _Plain]:
    """What libvips said of the page, its offsets counted from the beginning of the whole file."""
    found: dict[int, _Plain] = {}
    for tag, entry in directory.entries.items():
        if tag in _RESOLUTION:
            continue
        content = directory.content(entry, entry.size)
        if tag == _OFFSETS:
            kind = _LONG8 if big else _LONG
            offsets = [directory.file.base + offset for offset in directory.numbers(tag, entry.count)]
            if offsets and not big and max(offsets) > 0xFFFFFFFF:
                raise TiffError("it is too large for its kind")
            found[tag] = (kind, entry.count, struct.pack(f"<{entry.count}{_CODES[kind]}", *offsets))
        elif entry.type == _LONG8 and not big:
            numbers = directory.numbers(tag, entry.count)
            found[tag] = (_LONG, entry.count, struct.pack(f"<{entry.count}I", *numbers))
        else:
            found[tag] = (entry.type, entry.count, content)
    return found


def _pointer(writer: _Appended, inner: Carried) -> _Plain:
    entries: dict[int, _Plain] = dict(inner.tags)
    for tag, deeper in inner.below.items():
        entries[tag] = _pointer(writer, deeper)
    offset = writer.directory(entries, 0)
    return (18, 1, struct.pack("<Q", offset)) if writer.big else (4, 1, struct.pack("<I", offset))


def exif_block(carried: Carried) -> bytes:
    """Tags and the directories below them as a TIFF without a picture, which is what EXIF is."""
    writer = _Appended(False, 8)
    entries = dict(carried.tags)
    for tag, inner in carried.below.items():
        entries[tag] = _pointer(writer, inner)
    offset = writer.directory(entries, 0)
    return struct.pack("<2sHI", b"II", 42, offset) + bytes(writer.content)


class _Appended:
    """Directories and values that are to be appended to a little-endian TIFF at `start`."""

    def __init__(self, big: bool, start: int) -> None:
        self.big = big
        self.content = bytearray(b"\0" * (start % 2))
        self.next_at = 0  # where the last directory says which one follows
        self.start = start

    def _put(self, content: bytes) -> int:
        offset = self.start + len(self.content)
        self.content += content + b"\0" * (len(content) % 2)
        if not self.big and offset + len(content) > 0xFFFFFFFF:
            raise TiffError("it is too large to take more tags")
        return offset

    def directory(self, entries: dict[int, _Plain], following: int) -> int:
        """Append a directory and return its offset. An entry is (type, count, bytes)."""
        room, offset_code = (8, "<Q") if self.big else (4, "<I")
        body = struct.pack("<Q" if self.big else "<H", len(entries))
        for tag in sorted(entries):
            kind, count, content = entries[tag]
            if len(content) > room:
                content = struct.pack(offset_code, self._put(content))
            body += struct.pack("<HHQ" if self.big else "<HHI", tag, kind, count) + content.ljust(room, b"\0")
        offset = self._put(body + struct.pack(offset_code, following))
        self.next_at = offset + len(body)
        return offset


def _write_all(descriptor: int, content: bytes, offset: int) -> None:
    while content:
        written = os.pwrite(descriptor, content, offset)
        content, offset = content[written:], offset + written


def file_head(big: bool) -> bytes:
    """The beginning of a little-endian TIFF whose first directory is still to be linked."""
    return struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0) if big else struct.pack("<2sHI", b"II", 42, 0)


def jpeg_entries(
    width: int, height: int, rows: int, strips: list[tuple[int, int]], big: bool, profile: bytes | None
) -> dict[int, _Plain]:
    """The own entries of a page of `strips` (offset, bytes) that are JPEGs of YCbCr with all of their colour.

    TIFF 6.0, section 21, and Adobe's TIFF Technical Note 2.
    """
    code = "Q" if big else "I"
    offsets = struct.pack(f"<{len(strips)}{code}", *(offset for offset, _ in strips))
    counts = struct.pack(f"<{len(strips)}I", *(count for _, count in strips))
    numbers = {256: width, 257: height, 278: rows}
    found = {tag: (_LONG, 1, struct.pack("<I", value)) for tag, value in numbers.items()}
    shorts = {258: [8, 8, 8], 259: [7], 262: [6], 277: [3], 284: [1], 530: [1, 1]}
    found |= {tag: (_SHORT, len(each), struct.pack(f"<{len(each)}H", *each)) for tag, each in shorts.items()}
    found[_OFFSETS] = (_LONG8 if big else _LONG, len(strips), offsets)
    found[279] = (_LONG, len(strips), counts)
    found[532] = (5, 6, struct.pack("<12I", 0, 1, 255, 1, 128, 1, 255, 1, 128, 1, 255, 1))
    if profile:
        found[34675] = (7, len(profile), profile)
    return found


def uncompressed_head(width: int, height: int, bands: int, bits: int, rows: int) -> bytes:
    """Header and directory of a little-endian BigTIFF of RGB or RGBA, 8 or 16 bits; strips of `rows` rows follow."""
    strips = -(-height // rows)
    tags = [(256, 4, [width]), (257, 4, [height]), (258, 3, [bits] * bands), (259, 3, [1]), (262, 3, [2])]
    tags += [(273, 16, [0] * strips), (277, 3, [bands]), (278, 4, [rows]), (279, 16, [0] * strips), (284, 3, [1])]
    if bands == 4:
        tags.append((338, 3, [2]))
    beyond_at = 16 + 8 + 20 * len(tags) + 8
    start = beyond_at + (16 * strips if strips > 1 else 0)
    row_bytes = width * bands * bits // 8
    offsets = [start + strip * rows * row_bytes for strip in range(strips)]
    counts = [min(rows, height - strip * rows) * row_bytes for strip in range(strips)]
    body, beyond = struct.pack("<Q", len(tags)), b""
    for tag, kind, given in tags:
        values = {273: offsets, 279: counts}.get(tag, given)
        content = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I' if kind == 4 else 'Q'}", *values)
        if len(content) > 8:
            content, beyond = struct.pack("<Q", beyond_at + len(beyond)), beyond + content
        body += struct.pack("<HHQ", tag, kind, len(values)) + content.ljust(8, b"\0")
    return struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) + body + struct.pack("<Q", 0) + beyond
