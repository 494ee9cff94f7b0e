"""Opens scans by their content, page after page, and finds the writer that a result takes."""

from __future__ import annotations

import os
from collections.abc import Iterator

from colorwatch.codecs.decoding import Picture
from colorwatch.codecs.foreign import FORMATS, Foreign
from colorwatch.codecs.pages import Document, PageWriter
from colorwatch.codecs.webpout import WebpWriter
from colorwatch.codecs.writing import JpegWriter, PngWriter, TiffWriter
from colorwatch.errors import DamagedError, DiskError, explain_os_error
from colorwatch.formats.signatures import SNIFFED, sniff
from colorwatch.formats.tiffkinds import TiffPage, pages_of
from colorwatch.metadata.carrying import pack
from colorwatch.scan import Provenance, RenderSettings


class Scan:
    """A JPEG or PNG, which is one page: a `pages.Document`. `provenance` is what each page's luggage is to say."""

    count = 1

    def __init__(self, descriptor: int, format: str, provenance: Provenance | None) -> None:
        self.format = format
        self._descriptor, self._provenance = descriptor, provenance

    def pages(self) -> Iterator[Picture]:
        """See `pages.Document`."""
        size = os.fstat(self._descriptor).st_size
        yield Picture(self._descriptor, self.format, pack(self.format, self._descriptor, size, self._provenance))


class TiffScan:
    """A TIFF with all its pages: a `pages.Document`."""

    format = "tiff"

    def __init__(self, descriptor: int, provenance: Provenance | None) -> None:
        self._descriptor, self._provenance = descriptor, provenance
        self.parts, self.big = pages_of(descriptor)
        self.count = len(self.parts)

    def pages(self) -> Iterator[Picture]:
        """See `pages.Document`."""
        size = os.fstat(self._descriptor).st_size
        for part in self.parts:
            luggage = pack(self.format, self._descriptor, size, self._provenance, part.offset)
            yield Picture(self._descriptor, self.format, luggage, part)


def open_document(descriptor: int, provenance: Provenance | None = None) -> Document:
    """Open the scan behind `descriptor` by its content, reading headers only.

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
        return Foreign(descriptor, format, provenance)
    if format == "pdf":
        from colorwatch.pdf.reading import PdfScan  # qpdf takes 0.1 s to load

        return PdfScan(descriptor, provenance)
    return TiffScan(descriptor, provenance) if format == "tiff" else Scan(descriptor, format, provenance)


def writer_for(document: Document, fd: int, settings: RenderSettings) -> PageWriter:
    """The writer that turns the pages of `document` into a result, in the same format, in the empty file `fd`."""
    if isinstance(document, TiffScan):
        total = sum(_result_bytes(part) for part in document.parts)
        return TiffWriter(fd, total, document.big, [part.compression for part in document.parts])
    if document.format == "pdf":
        from colorwatch.pdf.writing import PdfWriter

        return PdfWriter(document, fd, settings.jpeg_quality)
    format = document.format
    if isinstance(document, Foreign):
        format = document.result
        if format == "webp":
            return WebpWriter(fd, settings.jpeg_quality, document.lossless)
    return JpegWriter(fd, settings.jpeg_quality) if format == "jpeg" else PngWriter(fd)


def _result_bytes(part: TiffPage) -> int:
    return part.width * part.height * (4 if part.bands in (2, 4, 5) else 3) * (1 if part.bits <= 8 else 2)
