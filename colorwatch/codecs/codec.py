"""Opens scans by their content, page after page, and finds the writer that a result takes."""

from __future__ import annotations

import os
from collections.abc import Iterator

from colorwatch.codecs.decoding import Picture
from colorwatch.codecs.foreign import FORMATS, Foreign
from colorwatch.codecs.pages import Document, Page, PageWriter
from colorwatch.codecs.pdfout import ImagePdfWriter
from colorwatch.codecs.tiffwriting import JPEG_IN_TIFF, TiffWriter
from colorwatch.codecs.webpout import WebpWriter
from colorwatch.codecs.writing import JpegWriter, PngWriter
from colorwatch.errors import DamagedError, DiskError, UnsupportedError, explain_os_error
from colorwatch.formats.signatures import SNIFFED, sniff
from colorwatch.formats.tiffkinds import TiffPage, pages_of
from colorwatch.metadata.carrying import Luggage
from colorwatch.metadata.packing import Packing
from colorwatch.scan import Provenance, RenderSettings


class Scan:
    """A JPEG or PNG, which is one page: a `pages.Document`. `provenance` is what each page's luggage is to say."""

    count = 1

    def __init__(
        self, descriptor: int, format: str, provenance: Provenance | None, result: str = "", lossy: bool = False
    ) -> None:
        self.format, self.result = format, result or format
        self.lossy = [lossy or format == "jpeg"]
        self._descriptor = descriptor
        self._packing = Packing(format, self.result, descriptor, provenance, self.lossy[0])

    def pages(self) -> Iterator[Picture]:
        """See `pages.Document`."""
        page = Picture(self._descriptor, self.format, Luggage())
        page.luggage = self._packing.of(*page.depth, page.alpha)
        yield page


class TiffScan:
    """A TIFF with all its pages: a `pages.Document`."""

    format = "tiff"

    def __init__(self, descriptor: int, provenance: Provenance | None, result: str = "", lossy: bool = False) -> None:
        self._descriptor, self.result = descriptor, result or self.format
        self._provenance = provenance
        self.parts, self.big = pages_of(descriptor)
        self.count = len(self.parts)
        self.lossy = [lossy or part.compression == JPEG_IN_TIFF for part in self.parts]

    def pages(self) -> Iterator[Picture]:
        """See `pages.Document`."""
        for number in range(self.count):
            yield self.page(number, self._provenance)

    def page(self, number: int, provenance: Provenance | None) -> Picture:
        """One page, its luggage with that `provenance`. Raises as `pages.Document` does."""
        part = self.parts[number]
        page = Picture(self._descriptor, self.format, Luggage(), part)
        packing = Packing(self.format, self.result, self._descriptor, provenance, self.lossy[number])
        page.luggage = packing.of(*page.depth, page.alpha, part.offset)
        return page


def open_document(
    descriptor: int, provenance: Provenance | None = None, result: str = "", lossy: bool = False
) -> Document:
    """Open the scan behind `descriptor` by its content, reading headers only; `result`: the format it is to become.

    With `lossy`, what could be packed without loss is not to be, where the format has both.

    Raises NotAPictureError, UnsupportedError (naming the feature), DamagedError, DiskError.
    """
    try:
        start = os.pread(descriptor, SNIFFED, 0)
    except OSError as error:
        raise DiskError(f"It cannot be read: {explain_os_error(error)}.") from error
    format = sniff(start)
    if not format:
        raise DamagedError("The file is empty or holds only its first bytes.")
    if format in FORMATS:
        return Foreign(descriptor, format, provenance, result, lossy)
    if format == "pdf":
        from colorwatch.pdf.reading import PdfScan  # qpdf takes 0.1 s to load

        return PdfScan(descriptor, provenance)
    if format == "tiff":
        return TiffScan(descriptor, provenance, result, lossy)
    return Scan(descriptor, format, provenance, result, lossy)


def reopened(document: Document, descriptor: int, number: int, provenance: Provenance | None) -> Page:
    """The page of that number of an open `document` (no PDF) once more, its luggage with that `provenance`.

    Raises as `open_document` and `pages.Document` do.
    """
    if isinstance(document, TiffScan):
        return document.page(number, provenance)
    again = open_document(descriptor, provenance, document.result, document.lossy[0])
    return next(iter(again.pages()))


def writer_for(document: Document, fd: int, settings: RenderSettings) -> PageWriter:
    """The writer that turns the pages of `document` into a result, in its `result` format, in the empty file `fd`."""
    quality = settings.jpeg_quality
    match document.result:
        case "tiff":
            parts = document.parts if isinstance(document, TiffScan) else []
            total = sum(_result_bytes(part) for part in parts)
            big = isinstance(document, TiffScan) and document.big
            compressions = [part.compression for part in parts]
            return TiffWriter(fd, total, big, compressions, settings.compression, quality)
        case "pdf" if document.format == "pdf":
            from colorwatch.pdf.writing import PdfWriter

            return PdfWriter(document, fd, quality)
        case "pdf":
            return ImagePdfWriter(fd, quality, document.lossy)
        case _ if document.count > 1:
            raise UnsupportedError(f"It has {document.count} pages, and a {document.result.upper()} holds one.")
        case "webp":
            return WebpWriter(fd, quality, document.lossy[0])
        case "jpeg":
            return JpegWriter(fd, quality)
    return PngWriter(fd)


def _result_bytes(part: TiffPage) -> int:
    return part.width * part.height * (4 if part.bands in (2, 4, 5) else 3) * (1 if part.bits <= 8 else 2)
