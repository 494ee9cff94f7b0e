"""What a scan carries beside its pixels, loose: taken out of the form in which its own format holds it.

So it can be put into another format (see `packing`). Where scan and result have the same one, nothing is taken apart:
see `carrying`.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from colorwatch.codecs.tiffout import exif_block
from colorwatch.formats.tifftags import Carried, read_carried
from colorwatch.metadata.imprint import EXIF_SEGMENT, XMP_SEGMENT
from colorwatch.metadata.pieces import APP0, APP1, APP13, COMMENT, jpeg_segments, png_chunks, riff_chunks

MAX_BYTES = 8 << 20  # of one part; real ones have under a megabyte
MAX_PARTS = 10_000
_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_EXIF_UUID = b"JpgTiffExif->JP2"
_XMP_TEXT = b"XML:com.adobe.xmp\0"
_PHOTOSHOP = b"Photoshop 3.0\0"
_IPTC_RESOURCE = 1028
_XMP_TAG, _IPTC_TAG, _PHOTOSHOP_TAG = 700, 33723, 34377
METRE = {2: 0.0254, 3: 0.01}
"""Metres of the units of resolution in TIFF and EXIF."""
# PNG's keywords (PNG, third edition, 11.3.3.2) that EXIF has tags for.
_TEXT_TAGS = {b"Description": 270, b"Author": 315, b"Copyright": 33432, b"Software": 305}


@dataclass(slots=True)
class Loose:
    """An EXIF block (a TIFF, without any prefix), an XMP packet, an IPTC record; empty: none.

    `metre`: pixels a metre across and down, 0 where that is not known; `comments` are texts that no other part holds.
    `upright`: the decoder turns the picture as its file says; what EXIF says of it is then no longer true.
    """

    exif: bytes = b""
    xmp: bytes = b""
    metre: tuple[float, float] = (0, 0)
    upright: bool = False
    iptc: bytes = b""
    comments: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.exif = self.exif.removeprefix(EXIF_SEGMENT)
        if self.exif[:4] not in (b"II*\0", b"MM\0*"):
            self.exif = b""


def loose_of(format: str, descriptor: int, size: int, page: int = 0) -> Loose:
    """What a JPEG, a PNG, or the page of a TIFF whose directory is at the offset `page`, carries.

    What is damaged is left out.
    """
    try:
        if format == "tiff":
            return of_tiff(read_carried(descriptor, size, page))
        return of_jpeg(descriptor, size) if format == "jpeg" else of_png(descriptor, size)
    except (OSError, struct.error):
        return Loose()


def of_jpeg(descriptor: int, size: int) -> Loose:
    """What a JPEG carries. Raises OSError."""
    found = Loose()
    for code, body in jpeg_segments(descriptor, size, (APP0, APP1, APP13, COMMENT)):
        if code == APP0 and body.startswith(b"JFIF\0") and len(body) >= 12:
            unit, across, down = struct.unpack(">BHH", body[7:12])
            found.metre = (across / METRE[unit + 1], down / METRE[unit + 1]) if unit in (1, 2) else (0, 0)
        elif code == APP1 and body.startswith(EXIF_SEGMENT):
            found.exif = found.exif or Loose(body).exif
        elif code == APP1 and body.startswith(XMP_SEGMENT):
            found.xmp = found.xmp or body[len(XMP_SEGMENT) :]
        elif code == APP13 and body.startswith(_PHOTOSHOP):
            found.iptc = found.iptc or _iptc_in(body[len(_PHOTOSHOP) :])
        elif code == COMMENT and len(found.comments) < MAX_PARTS:
            found.comments.append(body)
    return found


def _iptc_in(resources: bytes) -> bytes:
    """The IPTC record among Photoshop's resources, or b""."""
    at = 0
    while resources[at : at + 4] == b"8BIM" and at + 12 <= len(resources):
        name = (resources[at + 6] + 2) & ~1
        length = int.from_bytes(resources[at + 6 + name : at + 10 + name], "big")
        if int.from_bytes(resources[at + 4 : at + 6], "big") == _IPTC_RESOURCE:
            return resources[at + 10 + name : at + 10 + name + length]
        at += 10 + name + ((length + 1) & ~1)
    return b""


def of_png(descriptor: int, size: int) -> Loose:
    """What a PNG carries. Raises OSError."""
    found, texts = Loose(), list[tuple[bytes, bytes]]()
    for kind, body in png_chunks(descriptor, size, (b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"pHYs")):
        if kind == b"eXIf":
            found.exif = found.exif or Loose(body).exif
        elif kind == b"pHYs" and len(body) == 9 and body[8] == 1:
            across, down = struct.unpack(">II", body[:8])
            found.metre = (across, down)
        elif kind == b"iTXt" and body.startswith(_XMP_TEXT):
            found.xmp = found.xmp or text_in(kind, body)[1]
        elif kind != b"pHYs" and len(texts) < MAX_PARTS:
            texts.append(text_in(kind, body))
    for keyword, text in texts:
        if keyword == b"Raw profile type iptc":
            found.iptc = found.iptc or _raw_profile(text)
        elif text and (found.exif or keyword not in _TEXT_TAGS) and not keyword.startswith((b"Raw profile", b"XML:")):
            found.comments.append(text if keyword == b"Comment" else keyword + b": " + text)
    if not found.exif:
        tags = {_TEXT_TAGS[word]: text.replace(b"\0", b"") + b"\0" for word, text in texts if word in _TEXT_TAGS}
        carried = Carried({tag: (2, len(text), text) for tag, text in tags.items()})
        found.exif = exif_block(carried) if tags else b""
    return found


