"""A baseline JPEG written strip by strip, each strip encoded by itself by OpenCV, and joined at restart markers.

After a restart marker a decoder starts afresh (ITU-T T.81, E.1.4 and F.2.1.3.1): no bits left over, no memory of
earlier blocks. That is how every JPEG begins, so the coded bytes of JPEGs of the same tables can stand one after the
other. The encoder never needs the whole picture, and costs half of what libvips' costs when it is fed by callbacks.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Paint = Callable[[int, int], NDArray[np.uint8]]
Write = Callable[[bytes], None]

BLOCK = 8  # pixels of a block, and without halved colour of the unit that restart intervals count
HIGHER = 4  # each strip costs the encoder its tables: with 4 times the height, 7 % less time in all; with 8 times, 8 %
MAX_INTERVAL = 0xFFFF  # units between two restart markers
_PIECE = 0xFFFF - 2 - 14  # bytes of an ICC profile in one segment, behind its 14 bytes of name and number
_JFIF = b"\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0"


class StripError(Exception):
    """OpenCV's encoder gave something else than the plain JPEG asked for."""


def fitting_rows(width: int, wanted: int) -> int:
    """The height of a strip: near HIGHER times `wanted`, whole blocks, and short enough for a restart interval."""
    across = -(-width // BLOCK)
    return BLOCK * max(1, min(HIGHER * wanted // BLOCK, MAX_INTERVAL // across))


def write_jpeg(
    write: Write, width: int, height: int, rows: int, paint: Paint, quality: int, head: bytes, profile: bytes | None
) -> None:
    """Write a 4:4:4 JPEG of what `paint` gives as BGR, in strips of `rows` (see `fitting_rows`).

    `head` is whole segments (JFIF, EXIF and so on) for its beginning, `profile` an ICC profile.
    Raises whatever `write` and `paint` raise, and StripError.
    """
    tables: bytes | None = None
    for number, top in enumerate(range(0, height, rows)):
        bottom = min(top + rows, height)
        found, scan = _split(_encoded(paint(top, bottom), quality), width, bottom - top)
        if tables is None:
            tables = found
            units = -(-width // BLOCK) * (rows // BLOCK)
            write(_beginning(found, width, height, units, head, profile))
        elif found != tables:
            raise StripError("the encoder changed its tables on the way")
        else:
            write(bytes((0xFF, 0xD0 + (number - 1) % 8)))
        write(scan)
    write(b"\xff\xd9")


def whole_strip(levels: NDArray[np.uint8], quality: int) -> bytes:
    """A 4:4:4 JPEG of BGR `levels` without a word beside its pixels and tables, as TIFF wants it. Raises StripError."""
    height, width = levels.shape[:2]
    tables, scan = _split(_encoded(levels, quality), width, height)
    frame = tables.index(struct.pack(">BBHBHHB", 0xFF, 0xC0, 17, 8, 0, width, 3))
    tables = tables[: frame + 5] + struct.pack(">H", height) + tables[frame + 7 :]
    return b"\xff\xd8" + tables + scan + b"\xff\xd9"


def _encoded(levels: NDArray[np.uint8], quality: int) -> bytes:
    shape = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444, cv2.IMWRITE_JPEG_RST_INTERVAL, 0]
    plain = [cv2.IMWRITE_JPEG_PROGRESSIVE, 0, cv2.IMWRITE_JPEG_OPTIMIZE, 0]
    done, encoded = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, quality, *shape, *plain])
    if not done:
        raise StripError("the encoder failed")
    return encoded.tobytes()


def _split(encoded: bytes, width: int, height: int) -> tuple[bytes, bytes]:
    """The tables and the scan's header of one strip, with its height left out, and its coded bytes."""
    at, kept = 2, []
    while at + 4 <= len(encoded):
        code, length = encoded[at + 1], int.from_bytes(encoded[at + 2 : at + 4], "big")
        segment = encoded[at : at + 2 + length]
        at += len(segment)
        if code == 0xC0:
            # One component after the other: number, sampling 1x1, table.
            expected = struct.pack(">BHHB", 8, height, width, 3)
            if segment[4:10] != expected or any(segment[11::3][i] != 0x11 for i in range(3)):
                raise StripError("the encoder gave another frame than asked for")
            segment = segment[:5] + b"\0\0" + segment[7:]
        elif code not in (0xDB, 0xC4, 0xDA, 0xE0):
            raise StripError("the encoder gave a part that was not asked for")
        if code != 0xE0:
            kept.append(segment)
        if code == 0xDA:
            if not encoded.endswith(b"\xff\xd9"):
                raise StripError("the encoder gave no end")
            return b"".join(kept), encoded[at:-2]
    raise StripError("the encoder gave no picture")


def _beginning(tables: bytes, width: int, height: int, units: int, head: bytes, profile: bytes | None) -> bytes:
    """All segments before the coded bytes, with the height of the whole picture and the restart interval."""
    frame = tables.index(struct.pack(">BBHBHHB", 0xFF, 0xC0, 17, 8, 0, width, 3))
    whole = tables[: frame + 5] + struct.pack(">H", height) + tables[frame + 7 :]
    scan = whole.rindex(b"\xff\xda\0\x0c\x03")
    interval = struct.pack(">BBHH", 0xFF, 0xDD, 4, units)
    # A file without JFIF and EXIF would leave it to the reader to guess that the colours are YCbCr.
    named = head[:2] == b"\xff\xe0" or (head[:2] == b"\xff\xe1" and head[4:10] == b"Exif\0\0")
    first = b"" if named else _JFIF
    return b"\xff\xd8" + first + head + _profile_segments(profile) + whole[:scan] + interval + whole[scan:]


def _profile_segments(profile: bytes | None) -> bytes:
    """An ICC profile in APP2 segments (ICC.1:2022, B.4); one too large for 255 of them is left out."""
    pieces = [profile[at : at + _PIECE] for at in range(0, len(profile), _PIECE)] if profile else []
    if len(pieces) > 255:
        return b""
    names = [b"ICC_PROFILE\0" + bytes((number, len(pieces))) for number in range(1, len(pieces) + 1)]
    return b"".join(
        struct.pack(">BBH", 0xFF, 0xE2, 16 + len(piece)) + name + piece
        for name, piece in zip(names, pieces, strict=True)
    )
