"""An image of a PDF as a file of its own kind, for the codec: nothing is decoded here, the packed bytes stay packed.

A PDF holds the same coded bytes as JPEG, JPEG 2000, TIFF (CCITT, LZW, deflate) and PNG (deflate with PNG's filters);
what differs is the header (ISO 32000-2, 7.4 and 8.9; TIFF 6.0; PNG, third edition).
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import pikepdf

from colorwatch.errors import DamagedError, TooLargeError, UnsupportedError
from colorwatch.formats.pdffile import bounded, filters, inflated
from colorwatch.metadata.pieces import png_chunk

MAX_PROFILE = 8 << 20  # bytes of an ICC profile; real ones have some kB
MAX_PACKED = 2 << 30  # bytes of one packed image
_SHORT = {"/Fl": "/FlateDecode", "/LZW": "/LZWDecode", "/CCF": "/CCITTFaxDecode", "/DCT": "/DCTDecode"}
_SHORT |= {"/A85": "/ASCII85Decode", "/AHx": "/ASCIIHexDecode", "/RL": "/RunLengthDecode"}
_SPACES = dict.fromkeys(("/DeviceCMYK", "/CMYK"), "CMYK colours (made for printing)") | {"/Lab": "CIE Lab colours"}
_SPACES |= {"/Separation": "a printing ink's colour", "/DeviceN": "printing inks' colours"}
_GREY, _RGB, _PALETTE = 1, 2, 3  # photometric interpretations of TIFF; 0 is grey with white as zero
_PNG_COLOURS = {1: 0, 3: 2}


@dataclass(frozen=True, slots=True)
class Space:
    """A colour space, as far as it is read: `channels` 1 or 3; `palette` is RGB bytes; `profile` an ICC profile."""

    channels: int
    profile: bytes = b""
    palette: bytes = b""


@dataclass(frozen=True, slots=True)
class Packed:
    """An image's file: its bytes, its format ("jpeg", "jp2", "png" or "tiff"), and whether its result is lossless."""

    content: bytes
    format: str
    lossless: bool


def packed(image: Any) -> Packed:
    """The file of an image. Raises UnsupportedError (naming the feature), DamagedError, TooLargeError."""
    if int(image.get("/Length", 0)) > MAX_PACKED:
        raise TooLargeError("One of its images is larger than 2 GB.")
    chain = [(_SHORT.get(name, name), parameters) for name, parameters in filters(image)]
    last, parameters = chain[-1] if chain else ("", None)
    if last == "/JBIG2Decode":
        raise UnsupportedError(
            "It has a picture packed as JBIG2 (for black-and-white text), which this version does not read."
        )
    if last == "/JPXDecode":
        return Packed(_unpacked_to(image, chain[:-1]), "jp2", False)
    space = colour_space(image.get("/ColorSpace"))
    if last == "/DCTDecode":
        if _decode(image, space) != "as is":
            raise _unusual("whose levels are turned round (Decode)", "JPEG")
        content = _unpacked_to(image, chain[:-1])
        transform = parameters.get("/ColorTransform") if isinstance(parameters, pikepdf.Dictionary) else None
        return Packed(_plain_jpeg(content, space.profile, None if transform is None else int(transform)), "jpeg", False)
    return _lossless(image, space, chain, last, parameters)


def _unusual(what: str, kind: str = "picture") -> UnsupportedError:
    return UnsupportedError(f"It has a {kind} {what}; save it as an ordinary PDF.")


def _lossless(image: Any, space: Space, chain: list[tuple[str, Any]], last: str, parameters: Any) -> Packed:
    width, height = int(image.get("/Width", 0)), int(image.get("/Height", 0))
    bits = int(image.get("/BitsPerComponent", 1 if last == "/CCITTFaxDecode" else 8))
    if not (0 < width <= 1_000_000 and 0 < height <= 1_000_000 and bits in (1, 2, 4, 8, 16)):
        raise DamagedError("One of the PDF's images has a size that no picture has.")
    predictor = int(parameters.get("/Predictor", 1)) if isinstance(parameters, pikepdf.Dictionary) else 1
    turned = _decode(image, space) == "turned round"
    body = _unpacked_to(image, chain[:-1] if last in ("/FlateDecode", "/LZWDecode", "/CCITTFaxDecode") else chain)
    if last == "/CCITTFaxDecode":
        compression, options = _fax(parameters, width)
        # BlackIs1 says which bit black is; the colour space's own white is 1.
        black_is_1 = isinstance(parameters, pikepdf.Dictionary) and bool(parameters.get("/BlackIs1", False))
        tags = {262: (3, int(black_is_1 != turned)), **options}
        return Packed(_tiff(body, width, height, 1, space, compression, tags), "tiff", True)
    if last == "/FlateDecode" and predictor >= 10:
        _require_fitting(parameters, width, bits, space)
        if turned:
            raise _unusual("whose levels are turned round (Decode)")
        return Packed(_png(body, width, height, bits, space), "png", True)
    if last == "/LZWDecode" and (predictor >= 10 or int((parameters or {}).get("/EarlyChange", 1)) != 1):
        raise _unusual("in an unusual kind of LZW")
    compression = {"/FlateDecode": 8, "/LZWDecode": 5}.get(last, 1)
    tags = {317: (3, 2)} if predictor == 2 else {}
    tags[262] = (3, _PALETTE if space.palette else _RGB if space.channels == 3 else _GREY - turned)
    return Packed(_tiff(body, width, height, bits, space, compression, tags), "tiff", True)


