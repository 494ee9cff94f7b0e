"""JPEG, PNG and TIFF, written from rows as they are painted: no result is ever held whole.

JPEGs are encoded by OpenCV (see `jpegstrips`), because a scanner's usual format ought to be the fastest; PNG and TIFF
by libvips, which reads a picture that exists nowhere (see `streams.Painted`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import cv2
import pyvips

from colorwatch.codecs.jpegstrips import StripError, fitting_rows, write_jpeg
from colorwatch.codecs.pages import Page, Paint
from colorwatch.codecs.streams import Painted, Writer
from colorwatch.codecs.tiffout import append_page
from colorwatch.formats.tifftags import TiffError

# Of a coloured 12-megapixel photograph, one thread: PNG level 3, filter "up", 15.3 MB in 0.27 s; level 6, 14.9 MB in
# 0.56 s; level 1 without filter, 21.3 MB in 0.10 s. TIFF deflate level 3, 16.0 MB in 0.27 s; level 6, 15.7 MB in
# 0.50 s; LZW, 18.3 MB in 0.40 s; deflate by Python's zlib instead of libtiff's, 1.7 times as long.
_PNG = {"compression": 3, "filter": "up"}
_DEFLATE = {"compression": "deflate", "level": 3, "predictor": "horizontal"}
_LZW = {"compression": "lzw", "predictor": "horizontal"}

CLASSIC_BYTES = 3_900_000_000  # of pixels; offsets in a TIFF that is not a BigTIFF have 32 bits


class JpegWriter:
    """A `pages.PageWriter` of one page. `fd` is an empty file, open for reading and writing; so of the others."""

    bits = 8
    alpha = False
    blue_first = True

    def __init__(self, fd: int, quality: int) -> None:
        self._fd, self._quality = fd, quality

    def strip_rows(self, width: int, wanted: int, /) -> int:
        """See `pages.PageWriter`."""
        return fitting_rows(width, wanted)

    def add(self, page: Page, _bits: int, rows: int, paint: Paint, /) -> None:
        """See `pages.PageWriter`."""
        writer = Writer(self._fd, None)
        try:
            write_jpeg(
                writer.write_all, page.width, page.height, rows, paint, self._quality, page.luggage.head, page.profile
            )  # fmt: skip
        except (OSError, StripError, cv2.error) as error:
            raise writer.blame(error) from error

    def finish(self) -> None:
        """See `pages.PageWriter`."""


class PngWriter:
    """A `pages.PageWriter` of one page."""

    bits = 16
    alpha = True
    blue_first = False

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def strip_rows(self, _width: int, wanted: int, /) -> int:
        """See `pages.PageWriter`."""
        return wanted

    def add(self, page: Page, bits: int, rows: int, paint: Paint, /) -> None:
        """See `pages.PageWriter`."""
        writer = Writer(self._fd, page.luggage.head)

        def save(image: Any) -> None:
            image.pngsave_target(writer.target, keep="icc", **_PNG)

        encode(page, bits, rows, paint, writer, save)

    def finish(self) -> None:
        """See `pages.PageWriter`."""


class TiffWriter:
    """A `pages.PageWriter` of as many pages as come, each with its own size, depth, compression and tags.

    `total_bytes` is what all pages take uncompressed, `big` asks for a BigTIFF in any case. `compressions` are those of
    the scan's pages, as the tag's numbers: what is not compressed stays so, 8 bits of LZW too; all else is deflated.
    """

    bits = 16
    alpha = True
    blue_first = False

    def __init__(self, fd: int, total_bytes: int, big: bool, compressions: list[int]) -> None:
        self._fd = fd
        self._big = big or total_bytes > CLASSIC_BYTES
        self._compressions = compressions
        self._written = 0
        self._link_at = 0

    def strip_rows(self, _width: int, wanted: int, /) -> int:
        """See `pages.PageWriter`."""
        return wanted

    def add(self, page: Page, bits: int, rows: int, paint: Paint, /) -> None:
        """See `pages.PageWriter`."""
        base = os.lseek(self._fd, 0, os.SEEK_END)
        base = os.lseek(self._fd, base + base % 2, os.SEEK_SET)
        writer = Writer(self._fd, None, base)
        # A page that is not the first gets its directory from `append_page`, in the file's own kind.
        large = page.width * page.height * (3 + page.alpha) * bits // 8 > CLASSIC_BYTES
        options = self._compression(bits) | {"bigtiff": large if base else self._big}

        def save(image: Any) -> None:
            image.tiffsave_target(writer.target, keep="icc", **options)
            self._link_at = append_page(self._fd, base, self._big, page.luggage.tags, self._link_at)

        encode(page, bits, rows, paint, writer, save)
        self._written += 1

    def _compression(self, bits: int) -> dict[str, Any]:
        before = self._compressions[self._written] if self._written < len(self._compressions) else 0
        if before == 1:
            return {"compression": "none"}
        # LZW makes 16 bits larger than they are.
        return _LZW if before == 5 and bits == 8 else _DEFLATE

    def finish(self) -> None:
        """See `pages.PageWriter`."""


def encode(page: Page, bits: int, rows: int, paint: Paint, writer: Writer, save: Callable[[Any], None]) -> None:
    """Let `save` write, to `writer`, the libvips image that `paint` gives. Raises as `pages.PageWriter.add` does."""
    painted = Painted(page.width, page.height, 3 + page.alpha, bits, rows, paint)
    try:
        image = pyvips.Operation.call("tiffload_source", painted.source, access="sequential", fail_on="error").copy()
        if page.profile is not None:
            image.set_type(pyvips.GValue.blob_type, "icc-profile-data", page.profile)
        save(image)
        writer.finish()
    except (pyvips.Error, OSError, TiffError) as error:
        if painted.fault:
            raise painted.fault  # noqa: B904 - it has a cause of its own, which may be a want of memory
        raise writer.blame(error) from error
    finally:
        painted.close()
        writer.close()
    if painted.fault or writer.fault or writer.short:
        raise painted.fault or writer.blame(None)
