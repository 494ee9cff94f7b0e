"""What a scan carries beside its pixels: EXIF, XMP, IPTC, resolution, comments; taken over byte for byte.

libvips would parse EXIF and write it anew, losing what it does not know. So a result is saved with its ICC profile
alone, and these bytes are put in: JPEG segments and PNG chunks before the pixels, TIFF tags afterwards. What a result
says of itself joins them here (see `imprint`).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from colorwatch.formats.tifftags import Carried, read_carried
from colorwatch.metadata import imprint
from colorwatch.metadata.imprint import EXIF_SEGMENT, XMP_SEGMENT
from colorwatch.metadata.pieces import APP0, APP1, APP13, COMMENT, jpeg_segment, jpeg_segments, png_chunk, png_chunks
from colorwatch.scan import Provenance

MAX_BYTES = 32 << 20  # of all that is carried; real scans have under a megabyte

MAX_TEXT = 1 << 20  # bytes of a text of a PNG, unpacked; some readers refuse the picture for a longer one

_PNG_CHUNKS = (b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME", b"pHYs")
_PNG_SIZES = {b"pHYs": 9, b"tIME": 7}
_PNG_DROPPED = (b"pHYs", b"eXIf", b"tEXt", b"iTXt", b"zTXt", b"tIME", b"bKGD")
_XMP = (XMP_SEGMENT, b"http://ns.adobe.com/xmp/extension/\0")
_PHOTOSHOP = b"Photoshop 3.0\0"


@dataclass(slots=True)
class Luggage:
    """What is to be carried: `head` goes into a JPEG or a PNG before the pixels, `tags` into a TIFF.

    Into a PDF goes all of it: `head` into a picture that is a JPEG, `packet` (XMP) and some `tags` into the document.
    `metre` is pixels a metre across and down, where it is known; `losses` what the result has no place for.
    """

    head: bytes = b""
    tags: Carried = field(default_factory=Carried)
    orientation: int = 1  # EXIF's, 1..8
    tool_known: bool = False  # EXIF names the software that made the scan
    metre: tuple[float, float] = (0, 0)
    packet: bytes = b""
    losses: str = ""


def pack(format: str, descriptor: int, size: int, provenance: Provenance | None = None, page: int = 0) -> Luggage:
    """Gather from the scan behind `descriptor` what its result is to carry, and with it where the result comes from.

    Of a TIFF, from the page whose directory is at the offset `page`. What is damaged is left behind.
    """
    if format == "tiff":
        tags = read_carried(descriptor, size, page)
        _tidy_resources(tags)
        orientation = _tag_orientation(tags)
        if not orientation:
            # Some readers give up on a TIFF where they find an orientation that is none.
            del tags.tags[274]
        if provenance is not None:
            imprint.on_tiff(tags, provenance)
        return Luggage(tags=tags, orientation=orientation or 1)
    reader = _of_jpeg if format == "jpeg" else _of_png
    return reader(descriptor, size, provenance)


def _tidy_resources(tags: Carried) -> None:
    """Photoshop's resources lie bare in their TIFF tag."""
    kind, _, content = tags.tags.pop(34377, (0, 0, b""))
    kept = _without_thumbnails(content)
    if kept and kind in (1, 7):
        tags.tags[34377] = (kind, len(kept), kept)


def _tag_orientation(tags: Carried) -> int:
    """1..8, or 0 where the tag is there and says something else."""
    kind, count, content = tags.tags.get(274, (0, 0, b""))
    value = int.from_bytes(content, "little") if kind == 3 and count == 1 else 1
    return value if 1 <= value <= 8 else 0


def _valid_orientation(value: int) -> int:
    return value if 1 <= value <= 8 else 1


# --- JPEG --------------------------------------------------------------------------------------------------


def _of_jpeg(descriptor: int, size: int, provenance: Provenance | None) -> Luggage:
    found, parts, total = Luggage(), list[tuple[int, bytes]](), 0
    try:
        for code, body in jpeg_segments(descriptor, size, (APP0, APP1, APP13, COMMENT)):
            kept = _jpeg_segment(code, body, found)
            if kept and total + len(kept) <= MAX_BYTES:
                parts.append((code, kept))
                total += len(kept)
    except (OSError, struct.error):
        found, parts = Luggage(), []
    if provenance is not None:
        imprint.on_jpeg(parts, provenance, found.tool_known)
    found.head = b"".join(jpeg_segment(*part) for part in parts)
    return found


def _jpeg_segment(code: int, body: bytes, found: Luggage) -> bytes:
    """What of a segment is carried. Adobe's (APP14) never is: it would tell readers that the colours are RGB."""
    if code == APP0:
        # Version, unit and density; a thumbnail behind them would be the grey one.
        return body[:12] + b"\0\0" if body.startswith(b"JFIF\0") and len(body) >= 12 else b""
    if code == APP1 and body.startswith(EXIF_SEGMENT):
        exif = bytearray(body)
        tidy_exif(exif, len(EXIF_SEGMENT), found)
        return bytes(exif)
    if code == APP13:
        kept = _without_thumbnails(body[len(_PHOTOSHOP) :]) if body.startswith(_PHOTOSHOP) else b""
        return _PHOTOSHOP + kept if kept else b""
    return body if code == COMMENT or body.startswith(_XMP) else b""


