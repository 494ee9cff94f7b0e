"""BMP and PNM, whose pixels lie in the file as they are: read row by row, by our own hands.

OpenCV and Pillow read them too, but neither stretches a PNM's levels to the full range, nor reads a part of it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorwatch.codecs.pages import Levels
from colorwatch.errors import DamagedError, DiskError, explain_os_error
from colorwatch.formats.outlines import PnmHead, bmp_row_bytes, pnm_head
from colorwatch.metadata.carrying import Luggage

READ_BYTES = 1 << 20  # of rows at once


class RasterPage:
    """A page whose rows come from `read(top, count)`: a `pages.Page`."""

    alpha = False

    def __init__(
        self, width: int, height: int, colours: int, bits: int, luggage: Luggage, read: Callable[[int, int], Levels]
    ) -> None:
        """`read` gives (count, width, colours) of uint8 or uint16, as `bits` says."""
        self.width, self.height, self.colours, self.bits = width, height, colours, bits
        self.luggage, self._read = luggage, read
        self.profile: bytes | None = None

    def strips(self) -> Iterator[Levels]:
        """See `pages.Page`."""
        step = max(1, READ_BYTES // (self.width * self.colours * self.bits // 8))
        for top in range(0, self.height, step):
            yield self._read(top, min(step, self.height - top))


def _bytes_at(descriptor: int, offset: int, count: int) -> bytes:
    try:
        found = os.pread(descriptor, count, offset)
    except OSError as error:
        raise DiskError(f"It cannot be read: {explain_os_error(error)}.") from error
    if len(found) != count:
        raise DamagedError("The picture breaks off: it grew shorter while it was read.")
    return found


# --- BMP ----------------------------------------------------------------------------------------------------


def bmp_resolution(descriptor: int) -> tuple[int, int]:
    """Pixels a metre across and down, as its header says; 0 where it says nothing."""
    if struct.unpack("<I", _bytes_at(descriptor, 14, 4))[0] < 40:
        return 0, 0
    across, down = struct.unpack("<ii", _bytes_at(descriptor, 38, 8))
    return max(across, 0), max(down, 0)


def bmp_page(descriptor: int, luggage: Luggage) -> RasterPage:
    """The page of a BMP that `outlines.outline` takes for one that can be read. Raises DiskError, DamagedError."""
    offset, header = struct.unpack("<II", _bytes_at(descriptor, 10, 8))
    if header == 12:
        width, height, _, bits = struct.unpack("<HHHH", _bytes_at(descriptor, 18, 8))
    else:
        width, height, _, bits = struct.unpack("<iiHH", _bytes_at(descriptor, 18, 12))
    table = _palette(descriptor, header, bits, offset) if bits <= 8 else None
    upwards, height = height > 0, abs(height)
    stride = bmp_row_bytes(width, bits)

    def read(top: int, count: int) -> Levels:
        first = height - top - count if upwards else top
        rows = np.frombuffer(_bytes_at(descriptor, offset + first * stride, count * stride), np.uint8)
        rows = rows.reshape(count, stride)[:: -1 if upwards else 1]
        if table is not None:
            return table[_unpacked(rows, width, bits)]
        return rows[:, : width * bits // 8].reshape(count, width, bits // 8)[:, :, 2::-1]

    return RasterPage(width, height, 3 if table is None else table.shape[1], 8, luggage, read)


def _palette(descriptor: int, header: int, bits: int, offset: int) -> Levels:
    """A BMP's table of colours, (1 << bits, 3), or (1 << bits, 1) where all are grey. What is not in it is black."""
    each = 3 if header == 12 else 4
    given = 1 << bits
    if header >= 40:
        given = min(given, struct.unpack("<I", _bytes_at(descriptor, 46, 4))[0] or given)
    given = max(0, min(given, (offset - 14 - header) // each))
    entries = np.frombuffer(_bytes_at(descriptor, 14 + header, given * each), np.uint8).reshape(given, each)
    table = np.zeros((1 << bits, 3), np.uint8)
    table[:given] = entries[:, 2::-1]
    return table[:, :1] if (table == table[:, :1]).all() else table


def _unpacked(rows: Levels, width: int, bits: int) -> Levels:
    """Numbers of `bits` each out of bytes, the first in the highest bits."""
    if bits == 8:
        return rows[:, :width]
    parts = [rows >> shift & (1 << bits) - 1 for shift in range(8 - bits, -1, -bits)]
    return np.stack(parts, axis=2).reshape(len(rows), -1)[:, :width]


# --- PNM ----------------------------------------------------------------------------------------------------


def pnm_page(descriptor: int, luggage: Luggage) -> RasterPage:
    """The page of a PNM that `outlines.outline` takes for one that can be read. Raises DiskError, DamagedError."""
    size = os.fstat(descriptor).st_size
    head = pnm_head(_bytes_at(descriptor, 0, min(size, 4096)))
    if head is None:
        raise DamagedError("The PNM's header is not whole.")
    channels, bits = 3 if head.kind in (3, 6) else 1, 16 if head.most > 255 else 8
    if head.kind <= 3:
        plain = _plain(_bytes_at(descriptor, head.offset, size - head.offset), head, channels)
        return RasterPage(head.width, head.height, channels, bits, luggage, lambda top, count: plain[top : top + count])

    def read(top: int, count: int) -> Levels:
        raw = _bytes_at(descriptor, head.offset + top * head.row_bytes, count * head.row_bytes)
        if head.kind == 4:
            rows = np.frombuffer(raw, np.uint8).reshape(count, -1)
            return (255 * (1 - np.unpackbits(rows, axis=1)[:, : head.width, None])).astype(np.uint8)
        rows16 = np.frombuffer(raw, ">u2" if bits == 16 else np.uint8)
        return _stretched(rows16.reshape(count, head.width, channels), head.most)

    return RasterPage(head.width, head.height, channels, bits, luggage, read)


def _plain(text: bytes, head: PnmHead, channels: int) -> Levels:
    shape = (head.height, head.width, channels)
    count = head.height * head.width * channels
    if head.kind == 1:
        digits = np.frombuffer(text.translate(None, b" \t\r\n\v\f"), np.uint8)[:count]
        if len(digits) < count or not np.isin(digits, (48, 49)).all():
            raise DamagedError("The PNM holds something else than numbers.")
        return (255 * (49 - digits)).astype(np.uint8).reshape(shape)
    try:
        numbers = np.fromstring(text.decode("ascii"), np.int64, count, sep=" ")
    except (ValueError, UnicodeDecodeError, DeprecationWarning) as error:
        raise DamagedError("The PNM holds something else than numbers.") from error
    if len(numbers) < count or numbers.min() < 0 or numbers.max() > head.most:
        raise DamagedError("The PNM holds something else than numbers of its range.")
    return _stretched(numbers.reshape(shape), head.most)


def _stretched(levels: NDArray[np.integer[Any]], most: int) -> Levels:
    """Levels of 0 to `most` as 8 or 16 bits use them, rounded."""
    top, kind = (255, np.uint8) if most <= 255 else (65_535, np.uint16)
    if most == top:
        return levels.astype(kind)
    wide = np.minimum(levels, most).astype(np.uint32)
    rounded: Levels = ((wide * np.uint32(top) + np.uint32(most // 2)) // np.uint32(most)).astype(kind)
    return rounded
