"""Opening a PDF that nobody vouches for, and the named reasons to leave one alone.

qpdf reads it (ISO 32000-2:2020), through calls of our own: nothing is mapped, and a fault of the disk keeps its errno.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import zlib
from collections.abc import Iterator
from typing import Any

import pikepdf

from colorwatch.errors import (
    DamagedError,
    DiskError,
    MemoryShortError,
    ScanError,
    TooLargeError,
    UnsupportedError,
    explain_os_error,
    short_of_memory,
)
from colorwatch.metadata.xmp import MAX_PACKET

OWN_KEY = "/colorwatch"
"""In the document's information: where a packet of ours stands if the XMP packet cannot be changed."""

MAX_PAGES = 5_000
MAX_OBJECTS = 1_000_000
MAX_CONTENT = 32 << 20  # bytes of what one page draws; text-heavy pages have under a megabyte
MAX_FIELDS = 10_000  # of a form, looked through for signatures
_READ_AHEAD = 1 << 16
_TAIL = 2048  # bytes at the end that hold the end mark; ISO 32000-1, annex H, speaks of 1024

# Objects of another type than the format wants: pikepdf speaks of them in Python's terms.
DAMAGE = (pikepdf.PdfError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, IndexError, OverflowError)


class _Source(io.RawIOBase):
    """The file behind a descriptor, as qpdf reads it; remembers what the system said when reading failed."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self._at = 0
        self.fault: OSError | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            found = os.pread(self._descriptor, len(buffer), self._at)
        except OSError as error:
            self.fault = error
            raise
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, (0, self._at, self._size)[whence] + offset)
        return self._at

    def tell(self) -> int:
        return self._at


class OpenPdf:
    """An open PDF; `reading` is to stand around everything that looks into it."""

    def __init__(self, descriptor: int) -> None:
        """Opens the PDF behind `descriptor`.

        A table of contents that is wrong is not made up anew: pages might be missing, and nobody would know. Raises
        DamagedError, UnsupportedError (locked, protected or signed), TooLargeError, DiskError, MemoryShortError.
        """
        self._source = _Source(descriptor)
        with self.reading():
            file = io.BufferedReader(self._source, _READ_AHEAD)
            self.pdf = pikepdf.open(file, access_mode=pikepdf.AccessMode.stream, attempt_recovery=False)
            _require_ordinary(self.pdf)

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """What qpdf raises within comes out as a ScanError; of what others raise, a fault of the disk is named."""
        try:
            yield
        except pikepdf.PasswordError as error:
            raise UnsupportedError("It is a PDF locked with a password; save it without one.") from error
        except (ScanError, *DAMAGE, OSError, MemoryError) as error:
            raise self._told(error) from error

    def _told(self, error: Exception) -> Exception:
        fault = self._source.fault
        if fault is not None:
            return DiskError(f"It cannot be read: {explain_os_error(fault)}.")
        if isinstance(error, ScanError | OSError):
            return error
        if short_of_memory(error):
            return MemoryShortError()
        return DamagedError("The PDF is damaged; open it in a PDF reader and save it anew.")

    def close(self) -> None:
        self.pdf.close()


def _require_ordinary(pdf: pikepdf.Pdf) -> None:
    if pdf.is_encrypted:
        raise UnsupportedError("It is a PDF that is protected against changes; save it without protection.")
    if is_signed(pdf):
        raise UnsupportedError("It is a signed PDF; colours would break its signature.")
    if int(pdf.trailer.get("/Size", 0)) > MAX_OBJECTS:
        raise TooLargeError(f"It is a PDF of more than {MAX_OBJECTS:,} objects.")
    if len(pdf.pages) > MAX_PAGES:
        raise TooLargeError(f"It is a PDF of {len(pdf.pages):,} pages, more than the {MAX_PAGES:,} that are coloured.")
    if not len(pdf.pages):
        raise DamagedError("It is a PDF without pages.")


def is_signed(pdf: pikepdf.Pdf) -> bool:
    """Whether a signature stands in it, or rights that hang on one (ISO 32000-2, 12.7.5.5, 12.8)."""
    if "/Perms" in pdf.Root:
        return True
    form = pdf.Root.get("/AcroForm")
    if not isinstance(form, pikepdf.Dictionary):
        return False
    if int(form.get("/SigFlags", 0)) & 1 and _any_signature(form):
        return True
    return _any_signature(form)


def _any_signature(form: pikepdf.Dictionary) -> bool:
    waiting = list(_items(form.get("/Fields")))
    for _ in range(MAX_FIELDS):
        if not waiting:
            return False
        field = waiting.pop()
        if not isinstance(field, pikepdf.Dictionary):
            continue
        if field.get("/FT") == "/Sig" and "/V" in field:
            return True
        waiting += _items(field.get("/Kids"))
    return bool(waiting)


def _items(array: Any) -> list[Any]:
    return list(array) if isinstance(array, pikepdf.Array) else []


def filters(stream: pikepdf.Stream) -> list[tuple[str, Any]]:
    """The stream's filters in the order in which they are undone, each with its parameters or None."""
    names = stream.get("/Filter")
    parameters = stream.get("/DecodeParms")
    if names is None:
        return []
    if isinstance(names, pikepdf.Array):
        given = _items(parameters)
        return [(str(name), given[at] if at < len(given) else None) for at, name in enumerate(names)]
    return [(str(names), parameters[0] if isinstance(parameters, pikepdf.Array) and len(parameters) else parameters)]