def tidy_exif(exif: bytearray, start: int, found: Luggage) -> None:
    """Cut the thumbnail (it shows the grey scan) out of an EXIF block in place; note what it says in `found`.

    Nothing is moved, because makers' notes hold offsets of their own.
    """
    tiff = memoryview(exif)[start:]
    order = {b"II": "<", b"MM": ">"}.get(bytes(tiff[:2]))
    if order is None or len(tiff) < 8:
        return
    try:
        first = struct.unpack_from(order + "I", tiff, 4)[0]
        count = struct.unpack_from(order + "H", tiff, first)[0]
        orientation = 1
        for at in range(first + 2, first + 2 + 12 * count, 12):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", tiff, at)
            if tag == 274 and kind == 3:
                orientation = value
            found.tool_known |= tag == imprint.SOFTWARE_TAG
        link = first + 2 + 12 * count
        second = struct.unpack_from(order + "I", tiff, link)[0]
        if second:
            struct.pack_into(order + "I", tiff, link, 0)
            _blank_thumbnail(tiff, order, second)
    except struct.error:
        return
    found.orientation = _valid_orientation(orientation)


def _blank_thumbnail(tiff: memoryview, order: str, at: int) -> None:
    count = struct.unpack_from(order + "H", tiff, at)[0]
    values: dict[int, int] = {}
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, _, _, value = struct.unpack_from(order + "HHII", tiff, entry)
        values[tag] = value
    # JPEGInterchangeFormat and its length.
    offset, length = values.get(513, 0), values.get(514, 0)
    # Only bytes that begin as a JPEG and lie behind the directory: a wrong offset must not blank something else.
    if offset > at and offset + length <= len(tiff) and bytes(tiff[offset : offset + 2]) == b"\xff\xd8":
        tiff[offset : offset + length] = bytes(length)


def _without_thumbnails(resources: bytes) -> bytes:
    """Photoshop's resources without the two kinds of thumbnail (1033, 1036); the IPTC record stays."""
    kept, at = [], 0
    while resources[at : at + 4] == b"8BIM" and at + 12 <= len(resources):
        resource = int.from_bytes(resources[at + 4 : at + 6], "big")
        name = (resources[at + 6] + 2) & ~1
        length = int.from_bytes(resources[at + 6 + name : at + 10 + name], "big")
        end = at + 10 + name + ((length + 1) & ~1)
        if resource not in (1033, 1036):
            kept.append(resources[at:end])
        at = end
    return b"".join(kept)


# --- PNG ---------------------------------------------------------------------------------------------------


def _of_png(descriptor: int, size: int, provenance: Provenance | None) -> Luggage:
    found, parts, total = Luggage(), list[tuple[bytes, bytes]](), 0
    try:
        for kind, body in png_chunks(descriptor, size, _PNG_CHUNKS):
            kept = body
            if len(body) != _PNG_SIZES.get(kind, len(body)) or not _unpacks(kind, body):
                continue  # damaged, or made to harm: readers give up on it
            if kind == b"eXIf":
                exif = bytearray(body)
                tidy_exif(exif, 0, found)
                kept = bytes(exif)
            if total + len(kept) <= MAX_BYTES:
                parts.append((kind, kept))
                total += len(kept)
    except (OSError, struct.error):
        found, parts = Luggage(), []
    if provenance is not None:
        imprint.on_png(parts, provenance, found.tool_known)
    found.head = b"".join(png_chunk(*part) for part in parts)
    return found


def _unpacks(kind: bytes, body: bytes) -> bool:
    """Whether a text is packed soundly, if at all, and no longer than MAX_TEXT (PNG, third edition, 11.3.3)."""
    rest = body.partition(b"\0")[2]
    if kind == b"zTXt":
        squeezed = rest[1:]
    elif kind == b"iTXt" and rest[:1] == b"\1":
        squeezed = rest[2:].split(b"\0", 2)[-1]
    else:
        return True
    try:
        return len(zlib.decompressobj().decompress(squeezed, MAX_TEXT + 1)) <= MAX_TEXT
    except zlib.error:
        return False


# --- putting it in -----------------------------------------------------------------------------------------


class HeadSplicer:
    """Stands between libvips' PNG encoder and a file: puts `head` before the pixels, then stands aside."""

    def __init__(self, head: bytes, write: Callable[[bytes], None]) -> None:
        self._head = head
        self._write = write
        self._waiting: bytearray | None = bytearray()

    def write(self, content: bytes) -> None:
        if self._waiting is None:
            self._write(content)
            return
        self._waiting += content
        parts = _split_png(bytes(self._waiting))
        if parts is not None:
            self._waiting = None
            self._write(parts[0] + self._head + parts[1])

    def finish(self) -> None:
        """Write what still waits: an encoder that failed early leaves a beginning that was never whole."""
        if self._waiting:
            self._write(bytes(self._waiting))
        self._waiting = None


def _split_png(start: bytes) -> tuple[bytes, bytes] | None:
    """All chunks before the pixels but those that are carried, and the rest; None while the pixels are not there."""
    at, kept = 8, [start[:8]]
    while at + 8 <= len(start):
        length, kind = int.from_bytes(start[at : at + 4], "big"), start[at + 4 : at + 8]
        if kind == b"IDAT":
            return b"".join(kept), start[at:]
        if kind not in _PNG_DROPPED:
            kept.append(start[at : at + 12 + length])
        at += 12 + length
    return None
