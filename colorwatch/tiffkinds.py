"""Which TIFFs are read here, told from their directories alone: the probe and the decoder say the same of a file."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from colorwatch.errors import DiskError, explain_os_error
from colorwatch.tifftags import Directory, TiffError, TiffFile

_COLOURS = {5: "CMYK (made for printing)", 8: "CIE Lab", 9: "ICC Lab", 10: "ITU Lab"}
_COLOURS |= {32803: "a camera's raw picture", 34892: "a camera's raw picture", 32844: "LogL", 32845: "LogLuv"}
# What libvips' wheel reads: none, CCITT (4 kinds), LZW, JPEG, deflate (2 numbers), PackBits, WebP. Measured, 8.18.
_READ = frozenset({1, 2, 3, 4, 5, 7, 8, 32771, 32773, 32946, 50001})
_COMPRESSIONS = {6: "old-style JPEG", 9: "JBIG", 10: "JBIG", 32766: "NeXT", 32809: "ThunderScan", 32908: "PixarFilm"}
_COMPRESSIONS |= {32909: "PixarLog", 34661: "JBIG", 34676: "SGI Log", 34677: "SGI Log", 33003: "JPEG 2000"}
_COMPRESSIONS |= {33005: "JPEG 2000", 34712: "JPEG 2000", 34887: "LERC", 34925: "LZMA", 50000: "Zstandard"}
_COMPRESSIONS |= {50002: "JPEG XL", 52546: "JPEG XL"}
_JPEG, _YCBCR = 7, 6
_ORIENTATION = 274


@dataclass(frozen=True, slots=True)
class Kind:
    """What a TIFF's directories say: the sentence that refuses it, or "", and bytes by offset to be read corrected."""

    unsupported: str = ""
    corrections: dict[int, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Pages:
    """Counts the pages of a TIFF, and the smaller versions of them that stand beside them (previews)."""

    pages: int = 0
    previews: int = 0

    def add(self, directory: Directory) -> None:
        # Bit 0 of NewSubfileType.
        if directory.number(254) & 1:
            self.previews += 1
        else:
            self.pages += 1

    def unsupported(self) -> str:
        """The sentence that refuses such a file, or ""."""
        if self.pages > 1:
            return f"It is a TIFF of {self.pages} pages; this version colours one page a file."
        if self.pages + self.previews > 1:
            return "It is a TIFF with a preview beside its page; this version colours a page that stands alone."
        return ""


def kind_of(descriptor: int) -> Kind:
    """The kind of the TIFF behind `descriptor`; one whose directories are damaged is left to the decoder.

    Raises DiskError.
    """
    pages = Pages()
    unsupported, corrections = "", dict[int, bytes]()
    try:
        file = TiffFile(descriptor, os.fstat(descriptor).st_size)
        for directory in file.directories():
            if not pages.pages + pages.previews:
                unsupported = unsupported_page(directory)
                corrections = _corrections(directory)
            pages.add(directory)
    except TiffError:
        pass
    except OSError as error:
        raise DiskError(f"It cannot be read: {explain_os_error(error)}.") from error
    return Kind(unsupported or pages.unsupported(), corrections)


def unsupported_page(directory: Directory) -> str:
    """The sentence that refuses a page of this kind, or "". Raises TiffError where the directory is damaged."""
    bits, sample = directory.number(258, 1), directory.number(339, 1)
    colours, compression = directory.number(262), directory.number(259, 1)
    if sample == 3:
        return "It is a TIFF of floating-point numbers; this version reads 8 bits."
    if sample not in (1, 4):
        return "It is a TIFF of signed or complex numbers; this version reads 8 bits."
    if bits not in (0, 1, 2, 4, 8):
        return f"It is a TIFF with {bits} bits a channel; this version reads 8 bits."
    if compression not in _READ:
        name = _COMPRESSIONS.get(compression, f"number {compression}")
        return f"It is a TIFF with a compression that this version does not read ({name})."
    if colours in _COLOURS:
        return f"It is a TIFF in {_COLOURS[colours]}; save it as grey or RGB."
    # libvips takes the numbers for RGB, unless its JPEG decoder turns them.
    if colours == _YCBCR and compression != _JPEG:
        return "It is a TIFF in YCbCr colours; save it as grey or RGB."
    return ""


def _corrections(directory: Directory) -> dict[int, bytes]:
    """An orientation that is none becomes 1: the decoder gives up where it finds another one."""
    entry = directory.entries.get(_ORIENTATION)
    if entry is None or entry.type != 3 or entry.count != 1 or 1 <= directory.number(_ORIENTATION) <= 8:
        return {}
    return {entry.at: b"\1\0" if directory.file.order == "<" else b"\0\1"}