def _require_fitting(parameters: Any, width: int, bits: int, space: Space) -> None:
    usual = {"/Columns": 1, "/BitsPerComponent": 8, "/Colors": 1}
    found = [int(parameters.get(name, value)) for name, value in usual.items()]
    if found != [width, bits, 1 if space.palette else space.channels]:
        raise _unusual("packed in rows that are not its own")


def _fax(parameters: Any, width: int) -> tuple[int, dict[int, tuple[int, int]]]:
    """TIFF's compression and options of CCITTFaxDecode's parameters (ISO 32000-2, 7.4.6)."""
    given: Any = parameters if isinstance(parameters, pikepdf.Dictionary) else {}
    kind = int(given.get("/K", 0))
    if int(given.get("/Columns", 1728)) != width or bool(given.get("/EncodedByteAlign", False)):
        raise _unusual("in an unusual arrangement", "fax picture")
    if kind < 0:
        return 4, {}
    return 3, {292: (4, 1)} if kind > 0 else {}


def _unpacked_to(image: Any, chain: list[tuple[str, Any]]) -> bytes:
    """The image's bytes with the filters in `chain` undone: the transport's, before the picture's own."""
    content: bytes = image.read_raw_bytes()
    for name, parameters in chain:
        if name == "/FlateDecode" and not isinstance(parameters, pikepdf.Dictionary):
            # What is inside is packed already, or of known size.
            content = inflated(content, max(4 * len(content), 1 << 20))
        elif name in ("/ASCII85Decode", "/ASCIIHexDecode", "/RunLengthDecode"):
            with pikepdf.new() as scratch:
                content = bounded(pikepdf.Stream(scratch, content, Filter=pikepdf.Name(name)), MAX_PACKED)
        else:
            raise _unusual("packed in several ways at once")
    return content


def _decode(image: Any, space: Space) -> str:
    """Whether the image's Decode array leaves its levels "as is", or has them "turned round"."""
    array = image.get("/Decode")
    if not isinstance(array, pikepdf.Array):
        return "as is"
    found = [float(value) for value in array]
    top = (1 << int(image.get("/BitsPerComponent", 1))) - 1 if space.palette else 1.0
    count = 1 if space.palette else space.channels
    if found == [0.0, top] * count:
        return "as is"
    if found == [1.0, 0.0] and count == 1 and not space.palette:
        return "turned round"
    raise _unusual("whose levels are changed (Decode)")


# --- colour spaces ------------------------------------------------------------------------------------------


def colour_space(value: Any) -> Space:
    """The colour space of an image (ISO 32000-2, 8.6). Raises UnsupportedError, naming those that are not read."""
    name = str(value[0]) if isinstance(value, pikepdf.Array) and len(value) else str(value)
    if name in ("/DeviceGray", "/G", "/CalGray", "None"):
        return Space(1)
    if name in ("/DeviceRGB", "/RGB", "/CalRGB"):
        return Space(3)
    if name == "/ICCBased" and len(value) > 1 and isinstance(value[1], pikepdf.Stream):
        channels = int(value[1].get("/N", 0))
        if channels in (1, 3):
            return Space(channels, profile=bounded(value[1], MAX_PROFILE))
        name = "/DeviceCMYK"
    if name in ("/Indexed", "/I") and len(value) == 4:
        return _palette(value)
    found = _SPACES.get(name, "an unusual colour space")
    raise UnsupportedError(f"It has a picture in {found}; save it as grey or RGB.")


def _palette(value: Any) -> Space:
    base = colour_space(value[1])
    if base.palette:
        raise DamagedError("One of the PDF's images has a palette of a palette.")
    table = value[3]
    levels = bounded(table, 1 << 16) if isinstance(table, pikepdf.Stream) else bytes(table)
    levels = levels[: 256 * base.channels]
    if base.channels == 1:
        levels = b"".join(bytes((level,)) * 3 for level in levels)
    return Space(3, base.profile if base.channels == 3 else b"", levels or b"\0\0\0")


