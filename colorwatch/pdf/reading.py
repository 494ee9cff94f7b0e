"""A scanned PDF as a document of pages: each picture of each page in its turn, its strips put together.

Everything but the pictures stays as it is: pages, their sizes and rotation, text layers, bookmarks, forms, attachments.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import numpy as np

from colorwatch.codecs.decoding import Picture
from colorwatch.codecs.foreign import page_of
from colorwatch.codecs.pages import Levels, Page
from colorwatch.errors import DamagedError, DiskError, ScanError, UnsupportedError, explain_os_error
from colorwatch.formats.outlines import Outline
from colorwatch.formats.pdffile import OpenPdf, end_fault
from colorwatch.formats.tiffkinds import of_page, pages_of
from colorwatch.metadata.carrying import Luggage
from colorwatch.pdf.placing import Drawn, PagePicture, pictures_of
from colorwatch.pdf.wrapping import in_memory, packed
from colorwatch.scan import Provenance, effort_of


class PdfScan:
    """The pictures of a PDF that are to be coloured: a `pages.Document`, whose pages are pictures.

    `count` is the number of the PDF's pages, `number` the page (from 1) that is looked at.
    """

    format = result = "pdf"

    def __init__(self, descriptor: int, provenance: Provenance | None = None) -> None:
        """Raises as `document.OpenPdf` does."""
        self.file = OpenPdf(descriptor)
        self.pdf = self.file.pdf
        self.provenance = provenance
        self.count = len(self.pdf.pages)
        self.lossy = [False] * self.count
        self.number = 1
        self.done = set[tuple[int, int]]()
        """Images that were coloured already: a document may show one on many pages."""

    def close(self) -> None:
        """The document's own files, not the descriptor."""
        self.file.close()

    def pages(self) -> Iterator[PdfPage]:
        """See `pages.Document`."""
        for picture in self.pictures():
            if not self.done.issuperset(strip.key for strip in picture.strips):
                page = PdfPage(picture, self.file)
                yield page
                self.done.update(strip.key for strip in picture.strips)

    def pictures(self) -> Iterator[PagePicture]:
        """All that is to be coloured, page by page; `number` follows.

        Pictures of one bit a pixel are text or line art where others have shades, and stay as they are. Raises
        UnsupportedError where there is nothing to colour.
        """
        shaded = any(picture.bits > 1 for picture in self._all())
        found = False
        for picture in self._all():
            if picture.bits > 1 or not shaded:
                found = True
                yield picture
        if not found:
            self.number = 0
            raise UnsupportedError(
                "It is a PDF without scanned pages: it holds text and drawings, small images, or pictures in layers."
            )

    def _all(self) -> Iterator[PagePicture]:
        for number, page in enumerate(self.pdf.pages, 1):
            self.number = number
            with self.file.reading():
                found = pictures_of(self.pdf, page)
            yield from found


class PdfPage:
    """One picture of a PDF: a `pages.Page`. `lossless` says of each strip how its result is to be packed."""

    alpha = False

    def __init__(self, picture: PagePicture, file: OpenPdf) -> None:
        self.picture, self._file = picture, file
        self.width, self.height = picture.width, picture.height
        self.luggage = Luggage(orientation=picture.orientation)
        self.profile: bytes | None = None
        self.lossless: list[bool] = []
        self.colours = self.bits = 0
        for strip in picture.strips:
            with _opened(strip, self._file) as (image, lossless):
                self.colours, self.bits = max(self.colours, image.colours), max(self.bits, image.bits)
                self.lossless.append(lossless)

    def strips(self) -> Iterator[Levels]:
        """See `pages.Page`."""
        for strip in self.picture.strips:
            with _opened(strip, self._file) as (image, _):
                for rows in image.strips():
                    yield self._fitting(rows[:, :, : image.colours])

    def _fitting(self, rows: Levels) -> Levels:
        """Strips of one picture may differ in depth and colours: all as the richest one."""
        if self.bits == 16 and rows.dtype == np.uint8:
            rows = rows.astype(np.uint16) * np.uint16(257)
        return np.repeat(rows, 3, axis=2) if rows.shape[2] < self.colours else rows


@contextlib.contextmanager
def _opened(strip: Drawn, file: OpenPdf) -> Iterator[tuple[Page, bool]]:
    with file.reading():
        found = packed(strip.image)
        format, lossless = found.format, found.lossless
        descriptor = in_memory(found.content)
    del found
    try:
        image: Page
        if format == "jp2":
            image, lossless = page_of(descriptor, format)
        else:
            part = pages_of(descriptor)[0][0] if format == "tiff" else None
            image = Picture(descriptor, format, Luggage(), part)
        if (image.width, image.height) != (strip.width, strip.height):
            raise DamagedError("An image of the PDF has another size than its page says.")
        yield image, lossless
    finally:
        os.close(descriptor)


def outline_of(descriptor: int) -> Outline:
    """What the PDF behind `descriptor` holds, with the sides of its largest picture; nothing is decoded.

    Raises TooLargeError, DiskError, MemoryShortError.
    """
    try:
        reason = end_fault(descriptor)
        return Outline(reason=reason) if reason else _outline(PdfScan(descriptor))
    except DamagedError as error:
        return Outline(reason=str(error))
    except UnsupportedError as error:
        return Outline(unsupported=str(error))
    except OSError as error:
        raise DiskError(f"It cannot be read: {explain_os_error(error)}.") from error


def _outline(scan: PdfScan) -> Outline:
    try:
        sizes, packed_bytes = [], 0
        for picture in scan.pictures():
            sizes.append((picture.width * picture.height, picture.width, picture.height, max(picture.bits, 8)))
            lengths = [int(strip.image.get("/Length", 0)) for strip in picture.strips]
            packed_bytes = max(packed_bytes, *lengths)
        _, width, height, bits = max(sizes)
        # Packed images are held twice: as qpdf gives them, and as a file for the codec.
        effort = effort_of(area for area, *_ in sizes)
        return Outline(width, height, scan.count, bits=bits, decoder_bytes=2 * packed_bytes, effort=effort)
    except ScanError as error:
        if error.retryable or not scan.number or scan.count == 1:
            raise
        raise type(error)(of_page(str(error), scan.number, scan.count)) from error
    finally:
        scan.close()
