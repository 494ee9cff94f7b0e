"""The coloured pictures of a PDF back into their places, and the document written anew around them."""

from __future__ import annotations

import io
import os
from typing import Any

import numpy as np
import pikepdf
import pyvips

from colorwatch.codecs.jpegstrips import fitting_rows
from colorwatch.codecs.pages import Levels, Paint
from colorwatch.codecs.pdfout import Part
from colorwatch.codecs.writing import JpegWriter, PngWriter
from colorwatch.errors import DiskError, explain_os_error
from colorwatch.formats.pdffile import OWN_KEY, packet_of
from colorwatch.metadata import provenance as packets
from colorwatch.metadata.xmp import XmpError
from colorwatch.pdf.parts import Parts, jpeg_stream, png_stream
from colorwatch.pdf.placing import Drawn
from colorwatch.pdf.reading import PdfScan
from colorwatch.scan import Provenance

_KEPT = ("/StructParent", "/OC", "/Metadata", "/Name")
_INTENTS = ("/AbsoluteColorimetric", "/RelativeColorimetric", "/Saturation", "/Perceptual")


class PdfWriter:
    """A `pages.PageWriter` for the pictures of `scan`; `fd` is an empty file, open for reading and writing.

    What was a JPEG becomes one of `quality`; what was packed without loss is packed so again. All results name sRGB's
    profile. Finished pictures wait on the disk that `fd` is on. Raises DiskError.
    """

    bits = 16
    alpha = False
    blue_first = True

    def __init__(self, scan: Any, fd: int, quality: int) -> None:
        """`scan` is a PdfScan."""
        self._scan: PdfScan = scan
        self._fd, self._quality = fd, quality
        self._numbers: dict[tuple[int, int], int] = {}
        with _disk_faults():
            self._parts = Parts(_folder_of(fd))

    def strip_rows(self, width: int, wanted: int, /) -> int:
        """See `pages.PageWriter`."""
        return fitting_rows(width, wanted)

    def add(self, page: Any, bits: int, rows: int, paint: Paint, /) -> None:
        """See `pages.PageWriter`; `page` is a PdfPage of `scan`."""
        top = 0
        for strip, lossless in zip(page.picture.strips, page.lossless, strict=True):
            self._add_strip(strip, lossless, bits, rows, _shifted(paint, top, lossless))
            top += strip.height

    def _add_strip(self, strip: Drawn, lossless: bool, bits: int, rows: int, paint: Paint) -> None:
        with _disk_faults():
            target = self._parts.scratch()
        writer = PngWriter(target) if lossless else JpegWriter(target, self._quality)
        writer.add(Part(strip.width, strip.height), bits, rows, paint)
        with _disk_faults():
            entries, spans = png_stream(target) if lossless else jpeg_stream(target, strip.width, strip.height)
            self._numbers[strip.key] = self._parts.add(entries + _kept_entries(strip.image), target, spans)

    def finish(self) -> None:
        """See `pages.PageWriter`."""
        pdf = self._scan.pdf
        with _disk_faults(), self._scan.file.reading(), self._parts.document() as finished:
            _replace(self._scan, finished, self._numbers)
            for page in pdf.pages:
                if "/Thumb" in page.obj:  # it shows the grey page
                    del page.obj["/Thumb"]
            if self._scan.provenance is not None:
                _sign(pdf, self._scan.provenance)
            _write(pdf, self._fd)

    def close(self) -> None:
        self._parts.close()


def _write(pdf: pikepdf.Pdf, fd: int) -> None:
    # Of other files, pikepdf would read the XMP packet only to see whether they are PDF/A, and empty an odd one.
    archival = b"pdfaid" in packet_of(pdf)
    with io.BufferedRandom(io.FileIO(fd, "r+", closefd=False)) as file:
        pdf.save(
            file, preserve_pdfa=archival, fix_metadata_version=False, compress_streams=False, deterministic_id=True
        )  # fmt: skip


def _shifted(paint: Paint, top: int, red_first: bool) -> Paint:
    """`paint` for a strip that begins at row `top` of its picture."""

    def painted(first: int, last: int) -> Levels:
        levels = paint(top + first, top + last)
        return np.ascontiguousarray(levels[:, :, ::-1]) if red_first else levels

    return painted


class _disk_faults:  # noqa: N801 - read as a statement
    """Turns what the system says while a result is written into a DiskError."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> None:
        if isinstance(error, OSError):
            raise DiskError(f"The result cannot be written: {explain_os_error(error)}.") from error


def _folder_of(fd: int) -> str:
    return os.path.dirname(os.readlink(f"/proc/self/fd/{fd}"))


def _kept_entries(image: Any) -> bytes:
    """What an image's dictionary says that is as true of the result."""
    kept = b" /Interpolate true" if bool(image.get("/Interpolate", False)) else b""
    intent = str(image.get("/Intent", ""))
    return kept + (b" /Intent " + intent.encode() if intent in _INTENTS else b"")


def _replace(scan: PdfScan, finished: pikepdf.Pdf, numbers: dict[tuple[int, int], int]) -> None:
    """Put the finished images where the scan's were, on every page that shows them."""
    pdf = scan.pdf
    icc = pdf.make_stream(bytes(pyvips.Image.profile_load("srgb")), N=3, Alternate=pikepdf.Name.DeviceRGB)
    space = pdf.make_indirect(pikepdf.Array([pikepdf.Name.ICCBased, icc]))
    images: dict[tuple[int, int], Any] = {}
    for strip in [strip for picture in scan.pictures() for strip in picture.strips]:
        if strip.key not in numbers:
            continue  # it is left as it is
        if strip.key not in images:
            image = pdf.copy_foreign(finished.get_object(numbers[strip.key], 0))
            image.ColorSpace = space
            for key in _KEPT:
                if key in strip.image:
                    image[key] = strip.image[key]
            images[strip.key] = image
        strip.home[strip.name] = images[strip.key]


# --- where it comes from ------------------------------------------------------------------------------------


def _sign(pdf: pikepdf.Pdf, provenance: Provenance) -> None:
    """Say so in the document's XMP packet; in a key of our own where that packet cannot be changed.

    A scan that names the program that made it keeps that name.
    """
    info = pdf.docinfo
    producer = str(info.get("/Producer", "")).strip()
    tool_known = bool(str(info.get("/Creator", "")).strip()) or bool(producer and not packets.is_ours(producer))
    if not tool_known:
        info["/Producer"] = packets.SOFTWARE
    if OWN_KEY in info:
        del info[OWN_KEY]
    earlier = packet_of(pdf)
    try:
        if earlier:
            packet = packets.added_to(earlier, provenance, tool_known)
        else:
            packet = packets.packet(provenance, tool_known)
    except XmpError:
        info[OWN_KEY] = packets.packet(provenance, tool_known, wrapped=False).decode("ascii")
        return
    pdf.Root.Metadata = pdf.make_stream(packet, Type=pikepdf.Name.Metadata, Subtype=pikepdf.Name.XML)
