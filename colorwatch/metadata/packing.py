"""What a scan carries, put into a result of another format; and with it where the result comes from."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, replace

from colorwatch.formats.tifftags import carried_in
from colorwatch.metadata import imprint
from colorwatch.metadata.carrying import Luggage, pack, tidy_exif
from colorwatch.metadata.imprint import EXIF_SEGMENT, XMP_SEGMENT
from colorwatch.metadata.loose import METRE, Loose, loose_of, resolution
from colorwatch.metadata.pieces import APP0, APP1, APP13, COMMENT, jpeg_segment, png_chunk, riff_chunk
from colorwatch.scan import Provenance
from colorwatch.targets import losses

_XMP_TEXT = b"XML:com.adobe.xmp\0"
_PHOTOSHOP = b"Photoshop 3.0\0"
_MOST_EXIF, _MOST_SEGMENT = 65_527, 65_533  # bytes that one segment of a JPEG has room for
_DESCRIPTION, _ORIENTATION, _XMP_TAG, _IPTC_TAG = 270, 274, 700, 33723
_MOST_TEXT = 1 << 20


@dataclass(frozen=True, slots=True)
class Packing:
    """What the pages of one scan, of the format `format`, are to carry in a result of the format `result`.

    `lossy`: where the result can be packed in several ways, it is packed with loss.
    """

    format: str
    result: str
    descriptor: int
    provenance: Provenance | None
    lossy: bool = False

    def of(self, bits: int, floating: bool, alpha: bool, page: int = 0) -> Luggage:
        """Of a page with that depth; of a TIFF, the one whose directory is at the offset `page`."""
        size = os.fstat(self.descriptor).st_size
        lost, provenance = self.told(bits, floating, alpha)
        if self.result == self.format:
            found = pack(self.format, self.descriptor, size, provenance, page)
        else:
            found = packed_for(self.result, loose_of(self.format, self.descriptor, size, page), provenance)
        found.losses = lost
        return found

    def of_loose(self, loose: Loose, bits: int, alpha: bool) -> Luggage:
        """The same of a page whose parts are taken out already."""
        lost, provenance = self.told(bits, False, alpha)
        found = packed_for(self.result, loose, provenance)
        found.losses = lost
        return found

    def told(self, bits: int, floating: bool, alpha: bool) -> tuple[str, Provenance | None]:
        """What the result has no place for, and where it comes from, which says so."""
        # What a PDF packs with loss is a JPEG.
        lost = losses(bits, floating, alpha, "jpeg" if self.result == "pdf" and self.lossy else self.result)
        return lost, replace(self.provenance, losses=lost) if self.provenance else None


def packed_for(format: str, loose: Loose, provenance: Provenance | None) -> Luggage:
    """What a result of that format carries of it, and with it where the result comes from."""
    found = Luggage()
    exif = bytearray(loose.exif)
    if exif:
        tidy_exif(exif, 0, found)
        if loose.upright and found.orientation != 1:
            _set_upright(exif)
    if loose.upright:
        found.orientation = 1
    found.metre = loose.metre if all(loose.metre) else resolution(carried_in(bytes(exif)).tags)
    loose = replace(loose, exif=bytes(exif), metre=found.metre)
    if format == "jpeg":
        found.head = _for_jpeg(loose, provenance, found.tool_known)
    elif format == "png":
        found.head = _for_png(loose, provenance, found.tool_known)
    elif format == "webp":
        found.head = _for_webp(loose, provenance, found.tool_known)
    else:
        found.tags = carried_in(loose.exif)
        if format == "tiff":
            _complete(found, loose, provenance)
        else:
            _for_pdf(found, loose, provenance)
    return found


def _set_upright(exif: bytearray) -> None:
    order = "<" if exif[:2] == b"II" else ">"
    try:
        first = struct.unpack_from(order + "I", exif, 4)[0]
        for at in range(first + 2, first + 2 + 12 * struct.unpack_from(order + "H", exif, first)[0], 12):
            if struct.unpack_from(order + "HH", exif, at) == (_ORIENTATION, 3):
                struct.pack_into(order + "H", exif, at + 8, 1)
    except struct.error:
        return


def _for_jpeg(loose: Loose, provenance: Provenance | None, tool_known: bool) -> bytes:
    parts = list[tuple[int, bytes]]()
    if all(loose.metre):
        unit, sides = _density(loose.metre)
        parts.append((APP0, struct.pack(">5sHBHHBB", b"JFIF\0", 0x0101, unit, *sides, 0, 0)))
    if loose.exif and len(loose.exif) <= _MOST_EXIF:
        parts.append((APP1, EXIF_SEGMENT + loose.exif))
    if loose.xmp and len(loose.xmp) <= imprint.MAX_XMP_SEGMENT:
        parts.append((APP1, XMP_SEGMENT + loose.xmp))
    resource = struct.pack(">4sHHI", b"8BIM", 1028, 0, len(loose.iptc)) + loose.iptc + b"\0" * (len(loose.iptc) % 2)
    if loose.iptc and len(_PHOTOSHOP + resource) <= _MOST_SEGMENT:
        parts.append((APP13, _PHOTOSHOP + resource))
    parts += [(COMMENT, comment) for comment in loose.comments if len(comment) <= _MOST_SEGMENT]
    if provenance is not None:
        imprint.on_jpeg(parts, provenance, tool_known)
    return b"".join(jpeg_segment(*part) for part in parts)


def _density(metre: tuple[float, float]) -> tuple[int, tuple[int, int]]:
    """JFIF's unit and whole numbers, an inch (1) or a centimetre (2): whichever is nearer."""
    found = []
    for unit in (1, 2):
        exact = [each * METRE[unit + 1] for each in metre]
        whole = [min(max(round(each), 1), 65_535) for each in exact]
        off = sum(abs(each / true - 1) for each, true in zip(whole, exact, strict=True))
        found.append((round(off, 6), unit, (whole[0], whole[1])))
    _, unit, sides = min(found)
    return unit, sides


