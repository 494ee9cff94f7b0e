"""A WebP result: packed by libvips, its metadata put in by our own hands (RFC 9649)."""

from __future__ import annotations

import os
import struct
from typing import Any

from colorwatch.codecs.pages import Page, Paint
from colorwatch.codecs.streams import Writer
from colorwatch.codecs.writing import encode
from colorwatch.errors import DiskError, explain_os_error
from colorwatch.metadata.pieces import riff_chunk

LARGEST_SIDE = 16_383  # pixels
_ICC, _ALPHA, _EXIF, _XMP = 0x20, 0x10, 0x08, 0x04
_COPY = 1 << 20
# Q is effort here. Of 17 megapixels, one thread: Q 0 and effort 0, 15 MB in 2 s; Q 75 and effort 0, 13 MB in 16 s; Q 75
# and effort 2, 11 MB in 19 s and twice the memory.
_LOSSLESS: dict[str, Any] = {"lossless": True, "exact": True, "effort": 0, "Q": 0}


class WebpWriter:
    """A `pages.PageWriter` of one page. `fd` is an empty file, open for reading and writing.

    What is lossy has half as many pixels of colour as of light across and down: WebP knows nothing else.
    """

    bits = 8
    alpha = True
    blue_first = False

    def __init__(self, fd: int, quality: int, lossy: bool) -> None:
        self._fd, self._quality, self._lossy = fd, quality, lossy

    def strip_rows(self, _width: int, wanted: int, /) -> int:
        """See `pages.PageWriter`."""
        return wanted

    def add(self, page: Page, bits: int, rows: int, paint: Paint, /) -> None:
        """See `pages.PageWriter`."""
        writer = Writer(self._fd, None)
        options = {"Q": self._quality, "smart_subsample": True, "effort": 2} if self._lossy else _LOSSLESS

        def save(image: Any) -> None:
            image.webpsave_target(writer.target, keep="icc", **options)

        encode(page, bits, rows, paint, writer, save)
        try:
            _put_in(self._fd, page)
        except OSError as error:
            raise DiskError(f"The result cannot be written: {explain_os_error(error)}.") from error

    def finish(self) -> None:
        """See `pages.PageWriter`."""


def _put_in(fd: int, page: Page) -> None:
    """Add the page's luggage (whole chunks) to the WebP in `fd`, and the flags that announce it."""
    chunks = page.luggage.head
    if not chunks:
        return
    flags = (_EXIF if chunks[:4] == b"EXIF" else 0) | (_XMP if b"XMP " in chunks else 0)
    size = os.fstat(fd).st_size
    if os.pread(fd, 4, 12) == b"VP8X":
        os.pwrite(fd, bytes((os.pread(fd, 1, 20)[0] | flags,)), 20)
    else:
        flags |= _ALPHA if page.alpha else 0
        sides = (page.width - 1).to_bytes(3, "little") + (page.height - 1).to_bytes(3, "little")
        head = riff_chunk(b"VP8X", bytes((flags, 0, 0, 0)) + sides)
        for at in range((size - 12 - 1) // _COPY * _COPY + 12, 11, -_COPY):
            os.pwrite(fd, os.pread(fd, min(_COPY, size - at), at), at + len(head))
        os.pwrite(fd, head, 12)
        size += len(head)
    os.pwrite(fd, chunks, size)
    os.pwrite(fd, struct.pack("<I", size + len(chunks) - 8), 4)