def text_in(kind: bytes, body: bytes) -> tuple[bytes, bytes]:
    """Keyword and text of a PNG's tEXt, zTXt or iTXt (PNG, third edition, 11.3.3), in whatever characters it has."""
    keyword, _, rest = body.partition(b"\0")
    if kind == b"tEXt":
        return keyword, rest
    squeezed, text = kind == b"zTXt" or rest[:1] == b"\1", rest[1:]
    if kind == b"iTXt":
        text = rest[2:].split(b"\0", 2)[-1]
    if squeezed:
        try:
            text = zlib.decompressobj().decompress(text, MAX_BYTES)
        except zlib.error:
            text = b""
    return keyword, text


def _raw_profile(text: bytes) -> bytes:
    """What ImageMagick's way of text holds: a name, a length, and hex digits."""
    parts = text.split(None, 2)
    with contextlib.suppress(ValueError):
        return bytes.fromhex(parts[2].decode("ascii", "replace")) if len(parts) == 3 else b""
    return b""


def of_tiff(carried: Carried) -> Loose:
    """What a page of a TIFF carries."""
    tags = dict(carried.tags)
    found = Loose()
    for tag in (_XMP_TAG, _IPTC_TAG, _PHOTOSHOP_TAG):
        kind, _, content = tags.pop(tag, (0, 0, b""))
        if tag == _XMP_TAG and kind in (1, 2, 7):
            found.xmp = content.rstrip(b"\0")
        elif tag == _IPTC_TAG and content[:1] == b"\x1c":
            found.iptc = content
        elif tag == _PHOTOSHOP_TAG and kind in (1, 7):
            found.iptc = found.iptc or _iptc_in(content)
    found.metre = resolution(tags)
    if tags or carried.below:
        found.exif = exif_block(Carried(tags, carried.below))
    return found


def resolution(tags: dict[int, tuple[int, int, bytes]]) -> tuple[float, float]:
    """Pixels a metre across and down, as the tags of a TIFF or of EXIF say; 0 where they say nothing."""
    unit = int.from_bytes(tags.get(296, (3, 1, b"\2\0"))[2][:2], "little")
    sides = []
    for tag in (282, 283):
        kind, count, content = tags.get(tag, (0, 0, b""))
        above, below = struct.unpack("<II", content) if (kind, count) == (5, 1) else (0, 0)
        sides.append(above / below / METRE[unit] if below and unit in METRE else 0.0)
    return (sides[0], sides[1]) if all(sides) else (0, 0)


def of_webp(descriptor: int, size: int) -> Loose:
    """What a WebP carries. Raises OSError."""
    found = dict[bytes, bytes]()
    for kind, content in riff_chunks(descriptor, size, (b"EXIF", b"XMP ")):
        found.setdefault(kind, content)
    return Loose(found.get(b"EXIF", b""), found.get(b"XMP ", b""))


def of_jp2(descriptor: int, size: int) -> tuple[Loose, bytes]:
    """What a JPEG 2000 picture carries, and its ICC profile or b"". Raises OSError."""
    found, profile = Loose(), b""
    for kind, at, end in _boxes(descriptor, 0, size):
        if kind == b"uuid" and 16 < end - at <= MAX_BYTES:
            content = os.pread(descriptor, end - at, at)
            if content[:16] == _XMP_UUID:
                found.xmp = content[16:]
            elif content[:16] == _EXIF_UUID:
                found.exif = Loose(content[16:]).exif
        elif kind == b"jp2h":
            for inner, begin, last in _boxes(descriptor, at, end):
                if inner == b"colr" and 3 < last - begin <= MAX_BYTES:
                    colours = os.pread(descriptor, last - begin, begin)
                    profile = profile or (colours[3:] if colours[0] == 2 else b"")
                elif inner == b"res ":
                    found.metre = _resolution(descriptor, begin, last)
    return found, profile


def _boxes(descriptor: int, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    for _ in range(MAX_PARTS):
        head = os.pread(descriptor, 16, at) if at + 8 <= end else b""
        if len(head) < 8:
            return
        size, begin = int.from_bytes(head[:4], "big"), at + 8
        if size == 1:
            size, begin = int.from_bytes(head[8:], "big"), at + 16
        last = end if size == 0 else at + size
        if last < begin or last > end:
            return
        yield head[4:8], begin, last
        at = last


def _resolution(descriptor: int, at: int, end: int) -> tuple[int, int]:
    """ISO/IEC 15444-1, I.5.3.7: vertical, then horizontal, each a fraction and a power of ten, per metre."""
    for _, begin, last in _boxes(descriptor, at, end):
        if last - begin == 10:
            down, by, across, under, tens, more = struct.unpack(">HHHHbb", os.pread(descriptor, 10, begin))
            if by and under and abs(tens) < 9 and abs(more) < 9:
                return round(across / under * 10.0**more), round(down / by * 10.0**tens)
    return 0, 0