def inflated(content: bytes, most: int) -> bytes:
    """`content` decompressed, no more than `most` bytes of it. Raises TooLargeError beyond that, DamagedError."""
    opened = zlib.decompressobj()
    try:
        found = opened.decompress(content, most)
        if opened.unconsumed_tail and opened.decompress(opened.unconsumed_tail, 1):
            raise TooLargeError("A part of the PDF unpacks to more than any real one.")
    except zlib.error as error:
        raise DamagedError("A part of the PDF is damaged and does not unpack.") from error
    return found


def bounded(stream: pikepdf.Stream, most: int) -> bytes:
    """The stream's content, all filters undone, at most `most` bytes. Raises TooLargeError, DamagedError."""
    if int(stream.get("/Length", 0)) > most:
        raise TooLargeError("A part of the PDF is larger than any real one.")
    chain = filters(stream)
    if not chain:
        return stream.read_raw_bytes()
    if [name for name, _ in chain] in (["/FlateDecode"], ["/Fl"]) and not _predicts(chain[0][1]):
        return inflated(stream.read_raw_bytes(), most)
    # Of the others none unpacks a byte to more than some thousand; Flate among them is undone first, bounded.
    if len(stream.read_raw_bytes()) > most // 1000 and any(name in ("/FlateDecode", "/LZWDecode") for name, _ in chain):
        raise TooLargeError("A part of the PDF is packed in a way that cannot be bounded.")
    found = stream.read_bytes()
    if len(found) > most:
        raise TooLargeError("A part of the PDF unpacks to more than any real one.")
    return found


def _predicts(parameters: Any) -> bool:
    return isinstance(parameters, pikepdf.Dictionary) and int(parameters.get("/Predictor", 1)) > 1


def packets_in(descriptor: int) -> list[bytes]:
    """The XMP packets of a PDF that may say where it comes from; none of a file that cannot be read as one."""
    try:
        file = OpenPdf(descriptor)
        with contextlib.closing(file), file.reading():
            own = str(file.pdf.docinfo.get(OWN_KEY, "")) if "/Info" in file.pdf.trailer else ""
            return [packet for packet in (packet_of(file.pdf), own.encode("utf-8", "replace")) if packet]
    except ScanError:
        return []


def packet_of(pdf: pikepdf.Pdf) -> bytes:
    """The document's XMP packet, b"" where it has none; one that is too large comes as a byte that is no packet."""
    metadata = pdf.Root.get("/Metadata")
    if not isinstance(metadata, pikepdf.Stream):
        return b""
    try:
        return bounded(metadata, MAX_PACKET)
    except ScanError:
        return b"\0"


def end_fault(descriptor: int) -> str:
    """Why the PDF behind `descriptor` is not whole, as far as its end tells, or "". Raises OSError."""
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, _TAIL, max(0, size - _TAIL))
    places = re.findall(rb"startxref\s+(\d{1,19})\s+%%EOF", tail)
    if not places:
        return "The PDF breaks off: its end mark is missing."
    return "" if int(places[-1]) < size else "The PDF breaks off: its table of contents is not in the file."