# --- the files ----------------------------------------------------------------------------------------------


def _tiff(
    body: bytes, width: int, height: int, bits: int, space: Space, compression: int, tags: dict[int, tuple[int, int]]
) -> bytes:
    """A TIFF of one strip, big-endian, as the samples of a PDF are."""
    channels = 1 if space.palette else space.channels
    if compression == 1 and len(body) < (width * channels * bits + 7) // 8 * height:
        raise DamagedError("One of the PDF's images is shorter than its size wants.")
    entries: dict[int, tuple[int, int, bytes]] = {
        256: (4, 1, struct.pack(">I", width)),
        257: (4, 1, struct.pack(">I", height)),
        258: (3, channels, struct.pack(">H", bits) * channels),
        259: (3, 1, struct.pack(">H", compression)),
        273: (4, 1, struct.pack(">I", 8)),
        277: (3, 1, struct.pack(">H", channels)),
        278: (4, 1, struct.pack(">I", height)),
        279: (4, 1, struct.pack(">I", len(body))),
    }
    for tag, (kind, number) in tags.items():
        entries[tag] = (kind, 1, struct.pack(">H" if kind == 3 else ">I", number))
    if space.palette:
        full = space.palette.ljust(3 << bits, b"\0")
        columns = b"".join(bytes(full[at : 3 << bits : 3]) for at in range(3))
        entries[320] = (3, len(columns), b"".join(struct.pack(">H", level * 257) for level in columns))
    if space.profile and not space.palette:
        entries[34675] = (7, len(space.profile), space.profile)
    body += b"\0" * (len(body) % 2)
    at = 8 + len(body)
    behind = at + 2 + 12 * len(entries) + 4
    directory, values = struct.pack(">H", len(entries)), b""
    for tag, (kind, count, content) in sorted(entries.items()):
        directory += struct.pack(">HHI", tag, kind, count)
        if len(content) <= 4:
            directory += content.ljust(4, b"\0")
        else:
            directory += struct.pack(">I", behind + len(values))
            values += content + b"\0" * (len(content) % 2)
    return b"".join((b"MM\0*", struct.pack(">I", at), body, directory, bytes(4), values))


def _png(body: bytes, width: int, height: int, bits: int, space: Space) -> bytes:
    colour = 3 if space.palette else _PNG_COLOURS[space.channels]
    parts = [b"\x89PNG\r\n\x1a\n", png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))]
    if space.profile and not space.palette:
        parts.append(png_chunk(b"iCCP", b"icc\0\0" + zlib.compress(space.profile, 1)))
    if space.palette:
        parts.append(png_chunk(b"PLTE", space.palette[: 3 << min(bits, 8)]))
    return b"".join([*parts, png_chunk(b"IDAT", body), png_chunk(b"IEND", b"")])


def _plain_jpeg(content: bytes, profile: bytes, transform: int | None) -> bytes:
    """The JPEG as a PDF means it: with the PDF's own profile, whatever stands in the file, and no EXIF orientation.

    Readers of a PDF look at neither (ISO 32000-2, 7.4.8).
    """
    start = content.find(b"\xff\xd8\xff")
    if start < 0:
        raise DamagedError("One of the PDF's images is no JPEG, though it says so.")
    at, kept, adobe = start + 2, [b"\xff\xd8"], False
    while at + 4 <= len(content) and content[at] == 0xFF and content[at + 1] not in (0xDA, 0xD9):
        if content[at + 1] == 0xFF:
            at += 1
            continue
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        segment = content[at:end]
        adobe |= segment[1] == 0xEE and segment[4:9] == b"Adobe"
        if segment[1] not in (0xE1, 0xE2):
            kept.append(segment)
        at = max(end, at + 2)
    if transform is not None and not adobe:
        kept.insert(1, b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes((min(max(transform, 0), 1),)))
    pieces = [profile[begin : begin + 65_519] for begin in range(0, len(profile), 65_519)][:255]
    for number, piece in enumerate(pieces, 1):
        head = struct.pack(">BBH", 0xFF, 0xE2, 16 + len(piece)) + b"ICC_PROFILE\0" + bytes((number, len(pieces)))
        kept.insert(len(kept), head + piece)
    return b"".join([*kept, content[at:]])


def in_memory(content: bytes) -> int:
    """A descriptor of a file in memory that holds `content`; the caller closes it."""
    descriptor = os.memfd_create("image", os.MFD_CLOEXEC)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.lseek(descriptor, 0, os.SEEK_SET)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
