"""TIFFs, written page after page: by libvips, or as strips that are JPEGs."""

from __future__ import annotations

import os
from typing import Any

import cv2
import numpy as np

from colorwatch.codecs.jpegstrips import StripError, fitting_rows, whole_strip
from colorwatch.codecs.pages import Page, Paint
from colorwatch.codecs.streams import Writer
from colorwatch.codecs.tiffout import append_directory, append_page, file_head, jpeg_entries
from colorwatch.codecs.writing import encode
from colorwatch.formats.tifftags import TiffError

# Of a coloured 12-megapixel photograph, one thread: deflate level 3, 16.0 MB in 0.27 s; level 6, 15.7 MB in 0.50 s;
# LZW, 18.3 MB in 0.40 s; deflate by Python's zlib instead of libtiff's, 1.7 times as long.
_DEFLATE = {"compression": "deflate", "level": 3, "predictor": "horizontal"}
_LZW = {"compression": "lzw", "predictor": "horizontal"}
_NONE = {"compression": "none"}
JPEG_IN_TIFF = 7  # the number of that compression

CLASSIC_BYTES = 3_900_000_000  # of pixels; offsets in a TIFF that is not a BigTIFF have 32 bits


class TiffWriter:
    """A `pages.PageWriter` of as many pages as come, each with its own size, depth, compression and tags.

    `total_bytes` is what all pages take uncompressed, `big` asks for a BigTIFF in any case. `compressions` are those of
    the scan's pages, as the tag's numbers: with the wish "same", what is not compressed stays so, 8 bits of LZW too,
    and all else is deflated. The wish "jpeg" is for 8 bits without alpha; all else is deflated then, too.
    """

    bits = 16
    alpha = True
    blue_first = False

    def __init__(
        self, fd: int, total_bytes: int, big: bool, compressions: list[int], wish: str = "same", quality: int = 92
    ) -> None:
        """`wish` is one of `scan.COMPRESSIONS`; `quality` that of JPEG."""
        self._fd, self._wish, self._quality = fd, wish, quality
        self._big = big or total_bytes > CLASSIC_BYTES
        self._compressions = compressions
        self._written = 0
        self._link_at = 0

    def strip_rows(self, width: int, wanted: int, /) -> int:
        """See `pages.PageWriter`."""
        return fitting_rows(width, wanted) if self._wish == "jpeg" else wanted

    def add(self, page: Page, bits: int, rows: int, paint: Paint, /) -> None:
        """See `pages.PageWriter`."""
        large = page.width * page.height * (3 + page.alpha) * bits // 8 > CLASSIC_BYTES
        if not self._written:
            self._big |= large
        if self._wish == "jpeg" and bits == 8 and not page.alpha:
            self._add_jpeg(page, rows, paint)
        else:
            self._add_plain(page, bits, rows, paint, large)
        self._written += 1

    def _add_plain(self, page: Page, bits: int, rows: int, paint: Paint, large: bool) -> None:
        base = os.lseek(self._fd, 0, os.SEEK_END)
        base = os.lseek(self._fd, base + base % 2, os.SEEK_SET)
        writer = Writer(self._fd, None, base)
        # A page that is not the first gets its directory from `append_page`, in the file's own kind.
        options = self._compression(bits) | {"bigtiff": large if base else self._big}

        def save(image: Any) -> None:
            image.tiffsave_target(writer.target, keep="icc", **options)
            self._link_at = append_page(self._fd, base, self._big, page.luggage.tags, self._link_at)

        encode(page, bits, rows, paint, writer, save)

    def _add_jpeg(self, page: Page, rows: int, paint: Paint) -> None:
        writer = Writer(self._fd, None)
        strips = list[tuple[int, int]]()
        try:
            at = os.lseek(self._fd, 0, os.SEEK_END)
            if not at:
                writer.write_all(file_head(self._big))
                at = os.lseek(self._fd, 0, os.SEEK_CUR)
            for top in range(0, page.height, rows):
                levels = paint(top, min(top + rows, page.height))
                strip = whole_strip(np.ascontiguousarray(levels[:, :, ::-1]), self._quality)
                writer.write_all(strip)
                strips.append((at, len(strip)))
                at += len(strip)
            own = jpeg_entries(page.width, page.height, rows, strips, self._big, page.profile)
            self._link_at = append_directory(self._fd, self._big, own, page.luggage.tags, self._link_at)
        except (OSError, StripError, TiffError, cv2.error) as error:
            raise writer.blame(error) from error
        finally:
            writer.close()

    def _compression(self, bits: int) -> dict[str, Any]:
        if self._wish != "same":
            return {"none": _NONE, "lzw": _LZW}.get(self._wish, _DEFLATE)
        before = self._compressions[self._written] if self._written < len(self._compressions) else 0
        if before == 1:
            return _NONE
        # LZW makes 16 bits larger than they are.
        return _LZW if before == 5 and bits == 8 else _DEFLATE

    def finish(self) -> None:
        """See `pages.PageWriter`."""
