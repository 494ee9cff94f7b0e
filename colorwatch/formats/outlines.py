"""What WebP, AVIF, HEIC, GIF, BMP, PNM and JPEG 2000 files say of themselves, and whether their end is there.

Headers alone are read, by offset; nothing is decoded, and nothing is trusted.
"""

from __future__ import annotations

import importlib.util
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

MAX_BOXES = 10_000  # of one file, or inside one box; real ones have under a hundred
MAX_BLOCKS = 4_000_000  # of a GIF; each has up to 255 bytes
_CHUNK = 1 << 20


@dataclass(slots=True)
class Outline:
    """The picture's sides, `bands` (alpha is one) and `bits`; a sentence that refuses it, and one that it is not whole.

    `decoder_bytes` is what the codecs hold of it beyond its pixels, measured, the WebP encoder's part included.
    `lossless`: its pixels were packed without loss. `offset` is where they begin, of formats that are not packed.
    """

    width: int = 0
    height: int = 0
    pages: int = 1
    bands: int = 3
    bits: int = 8
    decoder_bytes: int = 0
    effort: int = 0
    unsupported: str = ""
    reason: str = ""
    lossless: bool = False
    offset: int = 0


def result_format(format: str, found: Outline) -> str:
    """The format that a result takes: the scan's own where we write it, else PNG; JPEG of what was packed with loss."""
    if format in ("avif", "heic") or (format == "jp2" and not found.lossless and found.bits <= 8):
        return "jpeg"
    return format if format in ("webp", "pdf") else "png"


def missing_codec(format: str) -> str:
    """The sentence that refuses a format because its codec is not installed, or ""."""
    if format == "heic" and importlib.util.find_spec("pillow_heif") is None:
        return "It is a HEIC picture; to have those coloured, install pillow-heif: pip install 'colorwatch[heic]'."
    return ""


class _ShortError(Exception):
    """The file ends before its header does."""


class _File:
    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def read(self, offset: int, count: int) -> bytes:
        found = os.pread(self.descriptor, count, offset) if offset >= 0 else b""
        if len(found) != count:
            raise _ShortError
        return found


def outline(format: str, descriptor: int) -> Outline:
    """The outline of a file of this format (see `signatures.sniff`). Raises OSError."""
    readers = {"webp": _webp, "avif": _boxes, "heic": _boxes, "gif": _gif, "bmp": _bmp, "pnm": _pnm, "jp2": _jp2}
    names = {"webp": "WebP", "avif": "AVIF", "heic": "HEIC", "gif": "GIF", "bmp": "BMP", "pnm": "PNM"}
    name = names.get(format, "JPEG 2000 picture")
    try:
        found = readers[format](_File(descriptor))
    except _ShortError:
        return Outline(reason=f"The {name} breaks off: part of it is not in the file.")
    if not found.reason and not found.unsupported and not (found.width > 0 and found.height > 0):
        found.reason = f"The {name}'s header names no picture that can be."
    return found


# --- WebP (RFC 9649) ----------------------------------------------------------------------------------------


def _webp(file: _File) -> Outline:
    found = Outline()
    end = 8 + int.from_bytes(file.read(4, 4), "little")
    if end > file.size:
        raise _ShortError
    at, drawn = 12, False
    for _ in range(MAX_BOXES):
        if at + 8 > end:
            break
        kind, length = struct.unpack("<4sI", file.read(at, 8))
        if kind == b"VP8X":
            flags, sides = file.read(at + 8, 1)[0], file.read(at + 12, 6)
            found.width, found.height = (int.from_bytes(sides[side : side + 3], "little") + 1 for side in (0, 3))
            found.bands = 4 if flags & 0x10 else 3
            if flags & 0x02:
                found.unsupported = "It is an animated WebP; this version colours still pictures."
        elif kind in (b"VP8 ", b"VP8L") and not drawn:
            drawn = True
            _webp_frame(file, at + 8, kind, found)
        at += 8 + length + length % 2
    if not drawn and not found.unsupported:
        found.reason = "The WebP has an end, but no picture before it."
    found.decoder_bytes = found.width * found.height * (24 if found.lossless else 16)
    return found


def _webp_frame(file: _File, at: int, kind: bytes, found: Outline) -> None:
    if kind == b"VP8L":
        bits = int.from_bytes(file.read(at + 1, 4), "little")
        found.width, found.height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        found.bands, found.lossless = 4 if bits >> 28 & 1 else 3, True
    else:
        width, height = struct.unpack("<HH", file.read(at + 6, 4))
        found.width, found.height = width & 0x3FFF, height & 0x3FFF


# --- AVIF and HEIC (ISO/IEC 14496-12, 23008-12) -------------------------------------------------------------


def _boxes(file: _File) -> Outline:
    found = Outline()
    kinds = set()
    for kind, at, end in _in_box(file, 0, file.size):
        kinds.add(kind)
        if kind == b"meta":
            _properties(file, at + 4, end, found)
    if b"meta" not in kinds and b"moov" in kinds:
        found.unsupported = "It is a sequence of pictures; this version colours still ones."
    elif b"meta" not in kinds or not found.width:
        raise _ShortError
    found.decoder_bytes = found.width * found.height * (24 if found.bits > 8 else 12)
    return found


