"""A scan copied byte for byte, but for what says where the copy comes from: for results that are left as they are.

Coded pixels, profiles, thumbnails, resolution, EXIF and everything else stay what they are. Only the imprint (see
`imprint`) is put in, or takes the place of an earlier one.
"""

from __future__ import annotations

import os
import struct

from colorwatch.formats.tifftags import TiffError, TiffFile, read_carried
from colorwatch.metadata import imprint
from colorwatch.metadata.carrying import Luggage, tidy_exif
from colorwatch.metadata.imprint import EXIF_SEGMENT, HISTORY_TAG, OWN_CHUNK, SOFTWARE_TAG, XMP_CHUNK, XMP_TAG
from colorwatch.metadata.pieces import APP1, jpeg_segment, png_chunk, riff_chunk
from colorwatch.scan import Provenance

_COPY = 1 << 20
_MOST_HEAD = 64 << 20  # bytes of a JPEG or a PNG before its pixels
_VP8X_FLAGS_AT, _XMP_FLAG, _ALPHA_FLAG = 20, 0x04, 0x10


def copy(format: str, source: int, target: int, provenance: Provenance | None) -> bool:
    """Copy the scan behind the descriptor `source` into the empty file `target`, if its format can take an imprint.

    False, with nothing of use in `target`, for other formats and for files that are built in an unknown way. Raises
    OSError.
    """
    how = {"jpeg": _jpeg, "png": _png, "webp": _webp, "tiff": _tiff}.get(format)
    if how is None:
        return False
    size = os.fstat(source).st_size
    if provenance is None:
        _append(source, 0, size, target, b"")
        return True
    return how(source, size, target, provenance)


def _append(source: int, start: int, end: int, target: int, head: bytes) -> None:
    """`head`, then the bytes from `start` to `end` of `source`, at the end of `target`."""
    _put(target, head)
    for at in range(start, end, _COPY):
        _put(target, os.pread(source, min(_COPY, end - at), at))


def _put(target: int, content: bytes) -> None:
    while content:
        content = content[os.write(target, content) :]


def _jpeg(source: int, size: int, target: int, provenance: Provenance) -> bool:
    parts, at, found = list[tuple[int, bytes]](), 2, Luggage()
    while at < _MOST_HEAD:
        head = os.pread(source, 4, at)
        if len(head) < 4 or head[0] != 0xFF:
            return False
        if head[1] == 0xFF:
            at += 1
            continue
        length = int.from_bytes(head[2:], "big")
        if head[1] == 0xDA:
            break
        if length < 2 or at + 2 + length > size:
            return False
        parts.append((head[1], os.pread(source, length - 2, at + 4)))
        at += 2 + length
    for code, body in parts:
        if code == APP1 and body.startswith(EXIF_SEGMENT):
            tidy_exif(bytearray(body), len(EXIF_SEGMENT), found)
    imprint.on_jpeg(parts, provenance, found.tool_known)
    _append(source, at, size, target, b"\xff\xd8" + b"".join(jpeg_segment(*part) for part in parts))
    return True


def _png(source: int, size: int, target: int, provenance: Provenance) -> bool:
    parts, at, found = list[tuple[bytes, bytes]](), 8, Luggage()
    while at < _MOST_HEAD:
        head = os.pread(source, 8, at)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if len(head) < 8 or at + 12 + length > size or length > _MOST_HEAD:
            return False
        if kind == b"IDAT":
            break
        parts.append((kind, os.pread(source, length, at + 8)))
        at += 12 + length
    for kind, body in parts:
        if kind == b"eXIf":
            tidy_exif(bytearray(body), 0, found)
    imprint.on_png(parts, provenance, found.tool_known)
    _append(source, at, size, target, os.pread(source, 8, 0) + b"".join(png_chunk(*part) for part in parts))
    return True


