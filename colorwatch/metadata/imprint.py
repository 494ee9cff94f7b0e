"""The imprint of a result: where it comes from, put into what a JPEG, PNG or TIFF carries, and found there again.

It goes into the XMP packet, which every format has a place for: the scan's own, where there is one that can be changed
safely, and else a new one. A packet that cannot (no UTF-8, damaged, with a document type, over 1 MB, or too full for
the one segment that a JPEG has for it) stays as it is, and a packet of ours goes where readers show it to people:
into a JPEG comment, a PNG text called "colorwatch", or TIFF's tag ImageHistory.

A scan that names its software keeps that name. Only where it names none, PNG's text and TIFF's tag Software name us.
"""

from __future__ import annotations

import os
import zlib

from colorwatch.errors import ChangedError, DiskError, ScanError, explain_os_error
from colorwatch.formats.opening import open_regular
from colorwatch.formats.signatures import SNIFFED, sniff
from colorwatch.formats.tifftags import Carried, TiffError, TiffFile
from colorwatch.metadata import provenance as packets
from colorwatch.metadata.pieces import APP1, COMMENT, jpeg_segments, png_chunks, riff_chunks, sha256_of
from colorwatch.metadata.xmp import MAX_PACKET, XmpError
from colorwatch.protocol import Recalled
from colorwatch.scan import Fingerprint, Provenance

XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0"
EXIF_SEGMENT = b"Exif\0\0"
MAX_XMP_SEGMENT = 65_502  # bytes of a packet in a JPEG (XMP Specification Part 3, 1.1.3)
XMP_TAG, SOFTWARE_TAG, HISTORY_TAG = 700, 305, 37395

XMP_CHUNK, OWN_CHUNK = b"XMP ", b"CWCH"  # of a WebP; readers pass over kinds that they do not know (RFC 9649, 2.7.1.6)
_XMP_TEXT = b"XML:com.adobe.xmp\0"
_OWN_TEXT = b"colorwatch\0"
_OWN_START = packets.packet(Provenance("", "", "", "", ""), True, wrapped=False)[:36]
_BYTES = (1, 2, 7)  # field types of TIFF that hold a packet


# --- putting it in -----------------------------------------------------------------------------------------


def on_jpeg(segments: list[tuple[int, bytes]], provenance: Provenance, tool_known: bool) -> None:
    """Put it into the segments (code, content) that a result is to carry."""
    segments[:] = [each for each in segments if not (each[0] == COMMENT and _is_own(each[1]))]
    for number, (code, content) in enumerate(segments):
        if code == APP1 and content.startswith(XMP_SEGMENT):
            try:
                packet = packets.added_to(content[len(XMP_SEGMENT) :], provenance, tool_known)
            except XmpError:
                packet = b""
            if 0 < len(packet) <= MAX_XMP_SEGMENT:
                segments[number] = (APP1, XMP_SEGMENT + packet)
            else:
                segments.append((COMMENT, packets.packet(provenance, tool_known, wrapped=False)))
            return
    # Behind JFIF and EXIF, which want to be first.
    place = next((at for at, (code, content) in enumerate(segments) if not _comes_first(code, content)), len(segments))
    segments.insert(place, (APP1, XMP_SEGMENT + packets.packet(provenance, tool_known)))


def _comes_first(code: int, content: bytes) -> bool:
    return code == 0xE0 or content.startswith(EXIF_SEGMENT)


def on_png(chunks: list[tuple[bytes, bytes]], provenance: Provenance, tool_known: bool) -> None:
    """Put it into the chunks (type, content) that a result is to carry."""
    chunks[:] = [each for each in chunks if not _is_earlier_text(*each)]
    tool_known |= any(content.startswith(b"Software\0") for _, content in chunks)
    if not tool_known:
        chunks.append((b"tEXt", b"Software\0" + packets.SOFTWARE.encode()))
    for number, (kind, content) in enumerate(chunks):
        if kind == b"iTXt" and content.startswith(_XMP_TEXT):
            try:
                packet = packets.added_to(_packet_of_text(content), provenance, tool_known)
                chunks[number] = (kind, _XMP_TEXT + bytes(4) + packet)
            except XmpError:
                own = packets.packet(provenance, tool_known, wrapped=False)
                chunks.append((b"tEXt", _OWN_TEXT + own))
            return
    chunks.append((b"iTXt", _XMP_TEXT + bytes(4) + packets.packet(provenance, tool_known)))


def _is_earlier_text(kind: bytes, content: bytes) -> bool:
    """Whether a chunk is one that an earlier colorwatch wrote."""
    if kind == b"tEXt" and content.startswith(b"Software\0"):
        return packets.is_ours(content[9:].decode("latin-1"))
    return kind == b"tEXt" and content.startswith(_OWN_TEXT) and _is_own(content[len(_OWN_TEXT) :])


def on_webp(chunks: list[tuple[bytes, bytes]], provenance: Provenance, tool_known: bool) -> None:
    """Put it into the chunks (kind, content) that a result is to carry."""
    chunks[:] = [each for each in chunks if each[0] != OWN_CHUNK]
    for number, (kind, content) in enumerate(chunks):
        if kind == XMP_CHUNK:
            try:
                chunks[number] = (kind, packets.added_to(content, provenance, tool_known))
            except XmpError:
                chunks.append((OWN_CHUNK, packets.packet(provenance, tool_known, wrapped=False)))
            return
    chunks.append((XMP_CHUNK, packets.packet(provenance, tool_known)))