def _in_box(file: _File, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, beginning of the content and end of each box from `at` on; they have to fill the room to `end`."""
    for _ in range(MAX_BOXES):
        if at + 8 > end:
            return
        size, kind = struct.unpack(">I4s", file.read(at, 8))
        head = 8
        if size == 1:
            size, head = int.from_bytes(file.read(at + 8, 8), "big"), 16
        elif size == 0:
            size = end - at
        if size < head or at + size > end:
            raise _ShortError
        yield kind, at + head, at + size
        at += size


def _properties(file: _File, at: int, end: int, found: Outline) -> None:
    """The largest picture's sides (ispe) and depth (pixi) among the properties of all items."""
    for kind, inner, last in _in_box(file, at, end):
        if kind in (b"iprp", b"ipco"):
            _properties(file, inner, last, found)
        elif kind == b"ispe" and last - inner >= 12:
            width, height = struct.unpack(">II", file.read(inner + 4, 8))
            if width * height > found.width * found.height:
                found.width, found.height = width, height
        elif kind == b"pixi" and last - inner >= 6:
            depths = file.read(inner + 5, min(file.read(inner + 4, 1)[0], last - inner - 5))
            found.bits = max(found.bits, *depths) if depths else found.bits


# --- GIF (GIF89a) -------------------------------------------------------------------------------------------


def _gif(file: _File) -> Outline:
    width, height, flags = struct.unpack("<HHB", file.read(6, 5))
    found = Outline(width, height, bands=4, lossless=True)
    at, frames = 13 + _gif_colours(flags), 0
    for _ in range(MAX_BOXES):
        kind = file.read(at, 1)
        if kind == b";":
            found.unsupported = "It is an animated GIF; this version colours still pictures." if frames > 1 else ""
            found.reason = "" if frames else "The GIF has an end, but no picture before it."
            return found
        if kind == b",":
            frames += 1
            at = _behind_blocks(file, at + 11 + _gif_colours(file.read(at + 9, 1)[0]))
        elif kind == b"!":
            at = _behind_blocks(file, at + 2)
        elif kind == b"\0":
            at += 1  # an empty block too many, as some writers leave one; all decoders pass over it
        else:
            break
    found.reason = "The GIF breaks off: bytes that belong to no part of it stand in its middle."
    return found


def _gif_colours(flags: int) -> int:
    """Bytes of a table of colours."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _behind_blocks(file: _File, at: int) -> int:
    for _ in range(MAX_BLOCKS):
        length = file.read(at, 1)[0]
        at += 1 + length
        if not length:
            return at
    raise _ShortError


# --- BMP ----------------------------------------------------------------------------------------------------


def _bmp(file: _File) -> Outline:
    offset, header = struct.unpack("<II", file.read(10, 8))
    if header == 12:
        width, height, _, bits = struct.unpack("<HHHH", file.read(18, 8))
        compression = 0
    elif header in (40, 52, 56, 64, 108, 124):
        width, height, _, bits, compression = struct.unpack("<iiHHI", file.read(18, 16))
    else:
        return Outline(unsupported="It is a BMP of an unknown kind; save it as PNG.")
    found = Outline(width, abs(height), bands=1 if bits <= 8 else 3, lossless=True, offset=offset)
    if compression in (1, 2):
        found.unsupported = "It is a BMP packed by run lengths, which this version does not read; save it as PNG."
    elif compression not in (0, 3) or bits not in (1, 4, 8, 24, 32) or (compression == 3 and not _plain(file, header)):
        found.unsupported = f"It is a BMP of an unusual kind ({bits} bits a pixel); save it as PNG."
    elif offset + bmp_row_bytes(width, bits) * abs(height) > file.size:
        raise _ShortError
    return found


def _plain(file: _File, header: int) -> bool:
    """Whether the masks of the channels say what BMPs without masks mean."""
    return header >= 40 and file.read(54, 12) == struct.pack("<III", 0xFF0000, 0xFF00, 0xFF)


def bmp_row_bytes(width: int, bits: int) -> int:
    return (width * bits + 31) // 32 * 4


# --- PNM ----------------------------------------------------------------------------------------------------

_NUMBER = rb"(?:\s|#[^\r\n]*[\r\n])+(\d{1,9})(?=\s)"
_PNM_HEAD = re.compile(rb"P[2356]" + 3 * _NUMBER)
_PNM_BITMAP = re.compile(rb"P[14]" + 2 * _NUMBER)


@dataclass(frozen=True, slots=True)
class PnmHead:
    """`kind` 1 to 6 as in its magic number; `most` the number that stands for white; `offset` where pixels begin."""

    kind: int
    width: int
    height: int
    most: int
    offset: int

    @property
    def row_bytes(self) -> int:
        """Of a raw row."""
        channels = 3 if self.kind in (3, 6) else 1
        return (self.width + 7) // 8 if self.kind == 4 else self.width * channels * (2 if self.most > 255 else 1)


def pnm_head(start: bytes) -> PnmHead | None:
    """The head of a PNM (netpbm's pbm, pgm and ppm); None where it is none, or does not end in `start`."""
    found = (_PNM_BITMAP if start[1:2] in b"14" else _PNM_HEAD).match(start)
    if not found or found.end() >= len(start):
        return None
    kind = start[1] - ord("0")
    width, height, most = (int(number) for number in (*found.groups(), b"1")[:3])
    return PnmHead(kind, width, height, most, found.end() + 1) if 0 < most < 65_536 else None


def _pnm(file: _File) -> Outline:
    start = os.pread(file.descriptor, 4096, 0)
    if start[1:2] == b"7":
        return Outline(unsupported="It is a PAM picture; save it as PNG.")
    head = pnm_head(start)
    if head is None:
        return Outline(reason="The PNM's header is not whole.")
    found = Outline(head.width, head.height, lossless=True, offset=head.offset)
    found.bands, found.bits = 3 if head.kind in (3, 6) else 1, 16 if head.most > 255 else 8
    if head.kind > 3:
        if head.offset + head.row_bytes * head.height > file.size:
            raise _ShortError
    elif _numbers(file, head) < head.width * head.height * found.bands:
        raise _ShortError
    else:
        found.decoder_bytes = file.size + found.width * found.height * found.bands * 8
    return found


def _numbers(file: _File, head: PnmHead) -> int:
    """How many numbers stand behind the header of a plain PNM; of a bitmap they need no space between them."""
    count, at, inside = 0, head.offset, False
    while chunk := os.pread(file.descriptor, _CHUNK, at):
        at += len(chunk)
        if head.kind == 1:
            count += chunk.count(b"0") + chunk.count(b"1")
        else:
            count += len(chunk.split()) - (inside and not chunk[:1].isspace())
            inside = not chunk[-1:].isspace()
    return count


# --- JPEG 2000 (ISO/IEC 15444-1) ----------------------------------------------------------------------------


def _jp2(file: _File) -> Outline:
    at, end = 0, file.size
    if file.read(0, 4) != b"\xff\x4f\xff\x51":
        streams = [(begin, last) for kind, begin, last in _in_box(file, 0, file.size) if kind == b"jp2c"]
        if not streams:
            return Outline(reason="The JPEG 2000 picture has no picture in it.")
        at, end = streams[0]
    found = _codestream(file, at, end)
    found.unsupported = found.unsupported or _jp2_colours(file)
    # Bytes behind the end mark are legal where no box says how long the picture is.
    tail = file.read(max(at, end - 64), end - max(at, end - 64))
    if b"\xff\xd9" not in tail:
        raise _ShortError
    return found


def _jp2_colours(file: _File) -> str:
    """The sentence that refuses a colour space (ISO/IEC 15444-1, I.5.3.3, and 15444-2, M.11.7.3), or ""."""
    if file.read(4, 4) != b"jP  ":
        return ""
    for kind, at, end in _in_box(file, 0, file.size):
        if kind == b"jp2h":
            for inner, begin, last in _in_box(file, at, end):
                if inner == b"colr" and last - begin >= 7 and file.read(begin, 1) == b"\1":
                    space = int.from_bytes(file.read(begin + 3, 4), "big")
                    name = {12: "CMYK (made for printing)", 14: "CIE Lab", 18: "YCbCr"}.get(space, "an unusual space")
                    return "" if space in (16, 17) else f"It is a JPEG 2000 picture in {name}; save it as grey or RGB."
    return ""


def _codestream(file: _File, at: int, end: int) -> Outline:
    if file.read(at, 4) != b"\xff\x4f\xff\x51":
        return Outline(reason="The JPEG 2000 picture does not begin as one.")
    right, bottom, left, top = struct.unpack(">IIII", file.read(at + 8, 16))
    count = int.from_bytes(file.read(at + 40, 2), "big")
    found = Outline(right - left, bottom - top, bands=count)
    parts = file.read(at + 42, 3 * min(count, 5))
    found.bits = max((part & 0x7F) + 1 for part in parts[::3]) if parts else 8
    if count not in (1, 3, 4) or found.bits > 16 or any(part & 0x80 for part in parts[::3]):
        found.unsupported = f"It is a JPEG 2000 picture with {count} channels of {found.bits} bits; save it as TIFF."
    elif any(parts[place + 1 : place + 3] != b"\1\1" for place in range(0, len(parts), 3)):
        found.unsupported = "It is a JPEG 2000 picture with fewer pixels of colour than of light; save it as TIFF."
    marker = at + 4 + int.from_bytes(file.read(at + 4, 2), "big")
    for _ in range(MAX_BOXES):
        code, length = struct.unpack(">HH", file.read(marker, 4))
        if code == 0xFF52:
            found.lossless = file.read(marker + 13, 1) == b"\1"
        if code == 0xFF90 or marker >= end or length < 2:  # the first tile begins
            break
        marker += 2 + length
    found.decoder_bytes = found.width * found.height * count * (4 + (2 if found.bits > 8 else 1)) + file.size
    return found
