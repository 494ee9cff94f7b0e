"""Damaged pictures, made here: some three hundred, the same ones each time. `make()` gives them all."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tifffile
from numpy.typing import NDArray

from pictures import encoded, gradient

LOST = "lost"  # part of the picture is not there: it must never be coloured
HARMLESS = "harmless"  # every pixel is there: it is coloured, from just these pixels
EITHER = "either"  # nobody can tell, or readers differ: refused, or coloured whole


@dataclass(frozen=True)
class Damaged:
    """One damaged file. `original` is the whole one that it was made of."""

    name: str
    content: bytes
    harm: str
    original: bytes

    @property
    def extension(self) -> str:
        return {b"\xff\xd8": ".jpg", b"\x89P": ".png"}.get(self.original[:2], ".tif")


def make(seed: int = 0) -> list[Damaged]:
    """All of them, in one order."""
    rng = random.Random(seed)
    grey = gradient(200, 150)
    colour = np.dstack([grey, grey[::-1], grey])
    jpegs = {
        "baseline": encoded(grey, "JPEG"),
        "colour": encoded(colour, "JPEG", quality=90),
        "restart": encoded(grey, "JPEG", restart_marker_blocks=20),
        "progressive": encoded(colour, "JPEG", progressive=True),
    }
    pngs = {"grey": png(grey), "colour": png(colour), "parts": png(grey, part=1000)}
    tiffs = {
        "plain": tiff(grey),
        "strips": tiff(grey, rowsperstrip=16),
        "deflate": tiff(colour, compression="zlib", rowsperstrip=16),
        "tiles": tiff(grey, tile=(64, 64), compression="zlib"),
        "big": tiff(colour, bigtiff=True, rowsperstrip=32),
        "motorola": tiff(grey, byteorder=">", rowsperstrip=32),
    }
    found = []
    for family, originals, damages in (
        ("jpeg", jpegs, (cuts, zero_tails, flips, jpeg_damages)),
        ("png", pngs, (cuts, zero_tails, flips, png_damages)),
        ("tiff", tiffs, (cuts, zero_tails, flips, tiff_damages)),
    ):
        for kind, original in originals.items():
            for damage in damages:
                for what, content, harm in damage(original, rng):
                    found.append(Damaged(f"{family}-{kind}-{what}", content, harm, original))
    return found


def png(pixels: NDArray[np.uint8], part: int = 0) -> bytes:
    """A PNG; its data in parts of `part` bytes, or in one."""
    content = encoded(pixels, "PNG")
    chunks = list(chunks_of(content))
    data = b"".join(body for kind, body in chunks if kind == b"IDAT")
    part = part or len(data)
    parts = [(b"IDAT", data[at : at + part]) for at in range(0, len(data), part)]
    return png_of([chunks[0], (b"tEXt", b"Comment\0a scan"), *parts, (b"IEND", b"")])


def chunks_of(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        yield content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        at += 12 + length


def png_of(chunks: list[tuple[bytes, bytes]]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def tiff(pixels: NDArray[np.uint8], **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, metadata=None, software=False, **options)
    return buffer.getvalue()


Changes = Iterator[tuple[str, bytes, str]]


def cuts(original: bytes, rng: random.Random) -> Changes:
    for percent in (0, 1, 5, 20, 50, 80, 95):
        yield f"cut-at-{percent}", original[: len(original) * percent // 100], LOST
    yield "cut-by-20-bytes", original[:-20], LOST


def zero_tails(original: bytes, rng: random.Random) -> Changes:
    """A file whose size was set before its content came. Uncompressed, zeros are black."""
    black = original[:2] in (b"II", b"MM")
    for percent in (30, 70, 98):
        kept = len(original) * percent // 100
        yield f"zeros-from-{percent}", original[:kept] + bytes(len(original) - kept), EITHER if black else LOST


def flips(original: bytes, rng: random.Random) -> Changes:
    for number in range(5):
        content = bytearray(original)
        for _ in range(1 + number):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        yield f"flipped-{number}", bytes(content), EITHER
    content = bytearray(original)
    for at in range(len(content)):
        if rng.random() < 0.02:
            content[at] = rng.randrange(256)
    yield "sprinkled", bytes(content), EITHER
    at = len(original) // 3
    yield "page-lost", original[:at] + bytes(1024) + original[at + 1024 :], EITHER


def jpeg_damages(original: bytes, rng: random.Random) -> Changes:
    first, last = original.index(b"\xff\xda") + 14, original.rindex(b"\xff\xda") + 14
    end = len(original) - 2
    progressive = b"\xff\xc2" in original[:first]
    for percent in (10, 50, 90):
        at = last + (end - last) * percent // 100
        at -= original[at - 1] == 0xFF
        yield f"data-end-at-{percent}", original[:at] + b"\xff\xd9", LOST
        yield f"an-oddity-and-data-end-at-{percent}", odd(original)[:at] + b"\xff\xd9", LOST
    yield "end-marker-missing", original[:-2], LOST
    yield "sector-gone", original[: first + 1000] + original[first + 1512 :], EITHER if progressive else LOST
    yield "garbage-after-the-end", original + rng.randbytes(5000), HARMLESS
    yield "zeros-after-the-end", original + bytes(20_000), HARMLESS
    yield "another-picture-after-the-end", original + original, HARMLESS
    yield "fill-bytes", original[:2] + b"\xff" * 50 + original[2:-2] + b"\xff" * 20 + original[-2:], HARMLESS
    yield "an-oddity", odd(original), HARMLESS
    yield "segment-too-long", with_length(original, 0xDB, 5000), EITHER
    yield "segment-too-short", with_length(original, 0xC4, 10), EITHER
    yield "no-tables", without(original, 0xC4), EITHER
    yield "no-quantisation", without(original, 0xDB), LOST
    yield "taller-than-its-data", with_height(original, 400), LOST
    yield "shorter-than-its-data", with_height(original, 40), EITHER if progressive else LOST
    yield "no-height", with_height(original, 0), LOST
    markers = [at for at in range(first, end) if original[at] == 0xFF and 0xD0 <= original[at + 1] <= 0xD7]
    if b"\xff\xdd" in original[:first]:
        at = markers[len(markers) // 2]
        yield "restart-gone", original[:at] + original[at + 2 :], LOST
        yield "restart-out-of-order", original[: at + 1] + b"\xd0" + original[at + 2 :], EITHER
        yield "interval-gone", original[: markers[3]] + original[markers[4] :], LOST
        yield "interval-twice", original[: markers[4]] + original[markers[3] :], LOST
        yield "eight-intervals-gone", original[: markers[3]] + original[markers[11] :], LOST


def odd(original: bytes) -> bytes:
    """With a version of JFIF that libjpeg does not know, of no importance: the one warning that it tells is spent."""
    assert original[6:11] == b"JFIF\0"
    return original[:11] + b"\x09" + original[12:]


def segment_at(content: bytes, code: int) -> tuple[int, int]:
    at = 2
    while content[at + 1] != code:
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return at, 2 + int.from_bytes(content[at + 2 : at + 4], "big")


def with_length(content: bytes, code: int, length: int) -> bytes:
    at, _ = segment_at(content, code)
    return content[: at + 2] + struct.pack(">H", length) + content[at + 4 :]


def without(content: bytes, code: int) -> bytes:
    at, size = segment_at(content, code)
    return content[:at] + content[at + size :]


def with_height(content: bytes, height: int) -> bytes:
    at, _ = segment_at(content, 0xC2 if b"\xff\xc2" in content[:700] else 0xC0)
    return content[: at + 5] + struct.pack(">H", height) + content[at + 7 :]


def png_damages(original: bytes, rng: random.Random) -> Changes:
    chunks = list(chunks_of(original))
    header, text, parts, end = chunks[0], chunks[1], chunks[2:-1], chunks[-1]
    data = b"".join(body for _, body in parts)
    at = original.index(b"IDAT")

    def sized(height: int) -> tuple[bytes, bytes]:
        return b"IHDR", header[1][:4] + struct.pack(">I", height) + header[1][8:]

    yield "garbage-after-the-end", original + rng.randbytes(5000), HARMLESS
    yield "zeros-after-the-end", original + bytes(20_000), HARMLESS
    yield "unknown-part", png_of([header, (b"prVt", b"?" * 100), *parts, end]), HARMLESS
    yield "wrong-checksum", original[: at + 500] + bytes([original[at + 500] ^ 1]) + original[at + 501 :], LOST
    yield "wrong-checksum-of-a-note", original.replace(b"a scan", b"a span"), EITHER
    yield "part-too-long", original[: at - 4] + struct.pack(">I", 2**31 - 1) + original[at:], LOST
    yield "part-absurdly-long", original[: at - 4] + struct.pack(">I", 2**32 - 1) + original[at:], LOST
    yield "part-too-short", original[: at - 4] + struct.pack(">I", 5) + original[at:], LOST
    yield "no-end", original[:-12], LOST
    yield "no-data", png_of([header, text, end]), LOST
    yield "no-header", png_of([text, *parts, end]), LOST
    yield "header-twice", png_of([header, header, *parts, end]), LOST
    yield "half-the-data", png_of([header, (b"IDAT", data[: len(data) // 2]), end]), LOST
    yield "data-without-its-end", png_of([header, (b"IDAT", data[:-30]), end]), LOST
    yield "data-flipped", png_of([header, (b"IDAT", data[:500] + bytes([data[500] ^ 64]) + data[501:]), end]), LOST
    yield "data-out-of-order", png_of([header, (b"IDAT", data[1000:]), (b"IDAT", data[:1000]), end]), LOST
    yield "no-stream", png_of([header, (b"IDAT", rng.randbytes(len(data))), end]), LOST
    yield "taller-than-its-data", png_of([sized(400), (b"IDAT", data), end]), LOST
    yield "shorter-than-its-data", png_of([sized(40), (b"IDAT", data), end]), EITHER
    yield "no-height", png_of([sized(0), (b"IDAT", data), end]), LOST
    for field, value in ((8, 3), (9, 5), (10, 1), (11, 1), (12, 7)):
        body = bytearray(header[1])
        body[field] = value
        yield f"header-byte-{field}", png_of([(b"IHDR", bytes(body)), (b"IDAT", data), end]), LOST


def tiff_damages(original: bytes, rng: random.Random) -> Changes:
    yield "garbage-after-the-end", original + rng.randbytes(5000), HARMLESS
    yield "zeros-after-the-end", original + bytes(20_000), HARMLESS
    order = "<" if original[:2] == b"II" else ">"
    big = original[2 if order == "<" else 3] == 43
    word, entry, head = ("Q", 20, 8) if big else ("I", 12, 2)
    pointer = 8 if big else 4
    first = struct.unpack_from(order + word, original, pointer)[0]
    count = struct.unpack_from(order + ("Q" if big else "H"), original, first)[0]
    chain = first + head + entry * count

    def put(at: int, code: str, value: int) -> bytes:
        content = bytearray(original)
        struct.pack_into(order + code, content, at, value)
        return bytes(content)

    yield "directory-outside", put(pointer, word, len(original) + 100), LOST
    yield "directory-at-the-very-end", put(pointer, word, len(original) - 1), LOST
    yield "directory-in-itself", put(chain, word, first), LOST
    yield "no-directory", put(pointer, word, 0), LOST
    yield "next-directory-outside", put(chain, word, len(original) + 8), LOST
    yield "directory-empty", put(first, "Q" if big else "H", 0), LOST
    yield "directory-absurdly-long", put(first, "Q" if big else "H", 60_000), LOST
    for number in range(count):
        at = first + head + entry * number
        tag = struct.unpack_from(order + "H", original, at)[0]
        value = at + entry - struct.calcsize(word)
        if tag in (273, 324):
            harm = LOST
            yield f"tag-{tag}-outside", put(value, word, len(original) + 1000), harm
            yield f"tag-{tag}-gone", put(at, "H", 60_000), harm
            yield f"tag-{tag}-of-no-kind", put(at + 2, "H", 99), harm
            yield f"tag-{tag}-absurdly-long", put(at + 4, word, 2**31), harm
        elif tag in (279, 325):
            yield f"tag-{tag}-outside", put(value, word, len(original) + 1000), EITHER
            yield f"tag-{tag}-absurdly-long", put(at + 4, word, 2**30), LOST
        elif tag in (256, 257, 258, 259, 262, 277, 278, 284, 322):
            for wrong in (0, 3, 60_000):
                yield f"tag-{tag}-is-{wrong}", put(value, "H", wrong), EITHER
