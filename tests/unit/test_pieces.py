"""JPEG segments and PNG chunks: read as far as they are whole, written as other libraries read them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

import pytest

from colorwatch.metadata.pieces import MAX_BYTES, jpeg_segment, jpeg_segments, png_chunk, png_chunks, sha256_of
from pictures import encoded, gradient, opened

GREY = gradient()
ALL = range(256)


@pytest.fixture
def scan() -> Iterator[int]:
    descriptor = os.memfd_create("scan")
    yield descriptor
    os.close(descriptor)


def put(descriptor: int, content: bytes) -> int:
    os.ftruncate(descriptor, 0)
    return os.pwrite(descriptor, content, 0)


def test_what_is_written_is_read_back_by_others_and_by_us(scan: int, tmp_path: object) -> None:
    plain = encoded(GREY, "JPEG")
    content = plain[:2] + jpeg_segment(0xFE, b"Aunt Ada") + plain[2:]
    assert (0xFE, b"Aunt Ada") in jpeg_segments(scan, put(scan, content), (0xFE,))
    path = os.path.join(str(tmp_path), "x")
    with open(path, "wb") as file:
        file.write(content)
    assert opened(path).info["comment"] == b"Aunt Ada"
    plain = encoded(GREY, "PNG")
    content = plain[:33] + png_chunk(b"tEXt", b"Comment\0Aunt Ada") + plain[33:]
    assert list(png_chunks(scan, put(scan, content), (b"tEXt",))) == [(b"tEXt", b"Comment\0Aunt Ada")]
    with open(path, "wb") as file:
        file.write(content)
    assert opened(path).info["Comment"] == "Aunt Ada"


def test_reading_stops_at_a_jpegs_pixels_and_where_it_breaks_off(scan: int) -> None:
    content = b"\xff\xd8" + jpeg_segment(0xE0, b"a") + b"\xff\xff" + jpeg_segment(0xE1, b"b")
    assert list(jpeg_segments(scan, put(scan, content), ALL)) == [(0xE0, b"a"), (0xE1, b"b")]
    assert len(list(jpeg_segments(scan, put(scan, content[:-1]), ALL))) == 1
    behind = content + b"\xff\xda" + jpeg_segment(0xFE, b"c")
    assert len(list(jpeg_segments(scan, put(scan, behind), ALL))) == 2
    assert list(jpeg_segments(scan, put(scan, b"\xff\xd8" + b"\xff" * 10_000), ALL)) == []


def test_a_chunk_is_read_behind_the_pixels_too_but_not_in_part_nor_when_it_is_huge(scan: int) -> None:
    content = encoded(GREY, "PNG") + png_chunk(b"iTXt", b"late")
    assert list(png_chunks(scan, put(scan, content), (b"iTXt",))) == [(b"iTXt", b"late")]
    assert list(png_chunks(scan, put(scan, content[:-1]), (b"iTXt",))) == []
    size = put(scan, b"\x89PNG\r\n\x1a\n" + (MAX_BYTES + 1).to_bytes(4, "big") + b"iTXt") + MAX_BYTES + 100
    os.ftruncate(scan, size)
    assert list(png_chunks(scan, size, (b"iTXt",))) == []


def test_a_digest_is_that_of_the_whole_file_wherever_it_stands(scan: int) -> None:
    content = os.urandom(700_000)
    put(scan, content)
    os.lseek(scan, 1000, os.SEEK_SET)
    assert sha256_of(scan) == hashlib.sha256(content).hexdigest()
