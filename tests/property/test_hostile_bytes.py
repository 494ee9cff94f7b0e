"""Whatever bytes a file holds, what reads them in Python ends soon, in little memory, with an error of ours or none."""

from __future__ import annotations

import os
import struct
import time
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import damaged
from colorwatch.codecs import jpegloss
from colorwatch.errors import ScanError
from colorwatch.formats.signatures import SNIFFED, sniff
from colorwatch.formats.structure import examine
from colorwatch.formats.tiffkinds import pages_of
from colorwatch.formats.tifftags import read_carried
from colorwatch.metadata.carrying import pack

SECONDS = 5.0  # a machine may be busy; what is measured otherwise takes milliseconds
BYTES = 48 << 20  # the bound on carried tags is 32 MB

WHOLE = {variant.original for variant in damaged.make()}
ORIGINALS = {
    "jpeg": sorted((whole for whole in WHOLE if whole[:2] == b"\xff\xd8"), key=len),
    "png": sorted((whole for whole in WHOLE if whole[:1] == b"\x89"), key=len),
    "tiff": sorted((whole for whole in WHOLE if whole[:2] in (b"II", b"MM")), key=len),
}
# Long enough runs for a length, an offset or a tag; with what makes readers stumble.
ODD = st.binary(min_size=1, max_size=12) | st.sampled_from(
    [
        b"\xff" * 8,
        b"\0" * 8,
        b"\x7f\xff\xff\xff",
        b"\x80\0\0\0",
        b"\xff\xd8",
        b"\xff\xd9",
        b"\xff\xda",
        b"IDAT",
        b"II*\0",
    ]
)
EDITS = st.lists(st.tuples(st.floats(0, 0.9999), st.booleans(), st.sampled_from("oid"), ODD), max_size=10)
LIMITS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def edited(whole: bytes, edits: list[tuple[float, bool, str, bytes]], cut: float) -> bytes:
    """`whole` with bytes overwritten, inserted and deleted: anywhere, or near the front, where the structure is."""
    content = bytearray(whole)
    for place, near, how, odd in edits:
        at = int(place * (min(len(content), 500) if near else len(content)))
        end = at if how == "i" else at + len(odd)
        content[at:end] = b"" if how == "d" else odd
    return bytes(content[: int(cut * len(content))]) if cut < 0.9 else bytes(content)


def held(content: bytes, *readers: Callable[[int], object]) -> None:
    """Each reader's way with these bytes: bounded, and a ScanError at worst."""
    descriptor = os.memfd_create("scan")
    try:
        os.write(descriptor, content)
        for reader in readers:
            began, said = time.monotonic(), "."
            tracemalloc.start()
            try:
                reader(descriptor)
            except ScanError as error:
                said = str(error)
            finally:
                _, peak = tracemalloc.get_traced_memory()
                tracemalloc.stop()
            assert said.endswith("."), said
            assert time.monotonic() - began < SECONDS, reader
            assert peak < BYTES, (reader, peak)
    finally:
        os.close(descriptor)


def whole_or_not(descriptor: int) -> None:
    found = examine(descriptor)
    assert found.complete or found.reason.endswith(".")
    if found.complete:
        assert found.width > 0
        assert found.height > 0
        assert len(found.digest) == 64


def luggage(format: str) -> Callable[[int], object]:
    return lambda descriptor: pack(format, descriptor, os.fstat(descriptor).st_size)


def carried(descriptor: int) -> object:
    return read_carried(descriptor, os.fstat(descriptor).st_size)


