"""The structure of a scan, read without decoding it: format by content, size, digest, and whether its end is there.

Everything here reads untrusted bytes: in chunks, never mapped (a share may cut a mapped file), and in bounded time.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import zlib
from dataclasses import dataclass

from colorwatch.errors import DamagedError, DiskError, UnsupportedError, explain_os_error
from colorwatch.formats.outlines import missing_codec, outline, result_format
from colorwatch.formats.signatures import SNIFFED, sniff
from colorwatch.formats.tiffkinds import Pages
from colorwatch.formats.tifftags import TiffError, TiffFile
from colorwatch.scan import effort_of

CHUNK = 1 << 20
ZERO_TAIL = 4096  # bytes of zeros at the end that make a tail worth mentioning
MAX_CHUNKS = 1_000_000  # PNG chunks; real files have one for 8 kB to 1 MB
MAX_SCANS = 500  # of one JPEG; real progressive ones have about ten, and each costs a pass over the whole picture
MAX_SEGMENTS = 100_000  # JPEG segments; real files have under a hundred, progressive ones with profiles some hundreds
MAX_PIECES = 4_000_000  # TIFF strips and tiles, all pages together


@dataclass(frozen=True, slots=True)
class Structure:
    """What the bytes say. `format` is that of `signatures.sniff`, or "" while too little of the file is there to tell.

    `result` is the format that its result takes.
    Sides, `bands` (alpha is one) and `bits` per sample are those of the largest page; `decoder_bytes` is what a decoder
    holds at once because of how the file is stored; `effort` is as in `scan.Facts`; `reason` (one sentence) says why
    the file is not `complete`. `digest`, `size` and `zero_tail` are known of a complete one alone.
    """

    format: str
    digest: str
    size: int
    width: int = 0
    height: int = 0
    pages: int = 1
    bands: int = 0
    bits: int = 0
    decoder_bytes: int = 0
    effort: int = 0
    result: str = ""
    complete: bool = True
    reason: str = ""
    zero_tail: bool = False


@dataclass(slots=True)
class _Header:
    """What a walk through one format found."""

    width: int = 0
    height: int = 0
    pages: int = 1
    bands: int = 0
    bits: int = 0
    decoder_bytes: int = 0
    effort: int = 0
    unsupported: str = ""
    reason: str = ""
    result: str = ""


class _EndError(Exception):
    """The file ends before the structure does."""


class _Stream:
    """One pass over a file: everything taken or skipped is hashed."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.size = 0  # bytes read so far
        self._hash = hashlib.sha256()
        self._chunk = b""
        self._at = 0

    def digest(self) -> str:
        return self._hash.hexdigest()

    def ends_in_zeros(self) -> bool:
        """Whether the last ZERO_TAIL bytes of what was read are zeros."""
        tail = self._read(ZERO_TAIL, max(0, self.size - ZERO_TAIL))
        return len(tail) == ZERO_TAIL and not tail.strip(b"\0")

    def peek(self, count: int) -> bytes:
        """Up to `count` bytes ahead; fewer only at the end of the file."""
        while len(self._chunk) - self._at < count and self._more():
            pass
        return self._chunk[self._at : self._at + count]

    def take(self, count: int) -> bytes:
        ahead = self.peek(count)
        if len(ahead) < count:
            raise _EndError
        self._at += count
        return ahead

    def skip(self, count: int) -> None:
        while count > len(self._chunk) - self._at:
            count -= len(self._chunk) - self._at
            self._at = len(self._chunk)
            if not self._more():
                raise _EndError
        self._at += count

    def pieces(self, count: int) -> list[bytes]:
        """The next `count` bytes, cut where the chunks are; for checksums that go on from piece to piece."""
        found: list[bytes] = []
        while count:
            piece = self._chunk[self._at : self._at + count]
            if not piece:
                if not self._more():
                    raise _EndError
                continue
            self._at += len(piece)
            count -= len(piece)
            found.append(piece)
        return found

    def find(self, pattern: re.Pattern[bytes], length: int) -> bytes:
        """Skip to the first match of `pattern`, which is `length` bytes long, and take it."""
        while True:
            match = pattern.search(self._chunk, self._at)
            if match:
                self._at = match.end()
                return match.group()
            self._at = max(self._at, len(self._chunk) - length + 1)
            if not self._more():
                raise _EndError

    def drain(self) -> None:
        self._at = len(self._chunk)
        while self._more():
            self._at = len(self._chunk)

    def _more(self) -> bool:
        read = self._read(CHUNK, self.size)
        if not read:
            return False
        self._hash.update(read)
        self.size += len(read)
        self._chunk = self._chunk[self._at :] + read
        self._at = 0
        return True

    def _read(self, count: int, offset: int) -> bytes:
        try:
            return os.pread(self.descriptor, count, offset)
        except OSError as error:
            raise DiskError(f"It cannot be read: {explain_os_error(error)}.") from error


