"""The finished images of a PDF, on disk until the document is written: a small PDF of them alone.

qpdf copies a stream of another file straight from that file, so no more than one image is ever held in memory.
"""

from __future__ import annotations

import os
import struct
import tempfile
from typing import Any

import pikepdf

_COPY = 1 << 20
_FIRST = 3  # number of the first image: 1 is the catalogue, 2 the empty list of pages


class Parts:
    """A nameless file in `folder` that images are added to; `document` reads them back as PDF streams."""

    def __init__(self, folder: str) -> None:
        """Raises OSError, as every method may: the disk is full, or gone."""
        self._file: Any = tempfile.TemporaryFile(dir=folder, buffering=_COPY)  # noqa: SIM115 - closed by `__exit__`
        self._scratch: Any = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        self._offsets: list[int] = []
        self._file.write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")

    def close(self) -> None:
        self._file.close()
        self._scratch.close()

    def scratch(self) -> int:
        """An empty file for the next image: always the same one."""
        self._scratch.seek(0)
        self._scratch.truncate()
        return int(self._scratch.fileno())

    def add(self, entries: bytes, source: int, spans: list[tuple[int, int]]) -> int:
        """Add a stream with these dictionary `entries`, of `spans` (offset, bytes) of the file `source`: its number."""
        number = _FIRST + len(self._offsets)
        self._offsets.append(self._file.tell())
        size = sum(count for _, count in spans)
        self._file.write(b"%d 0 obj\n<< %s /Length %d >>\nstream\n" % (number, entries, size))
        for first, count in spans:
            for at in range(first, first + count, _COPY):
                self._file.write(os.pread(source, min(first + count - at, _COPY), at))
        self._file.write(b"\nendstream\nendobj\n")
        return number

    def document(self) -> pikepdf.Pdf:
        """All that was added, as a PDF; to be closed before this is."""
        fixed = b"1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
        second = self._file.tell() + len(fixed)
        offsets = [self._file.tell(), second, *self._offsets]
        self._file.write(fixed + b"2 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\nendobj\n")
        table = self._file.tell()
        rows = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
        self._file.write(b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(offsets) + 1, rows))
        self._file.write(b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(offsets) + 1, table))
        self._file.flush()
        self._file.seek(0)
        return pikepdf.open(self._file, access_mode=pikepdf.AccessMode.stream, attempt_recovery=False)


def jpeg_stream(descriptor: int, width: int, height: int) -> tuple[bytes, list[tuple[int, int]]]:
    """Dictionary entries, without the colour space, and the bytes of a JPEG file as a PDF image."""
    entries = b"/Type /XObject /Subtype /Image /Width %d /Height %d /BitsPerComponent 8 /Filter /DCTDecode"
    return entries % (width, height), [(0, os.fstat(descriptor).st_size)]


def png_stream(descriptor: int) -> tuple[bytes, list[tuple[int, int]]]:
    """The same of an RGB PNG: its pixels are packed as a PDF may have them (ISO 32000-2, 7.4.4.4)."""
    size, at, spans = os.fstat(descriptor).st_size, 8, []
    width = height = bits = 0
    while at + 12 <= size:
        length, kind = struct.unpack(">I4s", os.pread(descriptor, 8, at))
        if kind == b"IHDR":
            width, height, bits = struct.unpack(">IIB", os.pread(descriptor, 9, at + 8))
        elif kind == b"IDAT":
            spans.append((at + 8, length))
        at += 12 + length
    entries = (
        b"/Type /XObject /Subtype /Image /Width %d /Height %d /BitsPerComponent %d /Filter /FlateDecode "
        b"/DecodeParms << /Predictor 15 /Colors 3 /BitsPerComponent %d /Columns %d >>"
    )
    return entries % (width, height, bits, bits, width), spans
