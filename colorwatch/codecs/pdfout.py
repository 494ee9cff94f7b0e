"""A PDF made of pictures: each page of a scan that is none becomes a page as large as the scan was, and nothing else.

Written by hand, in one go from first to last byte, so that pictures of any size pass through (ISO 32000-2, 7.5, 8.9).
What a scan that is a PDF becomes is written by `pdf.writing`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyvips

from colorwatch import __version__
from colorwatch.codecs.jpegstrips import fitting_rows
from colorwatch.codecs.pages import Levels, Page, Paint
from colorwatch.codecs.streams import Writer
from colorwatch.codecs.writing import JpegWriter, encode, save_png
from colorwatch.errors import DiskError, explain_os_error
from colorwatch.metadata.carrying import Luggage

POINTS = 72 / 0.0254  # a metre
USUAL_METRE = 300 / 0.0254  # pixels, where a scan says nothing sensible
_SENSIBLE = (20 / 0.0254, 20_000 / 0.0254)
_SHORTEST, _LONGEST = 3.0, 14_400.0  # points of a page's side that readers take (ISO 32000-1, annex C)
_CATALOGUE, _PAGES, _PROFILE, _INFO, _PACKET, _FIRST = 1, 2, 3, 4, 5, 6
_EACH = 4  # objects a page: the picture, its length, what is drawn, the page
_TEXTS = {b"/Title": (269, 270), b"/Author": (315,)}
_DATE = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)")
_EXIF, _TAKEN, _CHANGED = 34665, 36867, 306

# EXIF orientation -> where the sides and the corner of a picture of width w and height h go, so that it is upright.
_PLACES = {1: "w 0 0 h 0 0", 2: "-w 0 0 h w 0", 3: "-w 0 0 -h w h", 4: "w 0 0 -h 0 h"}
_PLACES |= {5: "0 -w -h 0 h w", 6: "0 -w h 0 0 w", 7: "0 w h 0 0 0", 8: "0 w -h 0 h 0"}


@dataclass(frozen=True, slots=True)
class Part:
    """A picture of RGB without a page around it, as the writers of JPEG and PNG want a page."""

    width: int
    height: int
    luggage: Luggage = field(default_factory=Luggage)
    profile: bytes | None = None
    alpha: bool = False
    colours: int = 3
    bits: int = 8

    def strips(self) -> Any:
        raise NotImplementedError


class ImagePdfWriter:
    """A `pages.PageWriter` of as many pages as come; `lossy` says which of them become JPEGs."""

    alpha = False
    blue_first = True

    def __init__(self, fd: int, quality: int, lossy: list[bool]) -> None:
        self._fd, self._quality, self._lossy = fd, quality, lossy
        self._offsets: dict[int, int] = {}
        self._first: Luggage | None = None
        self._count = 0

    @property
    def bits(self) -> int:
        """See `pages.PageWriter`: of the page that comes next."""
        return 8 if self._lossy[min(self._count, len(self._lossy) - 1)] else 16

    def strip_rows(self, width: int, wanted: int, /) -> int:
        """See `pages.PageWriter`."""
        return fitting_rows(width, wanted)

    def add(self, page: Page, bits: int, rows: int, paint: Paint, /) -> None:
        """See `pages.PageWriter`."""
        try:
            self._add(page, bits, rows, paint)
        except OSError as error:
            raise DiskError(f"The result cannot be written: {explain_os_error(error)}.") from error

    def _add(self, page: Page, bits: int, rows: int, paint: Paint) -> None:
        if self._first is None:
            self._first = page.luggage
            self._put(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
            icc = bytes(pyvips.Image.profile_load("srgb"))
            self._stream(_PROFILE, b"/N 3 /Alternate /DeviceRGB", icc)
        number = _FIRST + _EACH * self._count
        lossless = not self._lossy[self._count]
        self._count += 1
        self._object(number)
        head = b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /BitsPerComponent %d /Length %d 0 R\n"
        self._put(head % (page.width, page.height, bits, number + 1))
        self._put(b"/ColorSpace [/ICCBased %d 0 R] " % _PROFILE)
        packed = b"/Filter /FlateDecode /DecodeParms << /Predictor 15 /Colors 3 /BitsPerComponent %d /Columns %d >>"
        self._put((packed % (bits, page.width) if lossless else b"/Filter /DCTDecode") + b" >>\nstream\n")
        begin = self._at()
        part = Part(page.width, page.height, Luggage() if lossless else Luggage(head=page.luggage.head), bits=bits)
        if lossless:
            writer = _PixelsOnly(self._fd)
            encode(part, bits, rows, _red_first(paint), writer, lambda image: save_png(image, writer))
        else:
            JpegWriter(self._fd, self._quality).add(part, bits, rows, paint)
        length = self._at() - begin
        self._put(b"\nendstream\nendobj\n")
        self._object(number + 1, b"%d" % length)
        drawn, size = _placed(page)
        self._stream(number + 2, b"", drawn)
        shown = b"<< /Type /Page /Parent %d 0 R /Contents %d 0 R %s /Resources << /XObject << /I %d 0 R >> >> >>"
        self._object(number + 3, shown % (_PAGES, number + 2, size, number))

    def finish(self) -> None:
        """See `pages.PageWriter`."""
        try:
            self._finish(self._first or Luggage())
        except OSError as error:
            raise DiskError(f"The result cannot be written: {explain_os_error(error)}.") from error

    def _finish(self, first: Luggage) -> None:
        packet = b""
        if first.packet:
            self._stream(_PACKET, b"/Type /Metadata /Subtype /XML", first.packet)
            packet = b" /Metadata %d 0 R" % _PACKET
        self._object(_CATALOGUE, b"<< /Type /Catalog /Pages %d 0 R%s >>" % (_PAGES, packet))
        kids = b" ".join(b"%d 0 R" % (_FIRST + _EACH * page + 3) for page in range(self._count))
        self._object(_PAGES, b"<< /Type /Pages /Count %d /Kids [%s] >>" % (self._count, kids))
        entries = b" ".join(key + b" " + value for key, value in _information(first).items())
        self._object(_INFO, b"<< %s >>" % entries)
        table, size = self._at(), _FIRST + _EACH * self._count
        free = b"%010d 65535 f \n"
        rows = [b"%010d 00000 n \n" % self._offsets[at] if at in self._offsets else free % 0 for at in range(size)]
        self._put(b"xref\n0 %d\n%s" % (size, b"".join(rows)))
        self._put(b"trailer\n<< /Size %d /Root %d 0 R /Info %d 0 R >>\n" % (size, _CATALOGUE, _INFO))
        self._put(b"startxref\n%d\n%%%%EOF\n" % table)

    def _at(self) -> int:
        return os.lseek(self._fd, 0, os.SEEK_CUR)

    def _put(self, content: bytes) -> None:
        while content:
            content = content[os.write(self._fd, content) :]

    def _object(self, number: int, content: bytes = b"") -> None:
        """Begin an object, or write all of it."""
        self._offsets[number] = self._at()
        self._put(b"%d 0 obj\n%s" % (number, content + b"\nendobj\n" if content else b""))

    def _stream(self, number: int, entries: bytes, content: bytes) -> None:
        self._object(number, b"<< %s /Length %d >>\nstream\n%s\nendstream" % (entries, len(content), content))


class _PixelsOnly(Writer):
    """Takes a PNG and writes its packed pixels alone: a PDF may have them so (ISO 32000-2, 7.4.4.4)."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, b"")
        self._head = bytearray()
        self._skip = 8  # bytes to come that are of no use: now the signature
        self._take = 0  # and that are pixels

    def write_all(self, content: Any) -> None:
        """See `Writer`."""
        rest = memoryview(content)
        while rest:
            if self._skip:
                used = min(self._skip, len(rest))
                self._skip -= used
            elif self._take:
                used = min(self._take, len(rest))
                super().write_all(rest[:used])
                self._take -= used
                self._skip = 0 if self._take else 4  # the checksum
            else:
                used = min(8 - len(self._head), len(rest))
                self._head += rest[:used]
                if len(self._head) == 8:
                    length = int.from_bytes(self._head[:4], "big")
                    pixels = self._head[4:] == b"IDAT" and length > 0
                    self._take, self._skip = (length, 0) if pixels else (0, length + 4)
                    self._head.clear()
            rest = rest[used:]