def examine(descriptor: int) -> Structure:
    """Read the whole file once (a TIFF's directories a second time, by offset) and say what it is.

    A file that is not whole comes back with `complete` False, read no further than that took: what counts of it is the
    reason alone. A whole one of a kind not read here raises UnsupportedError with the feature's name. Raises
    NotAPictureError, DamagedError, TooLargeError and DiskError besides.
    """
    stream = _Stream(descriptor)
    start = stream.peek(SNIFFED)
    format = sniff(start)
    header = _walk(format, stream) if format else _Header(reason=_too_short(start))
    if not header.reason:
        if header.unsupported:
            raise UnsupportedError(header.unsupported)
        stream.drain()
    return Structure(
        format=format,
        digest=stream.digest(),
        size=stream.size,
        width=header.width,
        height=header.height,
        pages=header.pages,
        bands=header.bands,
        bits=header.bits,
        decoder_bytes=header.decoder_bytes,
        effort=header.effort,
        result=header.result or format,
        complete=not header.reason,
        reason=header.reason,
        zero_tail=not header.reason and stream.ends_in_zeros(),
    )


def _too_short(start: bytes) -> str:
    if not start:
        return "The file is empty."
    if not start.strip(b"\0"):
        return "The file is nothing but zeros so far."
    return "Only the first bytes of the file are there."


def _walk(format: str, stream: _Stream) -> _Header:
    if format == "jpeg":
        return _walk_jpeg(stream)
    if format == "png":
        return _walk_png(stream)
    if format == "tiff":
        return _walk_tiff(stream.descriptor)
    return _walk_outline(format, stream.descriptor)


def _walk_outline(format: str, descriptor: int) -> _Header:
    try:
        if format == "pdf":
            from colorwatch.pdf.reading import outline_of  # qpdf takes 0.1 s to load

            found = outline_of(descriptor)
        else:
            found = outline(format, descriptor)
    except OSError as error:
        raise DiskError(f"It cannot be read: {explain_os_error(error)}.") from error
    header = _Header(found.width, found.height, found.pages, found.bands, found.bits, found.decoder_bytes)
    header.effort = found.effort
    header.unsupported, header.reason = found.unsupported or missing_codec(format), found.reason
    header.result = result_format(format, found)
    return header


# --- JPEG --------------------------------------------------------------------------------------------------

# Within a scan 0xFF is followed by 0x00 (a stuffed byte), by 0xD0..0xD7 (restart) or by fill bytes; all else ends it.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
_JPEG_ALONE = {0x01, *range(0xD0, 0xD9)}
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_JPEG_PROGRESSIVE = 0xC2
_JPEG_KINDS = {
    0xC3: "lossless JPEG",
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchical JPEG"),
    **dict.fromkeys((0xC9, 0xCA, 0xCB), "JPEG with arithmetic coding"),
}


def _walk_jpeg(stream: _Stream) -> _Header:
    """Marker by marker (ITU-T T.81, annex B) to the end marker after the last scan; bytes after that are legal."""
    header = _Header()
    scans = 0
    stream.take(2)
    try:
        for _ in range(MAX_SEGMENTS):
            if stream.take(1) != b"\xff":
                header.reason = "The JPEG breaks off: bytes that belong to no part of it stand in its middle."
                return header
            code = stream.take(1)[0]
            while code == 0xFF:
                code = stream.take(1)[0]
            while code == 0xDA and scans < MAX_SCANS:
                scans += 1
                stream.skip(_jpeg_length(stream))
                code = stream.find(_JPEG_MARKER, 2)[1]
            if code == 0xD9:
                return _jpeg_end(header, scans)
            if code in _JPEG_ALONE:
                continue
            if code == 0xDA:
                break
            length = _jpeg_length(stream)
            if code in _JPEG_FRAMES and not header.width:
                _jpeg_frame(header, code, stream.take(length))
            elif code == 0xDC and length >= 2 and not header.height:
                # The number of lines, given after the first scan where the header had none.
                header.height = int.from_bytes(stream.take(length)[:2], "big")
            else:
                stream.skip(length)
    except _EndError:
        header.reason = "The JPEG breaks off: its end marker is missing."
        return header
    header.reason = "The JPEG has more parts than any real one."
    return header


def _jpeg_length(stream: _Stream) -> int:
    """Bytes of a segment after its length field; a length below 2 cannot be, and counts as none."""
    return max(int.from_bytes(stream.take(2), "big") - 2, 0)


