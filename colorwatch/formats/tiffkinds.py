"""The pages of a TIFF and which of them are read here, told from its directories alone.

The probe and the decoder ask the same questions of the same bytes, so they say the same of a file. A decoder is shown
one page at a time, as if it stood alone: a few bytes are corrected while they are read.

Reduced versions of a page and masks (NewSubfileType, bits 0 and 2) are no pages: they are neither coloured nor carried,
because they would go on showing the grey picture.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field

from colorwatch.errors import DamagedError, DiskError, UnsupportedError, explain_os_error
from colorwatch.formats.tifftags import Directory, TiffError, TiffFile

_COLOURS = {10: "ITU Lab"}
_COLOURS |= {32803: "a camera's raw picture", 34892: "a camera's raw picture", 32844: "LogL", 32845: "LogLuv"}
# What libvips' wheel reads: none, CCITT (4 kinds), LZW, JPEG, deflate (2 numbers), PackBits, WebP. Measured, 8.18.
_READ = frozenset({1, 2, 3, 4, 5, 7, 8, 32771, 32773, 32946, 50001})
_COMPRESSIONS = {6: "old-style JPEG", 9: "JBIG", 10: "JBIG", 32766: "NeXT", 32809: "ThunderScan", 32908: "PixarFilm"}
_COMPRESSIONS |= {32909: "PixarLog", 34661: "JBIG", 34676: "SGI Log", 34677: "SGI Log", 33003: "JPEG 2000"}
_COMPRESSIONS |= {33005: "JPEG 2000", 34712: "JPEG 2000", 34887: "LERC", 34925: "LZMA", 50000: "Zstandard"}
_COMPRESSIONS |= {50002: "JPEG XL", 52546: "JPEG XL"}
_NONE, _JPEG = 1, 7
_WHITE_IS_ZERO, _RGB, _PALETTE, _MASK, _CMYK, _YCBCR, _LAB, _ICC_LAB = 0, 2, 3, 4, 5, 6, 8, 9
_SUBFILE, _BITS, _COLOUR, _ORIENTATION, _PLANAR, _FORMAT, _SAMPLES = 254, 258, 262, 274, 284, 339, 277
_WHOLE, _SIGNED, _FLOAT, _UNDEFINED = 1, 2, 3, 4
_REDUCED_OR_MASK = 0b101
MAX_STRIPS = 4_000_000
_SCANLINES = 128  # libvips reads strips of more rows than this a row at a time


@dataclass(frozen=True, slots=True)
class TiffPage:
    """One page, from its directory. `bits` is bits per sample, `compression` the tag's number.

    `corrections` are bytes, by offset, that show a decoder this page alone. `lightness` is the largest number of a
    picture in Lab, whose first channel says it all, and else 0; `inverted`: numbers for which 0 is white, and which
    the decoder does not turn round. `decoder_bytes`: what a decoder holds at once because of how the page is stored.
    """

    offset: int
    width: int
    height: int
    bands: int
    bits: int
    compression: int
    corrections: dict[int, bytes] = field(default_factory=dict)
    lightness: int = 0
    inverted: bool = False
    decoder_bytes: int = 0
    unsupported: str = ""


@dataclass(slots=True)
class Pages:
    """The pages of a TIFF, as its directories are gone through."""

    found: list[TiffPage] = field(default_factory=list)
    aside: list[TiffPage] = field(default_factory=list)

    def add(self, directory: Directory) -> TiffPage:
        page = _page(directory)
        (self.aside if directory.number(_SUBFILE) & _REDUCED_OR_MASK else self.found).append(page)
        return page

    def all(self) -> list[TiffPage]:
        """In order; where every directory is called a smaller version of another, all of them are."""
        return self.found or self.aside

    def unsupported(self) -> str:
        """The sentence that refuses such a file, or ""."""
        pages = self.all()
        for number, page in enumerate(pages, 1):
            if page.unsupported:
                return of_page(page.unsupported, number, len(pages))
        return ""

    def largest(self) -> TiffPage:
        return max(self.all(), key=lambda page: page.width * page.height * page.bands * page.bits)


def of_page(sentence: str, number: int, count: int) -> str:
    """A sentence about one page of `count`, which names it where there are several."""
    return sentence if count == 1 else f"On page {number} of {count}: {sentence}"


def pages_of(descriptor: int) -> tuple[list[TiffPage], bool]:
    """The pages of the TIFF behind `descriptor`, at least one, and whether it is a BigTIFF.

    Raises UnsupportedError, DamagedError, DiskError.
    """
    pages = Pages()
    try:
        file = TiffFile(descriptor, os.fstat(descriptor).st_size)
        for directory in file.directories():
            pages.add(directory)
    except TiffError as error:
        raise DamagedError("The picture is damaged and does not decode.") from error
    except OSError as error:
        raise DiskError(f"It cannot be read: {explain_os_error(error)}.") from error
    if sentence := pages.unsupported():
        raise UnsupportedError(sentence)
    return pages.all(), file.big


def _page(directory: Directory) -> TiffPage:
    """Raises TiffError where the directory is damaged."""
    colours, bits = directory.number(_COLOUR), directory.number(_BITS, 1)
    floats = directory.number(_FORMAT, _WHOLE) == _FLOAT
    bands = 3 if colours == _PALETTE else directory.number(_SAMPLES, 1)
    lightness = 0
    if colours in (_LAB, _ICC_LAB):
        # ICC's numbers of 16 bits end at FF00 (ICC.1:2001-04, A.3.3); those of the TIFF's own Lab at FFFF.
        lightness = 0xFF00 if (colours, bits) == (_ICC_LAB, 16) else (1 << bits) - 1
    return TiffPage(
        offset=directory.offset,
        width=directory.number(256),
        height=directory.number(257),
        bands=bands,
        bits=bits,
        compression=directory.number(259, 1),
        corrections=_corrections(directory, lightness > 0),
        lightness=lightness,
        inverted=floats and colours == _WHITE_IS_ZERO,
        decoder_bytes=_decoder_bytes(directory, bands * bits),
        unsupported=_unsupported(directory),
    )


def _unsupported(directory: Directory) -> str:
    """The sentence that refuses a page of this kind, or ""."""
    bits, sample = directory.number(_BITS, 1), directory.number(_FORMAT, _WHOLE)
    colours, compression = directory.number(_COLOUR), directory.number(259, 1)
    lab = colours in (_LAB, _ICC_LAB)
    if _COLOUR not in directory.entries:
        return "It is a TIFF that does not say what its numbers stand for (PhotometricInterpretation); save it anew."
    if sample == _FLOAT:
        if bits not in (16, 32):
            return f"It is a TIFF of floating-point numbers of {bits} bits; this version reads those of 16 and 32."
        if colours not in (_WHITE_IS_ZERO, 1, _RGB):
            return "It is a TIFF of floating-point numbers that are neither grey nor RGB."
    elif sample not in (_WHOLE, _UNDEFINED) and not (sample == _SIGNED and lab):
        return "It is a TIFF of signed or complex numbers; this version reads unsigned and floating-point ones."
    elif bits not in (1, 2, 4, 8, 16) or (bits < 8 and (lab or colours in (_RGB, _CMYK))):
        return f"It is a TIFF with {bits} bits a channel; this version reads 8 and 16, and 1, 2 and 4 of grey."
    return _unsupported_form(directory, colours, compression)


def _unsupported_form(directory: Directory, colours: int, compression: int) -> str:
    if compression not in _READ:
        name = _COMPRESSIONS.get(compression, f"number {compression}")
        return f"It is a TIFF with a compression that this version does not read ({name})."
    if colours in _COLOURS:
        return f"It is a TIFF in {_COLOURS[colours]}; save it as grey or RGB."
    # libvips takes the numbers for RGB, unless its JPEG decoder turns them.
    if colours == _YCBCR and compression != _JPEG:
        return "It is a TIFF in YCbCr colours; save it as grey or RGB."
    if 324 in directory.entries and directory.number(_PLANAR, 1) == 2 and directory.number(_SAMPLES, 1) > 1:
        return "It is a TIFF whose tiles hold one channel each; save it with all channels together."
    return ""


def _corrections(directory: Directory, lab: bool) -> dict[int, bytes]:
    """Bytes that make the directory the first and only one, and what stands in it harmless to the decoder."""
    file, order = directory.file, directory.file.order
    pointer = order + ("Q" if file.big else "I")
    found = {file.pointer_at: struct.pack(pointer, directory.offset), directory.next_at: struct.pack(pointer, 0)}
    for tag, right in ((_ORIENTATION, 1), (_COLOUR, _RGB), (_FORMAT, _WHOLE)):
        entry = directory.entries.get(tag)
        if entry is None or entry.type != 3 or entry.count * 2 > len(entry.inline):
            continue
        # It gives up where it finds an orientation that is none, and packs Lab in a way of its own.
        if lab if tag != _ORIENTATION else entry.count == 1 and not 1 <= directory.number(tag) <= 8:
            found[entry.at] = struct.pack(f"{order}{entry.count}H", *[right] * entry.count)
    return found


def _decoder_bytes(directory: Directory, pixel_bits: int) -> int:
    """About what libtiff and libvips hold: two rows of tiles, or a strip as it is stored and as rows."""
    width, height = directory.number(256), directory.number(257)
    if 324 in directory.entries:
        return 2 * width * min(directory.number(323), height) * pixel_bits // 8
    rows = min(directory.number(278, height) or height, height)
    counts = directory.numbers(279, MAX_STRIPS)
    # What is not compressed and in one strip is read as if it were cut into small ones.
    stored = 0 if directory.number(259, 1) == _NONE else max(counts, default=0)
    if directory.number(_PLANAR, 1) == 2:
        return stored + width * rows * pixel_bits * 3 // 16
    whole = rows <= _SCANLINES or directory.number(_COLOUR) == _YCBCR
    return stored + (width * rows * pixel_bits // 8 if whole else 0)