def on_tiff(tags: Carried, provenance: Provenance) -> None:
    """Put it into the tags that a result is to carry."""
    software = tags.tags.get(SOFTWARE_TAG, (2, 0, b""))[2].rstrip(b"\0")
    tool_known = bool(software) and not packets.is_ours(software.decode("latin-1"))
    if not tool_known:
        _put(tags, SOFTWARE_TAG, 2, packets.SOFTWARE.encode() + b"\0")
    kind, _, content = tags.tags.get(XMP_TAG, (1, 0, b""))
    if not content:
        _put(tags, XMP_TAG, 1, packets.packet(provenance, tool_known))
        return
    try:
        # A packet in numbers of several bytes may have been turned round: it is taken for damaged.
        packet = packets.added_to(content if kind in _BYTES else b"", provenance, tool_known)
        _put(tags, XMP_TAG, kind, packet)
    except XmpError:
        _put(tags, HISTORY_TAG, 2, packets.packet(provenance, tool_known, wrapped=False) + b"\0")


def document_packet(content: bytes, provenance: Provenance, tool_known: bool) -> bytes:
    """The packet of a new document: the scan's own with it, or only ours where that one cannot be changed."""
    try:
        return packets.added_to(content, provenance, tool_known) if content else packets.packet(provenance, tool_known)
    except XmpError:
        return packets.packet(provenance, tool_known)


def _put(tags: Carried, tag: int, kind: int, content: bytes) -> None:
    tags.tags[tag] = (kind, len(content), content)


def _is_own(content: bytes) -> bool:
    return content.startswith(_OWN_START) and packets.NAMESPACE.encode() in content


def _packet_of_text(content: bytes) -> bytes:
    """The packet in a PNG's iTXt (PNG 3rd edition, 11.3.3.4), which ought not to be compressed but may be.

    Raises XmpError.
    """
    squeezed, rest = content[len(_XMP_TEXT) : len(_XMP_TEXT) + 1], content[len(_XMP_TEXT) + 2 :]
    text = rest.split(b"\0", 2)[-1]
    if squeezed != b"\1":
        return text
    try:
        opened = zlib.decompressobj()
        packet = opened.decompress(text, MAX_PACKET + 1)
    except zlib.error as error:
        raise XmpError("it does not decompress") from error
    if not opened.eof:
        raise XmpError("it is too large, or cut off")
    return packet


# --- finding it --------------------------------------------------------------------------------------------


def recall(root: str, path: str) -> Recalled:
    """What the file `path`, relative to the outbox `root`, says of where it comes from; no pixel is decoded.

    The provenance is None where the file is no result of ours, no picture, or damaged. Raises ScanError where it is no
    regular file or cannot be read, and ChangedError if it changed while it was read.
    """
    descriptor = open_regular(root, path)
    try:
        fingerprint = Fingerprint.of(os.fstat(descriptor))
        digest = sha256_of(descriptor)
        provenance = next(filter(None, map(packets.read, _packets(descriptor, fingerprint.size))), None)
        if Fingerprint.of(os.fstat(descriptor)) != fingerprint:
            raise ChangedError("It changed while it was read; it is looked at afresh.")
    except OSError as error:
        raise DiskError(f"It cannot be read: {explain_os_error(error)}.") from error
    finally:
        os.close(descriptor)
    return Recalled(fingerprint, digest, provenance)


def _packets(descriptor: int, size: int) -> list[bytes]:
    """The packets that may hold it, the likeliest first. Raises OSError."""
    try:
        format = sniff(os.pread(descriptor, SNIFFED, 0))
    except ScanError:
        return []
    if format == "pdf":
        from colorwatch.formats.pdffile import packets_in  # qpdf takes 0.1 s to load

        return packets_in(descriptor)
    readers = {"jpeg": _in_jpeg, "png": _in_png, "tiff": _in_tiff, "webp": _in_webp}
    return readers[format](descriptor, size) if format in readers else []


def _in_jpeg(descriptor: int, size: int) -> list[bytes]:
    found, own = list[bytes](), list[bytes]()
    for code, content in jpeg_segments(descriptor, size, (APP1, COMMENT)):
        if code == APP1 and content.startswith(XMP_SEGMENT):
            found.append(content[len(XMP_SEGMENT) :])
        elif code == COMMENT and _is_own(content):
            own.append(content)
    return found[:2] + own[:2]


def _in_png(descriptor: int, size: int) -> list[bytes]:
    found, own = list[bytes](), list[bytes]()
    for kind, content in png_chunks(descriptor, size, (b"iTXt", b"tEXt")):
        if kind == b"iTXt" and content.startswith(_XMP_TEXT) and len(found) < 2:
            try:
                found.append(_packet_of_text(content))
            except XmpError:
                continue
        elif kind == b"tEXt" and content.startswith(_OWN_TEXT) and len(own) < 2:
            # A stranger's text may have that name, too: it must not stand in the way of ours.
            own += [content[len(_OWN_TEXT) :]] if _is_own(content[len(_OWN_TEXT) :]) else []
    return found + own


def _in_webp(descriptor: int, size: int) -> list[bytes]:
    found = list(riff_chunks(descriptor, size, (XMP_CHUNK, OWN_CHUNK)))[:8]
    return [content for kind, content in sorted(found, reverse=True)][:4]


def _in_tiff(descriptor: int, size: int) -> list[bytes]:
    found = []
    try:
        file = TiffFile(descriptor, size)
        directory = file.directory(file.first)
        for tag in (XMP_TAG, HISTORY_TAG):
            entry = directory.entries.get(tag)
            if entry is not None and entry.type in _BYTES and entry.size <= MAX_PACKET:
                found.append(directory.content(entry, MAX_PACKET))
    except TiffError:
        pass
    return found