def _jpeg_frame(header: _Header, code: int, body: bytes) -> None:
    if len(body) < 6:
        header.reason = "The JPEG's header is too short."
        return
    header.bits, header.height, header.width, header.bands = struct.unpack(">BHHB", body[:6])
    if code in _JPEG_KINDS:
        header.unsupported = f"It is a {_JPEG_KINDS[code]}, which this version does not read."
    elif header.bits != 8:
        header.unsupported = f"It is a JPEG with {header.bits} bits a channel; this version reads 8 bits."
    elif header.bands not in (1, 3, 4):
        header.unsupported = f"It is a JPEG with {header.bands} channels; this version reads grey and colour."
    elif code == _JPEG_PROGRESSIVE:
        header.decoder_bytes = _jpeg_coefficients(header, body)


def _jpeg_coefficients(header: _Header, body: bytes) -> int:
    """Bytes of all coefficients, 2 each, which a decoder holds until the last scan of a progressive JPEG."""
    sampling = [(each >> 4, each & 15) for each in body[7::3][: header.bands]]
    widest = max((across for across, _ in sampling), default=1) * max((down for _, down in sampling), default=1)
    shares = sum(across * down for across, down in sampling) / max(widest, 1)
    return int(2 * header.width * header.height * max(shares, 1))


def _jpeg_end(header: _Header, scans: int) -> _Header:
    if not header.reason and not (scans and header.width and header.height):
        header.reason = "The JPEG has an end, but no picture before it."
    return header


# --- PNG ---------------------------------------------------------------------------------------------------

_PNG_BANDS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}


def _walk_png(stream: _Stream) -> _Header:
    """Chunk by chunk to IEND (PNG, third edition, section 5.3), each chunk's checksum compared."""
    header = _Header()
    drawn = False
    stream.take(8)
    try:
        for number in range(MAX_CHUNKS):
            length = int.from_bytes(stream.take(4), "big")
            kind = stream.take(4)
            if length > 0x7FFFFFFF or not kind.isalpha() or (number == 0) != (kind == b"IHDR"):
                header.reason = "The PNG breaks off: one of its parts is not what it should be."
                return header
            checksum = zlib.crc32(kind)
            body = stream.peek(13) if kind in (b"IHDR", b"acTL") else b""
            while length:
                part = min(length, CHUNK)
                for piece in stream.pieces(part):
                    checksum = zlib.crc32(piece, checksum)
                length -= part
            if int.from_bytes(stream.take(4), "big") != checksum:
                header.reason = "The PNG is not whole: the checksum of one of its parts is wrong."
                return header
            if kind == b"IHDR":
                _png_header(header, body)
            elif kind == b"acTL" and int.from_bytes(body[:4], "big") > 1:
                header.unsupported = "It is an animated PNG; this version colours still pictures."
            drawn = drawn or kind == b"IDAT"
            if kind == b"IEND":
                if not drawn:
                    header.reason = "The PNG has an end, but no picture before it."
                return header
    except _EndError:
        header.reason = "The PNG breaks off: its end is missing."
        return header
    header.reason = "The PNG has more parts than any real one."
    return header


def _png_header(header: _Header, body: bytes) -> None:
    if len(body) < 13:
        raise DamagedError("The PNG's header is too short.")
    header.width, header.height, header.bits, colour = struct.unpack(">IIBB", body[:10])
    header.bands = _PNG_BANDS.get(colour, 0)
    if not (header.width and header.height and header.bands):
        raise DamagedError("The PNG's header names no picture that can be.")
    if body[12]:  # interlaced: rows are whole after the last pass only
        header.decoder_bytes = header.width * header.height * header.bands * max(header.bits // 8, 1)


# --- TIFF --------------------------------------------------------------------------------------------------


def _walk_tiff(descriptor: int) -> _Header:
    """Directories and every strip and tile that they name (TIFF 6.0, and BigTIFF) inside the file."""
    header = _Header()
    found = Pages()
    pieces = 0
    try:
        file = TiffFile(descriptor, os.fstat(descriptor).st_size)
        for directory in file.directories():
            extents = directory.extents(MAX_PIECES - pieces)
            pieces += len(extents)
            for offset, count in extents:
                if offset + count > file.size:
                    header.reason = "The TIFF breaks off: part of the picture is not in the file."
                    return header
            page = found.add(directory)
            if not (page.width and page.height):
                raise TiffError("it gives no width or height")  # noqa: TRY301 - one reason for all that is broken
    except TiffError as error:
        header.reason = f"The TIFF is not whole: {error}."
        return header
    except OSError as error:
        raise DiskError(f"It cannot be read: {explain_os_error(error)}.") from error
    largest = found.largest()
    header.width, header.height, header.bands, header.bits = largest.width, largest.height, largest.bands, largest.bits
    header.pages, header.unsupported = len(found.all()), found.unsupported()
    header.decoder_bytes = max(page.decoder_bytes for page in found.all())
    header.effort = effort_of(page.width * page.height for page in found.all())
    return header
