"""What WebP, AVIF, HEIC, BMP and JPEG 2000 carry beside their pixels, as the format of their result can carry it."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from colorwatch.metadata import imprint
from colorwatch.metadata.carrying import Luggage, tidy_exif
from colorwatch.metadata.imprint import EXIF_SEGMENT, XMP_SEGMENT
from colorwatch.metadata.pieces import APP0, APP1, jpeg_segment, png_chunk, riff_chunk, riff_chunks
from colorwatch.scan import Provenance

MAX_BYTES = 8 << 20  # of one part; real ones have under a megabyte
MAX_PARTS = 10_000
_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_EXIF_UUID = b"JpgTiffExif->JP2"
_XMP_TEXT = b"XML:com.adobe.xmp\0"


@dataclass(slots=True)
class Loose:
    """An EXIF block (a TIFF, without any prefix), an XMP packet, and pixels a metre across and down; empty or 0: none.

    `upright`: the decoder turns the picture as its file says; what EXIF says of it is then no longer true.
    """

    exif: bytes = b""
    xmp: bytes = b""
    metre: tuple[int, int] = (0, 0)
    upright: bool = False

    def __post_init__(self) -> None:
        self.exif = self.exif.removeprefix(EXIF_SEGMENT)
        if self.exif[:4] not in (b"II*\0", b"MM\0*"):
            self.exif = b""


def packed_for(format: str, loose: Loose, provenance: Provenance | None) -> Luggage:
    """What a JPEG, PNG or WebP result carries of it, and with it where the result comes from."""
    found = Luggage()
    exif = bytearray(loose.exif)
    if exif:
        tidy_exif(exif, 0, found)
        if loose.upright and found.orientation != 1:
            _set_upright(exif)
    if loose.upright:
        found.orientation = 1
    if format == "jpeg":
        found.head = _for_jpeg(bytes(exif), loose, provenance, found.tool_known)
    elif format == "png":
        found.head = _for_png(bytes(exif), loose, provenance, found.tool_known)
    else:
        found.head = _for_webp(bytes(exif), loose.xmp, provenance, found.tool_known)
    return found


def _set_upright(exif: bytearray) -> None:
    order = "<" if exif[:2] == b"II" else ">"
    try:
        first = struct.unpack_from(order + "I", exif, 4)[0]
        for at in range(first + 2, first + 2 + 12 * struct.unpack_from(order + "H", exif, first)[0], 12):
            if struct.unpack_from(order + "HH", exif, at) == (274, 3):
                struct.pack_into(order + "H", exif, at + 8, 1)
    except struct.error:
        return


def _for_jpeg(exif: bytes, loose: Loose, provenance: Provenance | None, tool_known: bool) -> bytes:
    parts = list[tuple[int, bytes]]()
    if all(loose.metre):
        across, down = (min(round(each / 100), 65_535) for each in loose.metre)
        parts.append((APP0, struct.pack(">5sHBHHBB", b"JFIF\0", 0x0101, 2, across, down, 0, 0)))
    if exif and len(exif) <= 65_527:
        parts.append((APP1, EXIF_SEGMENT + exif))
    if loose.xmp and len(loose.xmp) <= imprint.MAX_XMP_SEGMENT:
        parts.append((APP1, XMP_SEGMENT + loose.xmp))
    if provenance is not None:
        imprint.on_jpeg(parts, provenance, tool_known)
    return b"".join(jpeg_segment(*part) for part in parts)


def _for_png(exif: bytes, loose: Loose, provenance: Provenance | None, tool_known: bool) -> bytes:
    parts = list[tuple[bytes, bytes]]()
    if all(loose.metre):
        parts.append((b"pHYs", struct.pack(">IIB", *loose.metre, 1)))
    if exif:
        parts.append((b"eXIf", exif))
    if loose.xmp:
        parts.append((b"iTXt", _XMP_TEXT + bytes(4) + loose.xmp))
    if provenance is not None:
        imprint.on_png(parts, provenance, tool_known)
    return b"".join(png_chunk(*part) for part in parts)


def _for_webp(exif: bytes, xmp: bytes, provenance: Provenance | None, tool_known: bool) -> bytes:
    parts = [(b"EXIF", exif)] if exif else []
    if xmp:
        parts.append((b"XMP ", xmp))
    if provenance is not None:
        imprint.on_webp(parts, provenance, tool_known)
    return b"".join(riff_chunk(*part) for part in parts)


# --- where they stand ---------------------------------------------------------------------------------------


def of_webp(descriptor: int, size: int) -> Loose:
    """What a WebP carries. Raises OSError."""
    found = dict[bytes, bytes]()
    for kind, content in riff_chunks(descriptor, size, (b"EXIF", b"XMP ")):
        found.setdefault(kind, content)
    return Loose(found.get(b"EXIF", b""), found.get(b"XMP ", b""))


def of_jp2(descriptor: int, size: int) -> tuple[Loose, bytes]:
    """What a JPEG 2000 picture carries, and its ICC profile or b"". Raises OSError."""
    found, profile = Loose(), b""
    for kind, at, end in _boxes(descriptor, 0, size):
        if kind == b"uuid" and 16 < end - at <= MAX_BYTES:
            content = os.pread(descriptor, end - at, at)
            if content[:16] == _XMP_UUID:
                found.xmp = content[16:]
            elif content[:16] == _EXIF_UUID:
                found.exif = Loose(content[16:]).exif
        elif kind == b"jp2h":
            for inner, begin, last in _boxes(descriptor, at, end):
                if inner == b"colr" and 3 < last - begin <= MAX_BYTES:
                    colours = os.pread(descriptor, last - begin, begin)
                    profile = profile or (colours[3:] if colours[0] == 2 else b"")
                elif inner == b"res ":
                    found.metre = _resolution(descriptor, begin, last)
    return found, profile


def _boxes(descriptor: int, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    for _ in range(MAX_PARTS):
        head = os.pread(descriptor, 16, at) if at + 8 <= end else b""
        if len(head) < 8:
            return
        size, begin = int.from_bytes(head[:4], "big"), at + 8
        if size == 1:
            size, begin = int.from_bytes(head[8:], "big"), at + 16
        last = end if size == 0 else at + size
        if last < begin or last > end:
            return
        yield head[4:8], begin, last
        at = last


def _resolution(descriptor: int, at: int, end: int) -> tuple[int, int]:
    """ISO/IEC 15444-1, I.5.3.7: vertical, then horizontal, each a fraction and a power of ten, per metre."""
    for _, begin, last in _boxes(descriptor, at, end):
        if last - begin == 10:
            down, by, across, under, tens, more = struct.unpack(">HHHHbb", os.pread(descriptor, 10, begin))
            if by and under and abs(tens) < 9 and abs(more) < 9:
                return round(across / under * 10.0**more), round(down / by * 10.0**tens)
    return 0, 0