def _for_png(loose: Loose, provenance: Provenance | None, tool_known: bool) -> bytes:
    parts = list[tuple[bytes, bytes]]()
    if all(loose.metre):
        across, down = (min(round(each), 0x7FFFFFFF) for each in loose.metre)
        parts.append((b"pHYs", struct.pack(">IIB", across, down, 1)))
    if loose.exif:
        parts.append((b"eXIf", loose.exif))
    if loose.xmp:
        parts.append((b"iTXt", _XMP_TEXT + bytes(4) + loose.xmp))
    if loose.iptc:
        # PNG has no place for it: this is the way of ImageMagick and ExifTool.
        parts.append((b"tEXt", b"Raw profile type iptc\0\niptc\n%8d\n%s\n" % (len(loose.iptc), _hex(loose.iptc))))
    for comment in loose.comments:
        text = comment.rstrip(b"\0").replace(b"\0", b" ")
        if len(text) <= _MOST_TEXT:
            # tEXt holds Latin-1, iTXt UTF-8.
            parts.append((b"iTXt", b"Comment" + bytes(5) + text) if _is_utf8(text) else (b"tEXt", b"Comment\0" + text))
    if provenance is not None:
        imprint.on_png(parts, provenance, tool_known)
    return b"".join(png_chunk(*part) for part in parts)


def _hex(content: bytes) -> bytes:
    digits = content.hex().encode("ascii")
    return b"\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))


def _is_utf8(text: bytes) -> bool:
    try:
        return not text.decode("utf-8").isascii()
    except UnicodeDecodeError:
        return False


def _for_webp(loose: Loose, provenance: Provenance | None, tool_known: bool) -> bytes:
    parts = [(b"EXIF", loose.exif)] if loose.exif else []
    if loose.xmp:
        parts.append((b"XMP ", loose.xmp))
    if provenance is not None:
        imprint.on_webp(parts, provenance, tool_known)
    return b"".join(riff_chunk(*part) for part in parts)


# --- TIFF and PDF -------------------------------------------------------------------------------------------


def _complete(found: Luggage, loose: Loose, provenance: Provenance | None) -> None:
    """The tags of a TIFF beside those that EXIF has."""
    tags = found.tags.tags
    if found.orientation == 1:
        tags.pop(_ORIENTATION, None)
    if all(found.metre) and 282 not in tags:
        tags[296] = (3, 1, struct.pack("<H", 2))
        for tag, each in zip((282, 283), found.metre, strict=True):
            tags[tag] = (5, 1, struct.pack("<II", *_inch(each)))
    if loose.xmp:
        tags[_XMP_TAG] = (1, len(loose.xmp), loose.xmp)
    if loose.iptc:
        tags[_IPTC_TAG] = (7, len(loose.iptc), loose.iptc)
    text = b"\n".join(loose.comments).replace(b"\0", b"")[:_MOST_TEXT]
    if text and _DESCRIPTION not in tags:
        tags[_DESCRIPTION] = (2, len(text) + 1, text + b"\0")
    if provenance is not None:
        imprint.on_tiff(found.tags, provenance)


def _inch(metre: float) -> tuple[int, int]:
    """Pixels an inch as a fraction; PNG's whole numbers a metre are not quite whole an inch."""
    exact = metre * METRE[2]
    return (round(exact), 1) if abs(exact - round(exact)) < 0.01 else (min(round(exact * 1000), 0xFFFFFFFF), 1000)


def _for_pdf(found: Luggage, loose: Loose, provenance: Provenance | None) -> None:
    """A JPEG inside a PDF keeps its segments; what the document says of itself stands in its own packet."""
    found.head = _for_jpeg(replace(loose, xmp=b""), None, found.tool_known)
    found.packet = imprint.document_packet(loose.xmp, provenance, found.tool_known) if provenance else loose.xmp
