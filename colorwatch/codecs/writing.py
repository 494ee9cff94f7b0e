"""JPEG and PNG, written from rows as they are painted: no result is ever held whole.

JPEGs are encoded by OpenCV (see `jpegstrips`), because a scanner's usual format ought to be the fastest; PNG, and TIFF
(see `tiffwriting`), by libvips, which reads a picture that exists nowhere (see `streams.Painted`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import pyvips

from colorwatch.codecs.jpegstrips import StripError, fitting_rows, write_jpeg
from colorwatch.codecs.pages import Page, Paint
from colorwatch.codecs.streams import Painted, Writer
from colorwatch.formats.tifftags import TiffError

# Of a coloured 12-megapixel photograph, one thread: PNG level 3, filter "up", 15.3 MB in 0.27 s; level 6, 14.9 MB in
# 0.56 s; level 1 without filter, 21.3 MB in 0.10 s.
_PNG = {"compression": 3, "filter": "up"}


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

        encode(page, bits, rows, paint, writer, lambda image: save_png(image, writer))

    def finish(self) -> None:
        """See `pages.PageWriter`."""


def save_png(image: Any, writer: Writer) -> None:
    """Write the libvips image `image` to `writer`."""
    image.pngsave_target(writer.target, keep="icc", **_PNG)


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