def loss(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    head, at = jpegloss.plain_head(descriptor) or (b"", 0)
    assert len(head) <= jpegloss.MAX_HEAD + (1 << 16) + 4
    for reached in (0, at, size // 2, size):
        jpegloss.left_over(descriptor, at, reached, 4096)


READERS: dict[str, tuple[Callable[[int], object], ...]] = {
    "jpeg": (whole_or_not, luggage("jpeg"), loss),
    "png": (whole_or_not, luggage("png")),
    "tiff": (whole_or_not, luggage("tiff"), pages_of, carried),
}


@pytest.mark.parametrize("format", ORIGINALS)
@LIMITS
@given(data=st.data())
def test_a_picture_edited_anyhow_is_read_or_refused(format: str, data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from(ORIGINALS[format]))
    content = edited(whole, data.draw(EDITS), data.draw(st.floats(0, 1)))
    held(content, *READERS[format])


@LIMITS
@given(
    st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b""]), st.binary()
)
def test_any_bytes_after_a_beginning_are_read_or_refused(start: bytes, rest: bytes) -> None:
    held(start + rest, *{reader for readers in READERS.values() for reader in readers})


segments = st.tuples(
    st.integers(0xC0, 0xFE),
    st.none() | st.integers(0, 65_535),
    st.binary(max_size=40) | st.sampled_from([b"Exif\0\0II*\0\x08\0\0\0", b"ICC_PROFILE\0\1\1", b"Photoshop 3.0\0"]),
)


@LIMITS
@given(st.lists(segments, max_size=30), st.binary(max_size=60))
def test_any_segments_of_a_jpeg_are_read_or_refused(parts: list[tuple[int, int | None, bytes]], coded: bytes) -> None:
    content = b"\xff\xd8"
    for code, length, body in parts:
        size = len(body) + 2 if length is None else length
        content += struct.pack(">BBH", 0xFF, code, size) + body
    held(content + coded + b"\xff\xd9", *READERS["jpeg"])


@LIMITS
@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"IDAT", b"IEND", b"IHDR", b"eXIf", b"iCCP", b"zTXt"]) | st.binary(min_size=4, max_size=4),
            st.binary(max_size=60),
        ),
        max_size=20,
    )
)
def test_any_chunks_of_a_png_are_read_or_refused(chunks: list[tuple[bytes, bytes]]) -> None:
    header = (b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 0, 0, 0, 0))
    held(damaged.png_of([header, *chunks, (b"IEND", b"")]), *READERS["png"])


TAGS = [
    254,
    256,
    257,
    258,
    259,
    262,
    270,
    273,
    274,
    277,
    278,
    279,
    282,
    322,
    324,
    325,
    330,
    339,
    700,
    34665,
    34675,
    34853,
]
entries = st.tuples(
    st.sampled_from(TAGS) | st.integers(0, 65_535),
    st.integers(0, 20),
    st.integers(0, 12) | st.sampled_from([4096, 65_536, 2**24, 2**31, 2**32 - 1]),
    st.integers(0, 400) | st.sampled_from([2**31, 2**32 - 1]),
)


@LIMITS
@given(
    directories=st.lists(st.tuples(st.lists(entries, max_size=14), st.integers(0, 500)), max_size=6),
    order=st.sampled_from("<>"),
    big=st.booleans(),
    behind=st.binary(max_size=200),
)
def test_any_directories_of_a_tiff_are_read_or_refused(
    directories: list[tuple[list[tuple[int, int, int, int]], int]], order: str, big: bool, behind: bytes
) -> None:
    mark, head, entry, word = (43, "Q", "HHQQ", "Q") if big else (42, "H", "HHII", "I")
    first = 16 if big else 8
    content = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", mark)
    content += struct.pack(order + "HHQ", 8, 0, first) if big else struct.pack(order + "I", first)
    for fields, following in directories:
        content += struct.pack(order + head, len(fields))
        content += b"".join(struct.pack(order + entry, *field) for field in fields)
        # Where the next one begins, or anywhere.
        following = len(content) + struct.calcsize("=" + word) if following % 2 else following
        content += struct.pack(order + word, following)
    held(content + behind, *READERS["tiff"])


@LIMITS
@given(st.binary(max_size=SNIFFED) | st.text().map(lambda text: text.encode()[:SNIFFED]))
def test_any_first_bytes_have_a_format_or_a_refusal(start: bytes) -> None:
    try:
        found = sniff(start)
    except ScanError as error:
        found = str(error)
    assert found in ("jpeg", "png", "tiff", "") or (found.isprintable() and found.endswith("."))