def _red_first(paint: Paint) -> Paint:
    def painted(top: int, bottom: int) -> Levels:
        return np.ascontiguousarray(paint(top, bottom)[:, :, ::-1])

    return painted


# --- the page -----------------------------------------------------------------------------------------------


def _placed(page: Page) -> tuple[bytes, bytes]:
    """What a page draws, and the entries that say how large it is."""
    least, most = _SENSIBLE
    metre = page.luggage.metre
    across, down = metre if all(least <= each <= most for each in metre) else (USUAL_METRE, USUAL_METRE)
    w, h = page.width / across * POINTS, page.height / down * POINTS
    unit = max(1.0, max(w, h) / _LONGEST)
    scale = max(1.0, _SHORTEST / min(w, h)) / unit
    numbers = {"w": w * scale, "h": h * scale}
    place = " ".join(_number(word, numbers) for word in _PLACES[page.luggage.orientation].split())
    sides = [numbers["w"], numbers["h"]]
    if page.luggage.orientation > 4:
        sides.reverse()
    size = f"/MediaBox [0 0 {sides[0]:.3f} {sides[1]:.3f}]" + (f" /UserUnit {unit:.4f}" if unit > 1 else "")
    return f"q {place} cm /I Do Q".encode(), size.encode()


def _number(word: str, numbers: Mapping[str, float]) -> str:
    sign, name = ("-", word[1:]) if word.startswith("-") else ("", word)
    return f"{sign}{numbers[name]:.3f}" if name in numbers else word


def _information(first: Luggage) -> dict[bytes, bytes]:
    """The document's information: title, author and date as the scan has them, and the program that wrote it."""
    found = {b"/Producer": _text(f"colorwatch {__version__}")}
    tags = first.tags.tags
    for key, numbers in _TEXTS.items():
        given = next((tags[number][2] for number in numbers if tags.get(number, (0, 0, b""))[0] == 2), b"")
        text = given.rstrip(b"\0 ").decode("utf-8", "replace").strip()
        if text:
            found[key] = _text(text)
    inner = first.tags.below.get(_EXIF)
    taken = (inner.tags if inner else {}).get(_TAKEN) or tags.get(_CHANGED) or (0, 0, b"")
    if date := _DATE.match(taken[2].decode("ascii", "replace")):
        found[b"/CreationDate"] = f"(D:{''.join(date.groups())})".encode()
    return found


def _text(text: str) -> bytes:
    """A text string (ISO 32000-2, 7.9.2.2) of any characters."""
    return b"<FEFF%s>" % text.encode("utf-16-be", "replace").hex().upper().encode()