def _webp(source: int, size: int, target: int, provenance: Provenance) -> bool:
    end = min(size, 8 + int.from_bytes(os.pread(source, 4, 4), "little"))
    at, said, kept = 12, list[tuple[bytes, bytes]](), list[tuple[int, int]]()
    while at + 8 <= end:
        head = os.pread(source, 8, at)
        length = int.from_bytes(head[4:], "little")
        following = at + 8 + length + length % 2
        if following > end + 1:
            return False
        if head[:4] in (XMP_CHUNK, OWN_CHUNK):
            said.append((head[:4], os.pread(source, length, at + 8)))
        else:
            kept.append((at, min(following, end)))
        at = following
    first = os.pread(source, 4, 12)
    extended = first == b"VP8X"
    head = b"" if extended else _extension(os.pread(source, 30, 0))
    if not kept or (not extended and not head):
        return False
    imprint.on_webp(said, provenance, False)
    _put(target, os.pread(source, 12, 0) + head)
    for start, stop in kept:
        _append(source, start, stop, target, b"")
    _put(target, b"".join(riff_chunk(*part) for part in said))
    os.pwrite(target, struct.pack("<I", os.fstat(target).st_size - 8), 4)
    flags = os.pread(target, 1, _VP8X_FLAGS_AT)[0] | _XMP_FLAG
    os.pwrite(target, bytes((flags,)), _VP8X_FLAGS_AT)
    return True


def _extension(start: bytes) -> bytes:
    """The VP8X chunk of a WebP that has none, from its first 30 bytes (RFC 9649, 2.5 to 2.7); b"" for another kind."""
    if start[12:16] == b"VP8 " and start[23:26] == b"\x9d\x01\x2a":
        width, height = (int.from_bytes(start[at : at + 2], "little") & 0x3FFF for at in (26, 28))
        flags = 0
    elif start[12:16] == b"VP8L" and start[20] == 0x2F:
        bits = int.from_bytes(start[21:25], "little")
        width, height, flags = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, _ALPHA_FLAG * (bits >> 28 & 1)
    else:
        return b""
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return riff_chunk(b"VP8X", bytes((flags, 0, 0, 0)) + sides)


def _tiff(source: int, size: int, target: int, provenance: Provenance) -> bool:
    """All bytes stay where they are; a new first directory behind them has the old one's entries, and the imprint."""
    try:
        file = TiffFile(source, size)
        old = file.directory(file.first)
    except TiffError:
        return False
    count_code, code, offset_code, room = ("Q", "HHQ", "Q", 8) if file.big else ("H", "HHI", "I", 4)
    entries = {
        entry.tag: struct.pack(file.order + code, entry.tag, entry.type, entry.count) + entry.inline
        for entry in old.entries.values()
    }
    values = bytearray(size % 2)
    for tag, (kind, count, content) in _tags_said(source, size, provenance):
        inline = content.ljust(room, b"\0")
        if len(content) > room:
            inline = struct.pack(file.order + offset_code, size + len(values))
            values += content + bytes(len(content) % 2)
        entries[tag] = struct.pack(file.order + code, tag, kind, count) + inline
    directory = size + len(values)
    if not file.big and directory + 12 * len(entries) + 8 > 0xFFFFFFFF:
        return False
    body = struct.pack(file.order + count_code, len(entries)) + b"".join(entries[tag] for tag in sorted(entries))
    _append(source, 0, size, target, b"")
    _put(target, bytes(values) + body + struct.pack(file.order + offset_code, old.next))
    os.pwrite(target, struct.pack(file.order + offset_code, directory), file.pointer_at)
    return True


def _tags_said(source: int, size: int, provenance: Provenance) -> list[tuple[int, tuple[int, int, bytes]]]:
    """The tags, of bytes and of text alone, that the imprint adds or changes."""
    carried = read_carried(source, size)
    before = dict(carried.tags)
    imprint.on_tiff(carried, provenance)
    said = ((tag, carried.tags.get(tag)) for tag in (SOFTWARE_TAG, XMP_TAG, HISTORY_TAG))
    return [(tag, told) for tag, told in said if told is not None and told != before.get(tag)]
