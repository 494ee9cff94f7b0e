"""Pages appended to a TIFF, read back by tifffile."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator

import numpy as np
import pytest
import tifffile

from colorwatch.codecs.tiffout import append_page, uncompressed_head
from colorwatch.formats.tifftags import EXIF, Carried, TiffError
from pictures import gradient

GREY = gradient(40, 30)


@pytest.fixture
def descriptor() -> Iterator[int]:
    descriptor = os.memfd_create("result")
    yield descriptor
    os.close(descriptor)


def page(number: int, **options: bool) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer, GREY[: 10 + number], photometric="minisblack", metadata=None, resolution=(72, 72), **options
    )
    return buffer.getvalue()


def told(number: int) -> Carried:
    text = f"page {number}\0".encode()
    exif = Carried({33434: (5, 1, struct.pack("<II", 1, 100 + number))})
    return Carried({285: (2, len(text), text)}, {EXIF: exif})


def append(descriptor: int, content: bytes, carried: Carried, big: bool, link_at: int) -> int:
    base = os.lseek(descriptor, 0, os.SEEK_END)
    base += base % 2
    os.pwrite(descriptor, content, base)
    return append_page(descriptor, base, big, carried, link_at)


@pytest.mark.parametrize("big", [False, True])
def test_pages_follow_each_other_with_their_tags(descriptor: int, big: bool) -> None:
    link_at = 0
    for number in range(5):
        link_at = append(descriptor, page(number, bigtiff=big and not number), told(number), big, link_at)
    content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        assert file.is_bigtiff == big
        assert len(file.pages) == 5
        for number, found in enumerate(file.pages):
            assert isinstance(found, tifffile.TiffPage)
            assert (found.asarray() == GREY[: 10 + number]).all()
            assert found.tags[285].value == f"page {number}"
            assert found.tags[EXIF].value["ExposureTime"] == (1, 100 + number)
            # What the encoder made up is not there.
            assert not {282, 283, 296} & {tag.code for tag in found.tags}


def test_a_page_of_the_other_byte_order_is_none_of_ours(descriptor: int) -> None:
    content = io.BytesIO()
    tifffile.imwrite(content, GREY, byteorder=">")
    with pytest.raises(TiffError, match="little-endian"):
        append(descriptor, content.getvalue(), Carried(), False, 0)


def test_a_file_that_grew_beyond_its_offsets_is_refused(descriptor: int) -> None:
    os.ftruncate(descriptor, 0xFFFFFFF0)
    with pytest.raises(TiffError, match="too large"):
        append(descriptor, page(1), told(1), False, 4)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("bands", [3, 4])
@pytest.mark.parametrize("rows", [1, 7, 30])
def test_the_stream_that_libvips_reads_is_a_tiff(bits: int, bands: int, rows: int) -> None:
    array = np.random.default_rng(1).integers(0, 1 << bits, (30, 20, bands)).astype(f"u{bits // 8}")
    content = uncompressed_head(20, 30, bands, bits, rows) + array.tobytes()
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        assert (file.pages[0].asarray() == array).all()
