"""Files that are small to keep and huge to open, and other giants; each with the kind of its refusal, or "done"."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable

import numpy as np

from damaged import png_of
from pictures import encoded, gradient
from tiffs import tiff_by_hand

Fill = Callable[[str], None]


def write(content: bytes) -> Fill:
    def fill(path: str) -> None:
        with open(path, "wb") as file:
            file.write(content)

    return fill


def sparse(content: bytes, size: int) -> Fill:
    """`content`, and a hole after it up to `size` bytes."""

    def fill(path: str) -> None:
        write(content)(path)
        os.truncate(path, size)

    return fill


def zlib_of_zeros(count: int) -> bytes:
    """A zlib stream of `count` zero bytes, made without compressing them all."""
    block = 1 << 20
    packer = zlib.compressobj(9, wbits=-15)
    packer.compress(bytes(32 * 1024))
    packer.flush(zlib.Z_SYNC_FLUSH)
    # With the window full of zeros, each further block comes out the same.
    first = zlib.compressobj(9, wbits=-15)
    one = first.compress(bytes(block)) + first.flush(zlib.Z_FULL_FLUSH)
    times, rest = divmod(count, block)
    end = zlib.compressobj(9, wbits=-15)
    last = end.compress(bytes(rest)) + end.flush(zlib.Z_FINISH)
    # Adler-32 of zeros: its first sum stays 1, its second counts them (RFC 1950).
    return b"\x78\xda" + one * times + last + struct.pack(">HH", count % 65521, 1)


def blank_png(width: int, height: int, bits: int = 8) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    data = zlib_of_zeros(height * (1 + (width * bits + 7) // 8))
    return png_of([(b"IHDR", header), (b"IDAT", data), (b"IEND", b"")])


def huge_jpeg(width: int, height: int, progressive: bool) -> bytes:
    """A JPEG of a few kilobytes whose header promises `width` x `height`."""
    content = encoded(gradient(), "JPEG", progressive=progressive)
    at = content.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    return content[: at + 5] + struct.pack(">HH", height, width) + content[at + 9 :]


def many_scans(width: int, height: int, scans: int) -> bytes:
    """A progressive JPEG whose every further scan costs a pass over all of its coefficients."""
    content = huge_jpeg(width, height, progressive=True)
    start = content.rindex(b"\xff\xda")
    return content[:-2] + content[start:-2] * scans + b"\xff\xd9"


def tiff_of_pages(pages: int) -> bytes:
    """Each page is a directory of its own, and all of them show one pixel."""
    entries = [(256, 4, 1), (257, 4, 1), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (278, 4, 1), (279, 4, 1)]
    size = 2 + 12 * len(entries) + 4
    content = struct.pack("<2sHI", b"II", 42, 16) + bytes(8)
    for number in range(pages):
        body = struct.pack("<H", len(entries))
        body += b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
        following = 16 + size * (number + 1) if number < pages - 1 else 0
        content += body + struct.pack("<I", following)
    return content


def giant_tiff(side: int, stored: int) -> bytes:
    """A raw TIFF of `side` x `side` whose one strip begins behind its directory, and is a hole in the file."""
    return tiff_by_hand(b"", side, side, {273: (4, [4096]), 279: (4, [stored])}).ljust(4096, b"\0")


def bomb_in_profile() -> bytes:
    """A small PNG with a colour profile that unpacks to 300 MB."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 64, 48, 8, 0, 0, 0, 0)), (b"iCCP", b"x\0\0" + zlib_of_zeros(300 << 20))]
    rows = b"".join(b"\0" + row.tobytes() for row in gradient(64, 48))
    return png_of([*chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")])


def make(budget_pixels: int) -> dict[str, tuple[Fill, set[str]]]:
    """File name -> how to write it, and how it may end. `budget_pixels`: more grey ones than the budget allows."""
    side = int(budget_pixels**0.5)
    good = encoded(gradient(), "PNG")
    return {
        "one-colour-100000x100000.png": (write(blank_png(100_000, 100_000, 1)), {"too-large"}),
        "beyond-the-megapixels.png": (write(blank_png(50_000, 5_000)), {"too-large"}),
        "beyond-the-budget.png": (write(blank_png(side, side)), {"too-large", "done"}),
        "gigapixel.jpg": (write(huge_jpeg(40_000, 30_000, False)), {"too-large"}),
        "gigapixel-progressive.jpg": (write(huge_jpeg(65_500, 65_500, True)), {"too-large"}),
        "many-scans.jpg": (write(many_scans(2_000, 1_000, 5_000)), {"incomplete"}),
        "10000-pages.tif": (write(tiff_of_pages(10_000)), {"too-large"}),
        "10001-pages.tif": (write(tiff_of_pages(10_001)), {"incomplete"}),
        "loop.tif": (write(loop()), {"incomplete"}),
        "zero-bytes.jpg": (write(b""), {"incomplete"}),
        "only-zeros.png": (sparse(b"", 5_000_000_000), {"too-large"}),
        "only-zeros-smaller.png": (sparse(b"", 3_000_000_000), {"incomplete"}),
        "sparse.tif": (sparse(giant_tiff(70_000, 4_294_900_000), 5_000_000_000), {"too-large"}),
        "sparse-smaller.tif": (sparse(giant_tiff(20_000, 400_000_000), 400_004_096), {"too-large"}),
        "sparse.jpg": (sparse(good_jpeg()[:-2], 300_000_000), {"incomplete"}),
        "sparse.png": (sparse(good[:-12], 3_000_000_000), {"incomplete"}),
        "appended.png": (sparse(good, 100_000_000), {"done"}),
        "profile.png": (write(bomb_in_profile()), {"done", "damaged", "memory"}),
        "a-png-by-another-name.jpg": (write(good), {"done"}),
        "a-jpeg-by-another-name.tif": (write(good_jpeg()), {"done"}),
        "text.png": (write(b"no picture at all\n" * 9), {"not-a-picture"}),
    }


def good_jpeg() -> bytes:
    return encoded(gradient(), "JPEG")


def loop() -> bytes:
    content = bytearray(tiff_by_hand(np.zeros(64, np.uint8).tobytes(), 8, 8, {}))
    first = struct.unpack_from("<I", content, 4)[0]
    count = struct.unpack_from("<H", content, first)[0]
    struct.pack_into("<I", content, first + 2 + 12 * count, first)
    return bytes(content)
