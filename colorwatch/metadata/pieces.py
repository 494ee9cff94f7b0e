"""The pieces that JPEG and PNG files are made of, read from untrusted bytes and written."""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Container, Iterator

MAX_SEGMENTS = 4096  # of a JPEG before its pixels
MAX_CHUNKS = 1_000_000  # of a PNG
MAX_BYTES = 32 << 20  # of one PNG chunk that is read; real ones have under a megabyte

COMMENT = 0xFE  # the code of a JPEG's comment segment
APP0, APP1, APP13 = 0xE0, 0xE1, 0xED


def sha256_of(descriptor: int) -> str:
    """The sha256 of the whole file behind `descriptor`, in hex. Raises OSError."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    with open(descriptor, "rb", closefd=False) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def jpeg_segments(descriptor: int, size: int, wanted: Container[int]) -> Iterator[tuple[int, bytes]]:
    """Code and content of the `wanted` segments before the pixels, as far as they are whole. Raises OSError."""
    at = 2
    for _ in range(MAX_SEGMENTS):
        head = os.pread(descriptor, 4, at)
        if len(head) < 4 or head[0] != 0xFF or head[1] == 0xDA:
            return
        if head[1] == 0xFF:
            at += 1
            continue
        length = int.from_bytes(head[2:], "big")
        if length < 2 or at + 2 + length > size:
            return
        if head[1] in wanted:
            yield head[1], os.pread(descriptor, length - 2, at + 4)
        at += 2 + length


def jpeg_segment(code: int, content: bytes) -> bytes:
    """A whole segment; `content` has at most 65,533 bytes."""
    return struct.pack(">BBH", 0xFF, code, len(content) + 2) + content


def png_chunks(descriptor: int, size: int, wanted: Container[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of the `wanted` chunks, as far as they are whole. Raises OSError."""
    at = 8
    for _ in range(MAX_CHUNKS):
        head = os.pread(descriptor, 8, at)
        if len(head) < 8:
            return
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind in wanted and length <= MAX_BYTES and at + 12 + length <= size:
            yield kind, os.pread(descriptor, length, at + 8)
        at += 12 + length


def riff_chunks(descriptor: int, size: int, wanted: Container[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of the `wanted` chunks of a WebP (RFC 9649), as far as they are whole. Raises OSError."""
    at = 12
    for _ in range(MAX_CHUNKS):
        head = os.pread(descriptor, 8, at)
        if len(head) < 8:
            return
        kind, length = head[:4], int.from_bytes(head[4:], "little")
        if kind in wanted and length <= MAX_BYTES and at + 8 + length <= size:
            yield kind, os.pread(descriptor, length, at + 8)
        at += 8 + length + length % 2


def riff_chunk(kind: bytes, content: bytes) -> bytes:
    """A whole chunk, padded to an even length."""
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A whole chunk with its checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
